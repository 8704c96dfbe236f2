//! Secrets that nobody has, one of each kind, in texts that give them away.
//!
//! They are put together here, from their parts: no whole one stands in a file.
#![allow(dead_code)]

use std::path::Path;

/// A text, and the secret in it.
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    pub(crate) rule: &'static str,
    pub(crate) text: String,
    pub(crate) secret: String,
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        usize::try_from((z ^ (z >> 27)) >> 33).unwrap()
    }

    fn of(&mut self, letters: &str, len: usize) -> String {
        let letters: Vec<char> = letters.chars().collect();
        (0..len).map(|_| letters[self.next() % letters.len()]).collect()
    }
}

const HEX: &str = "0123456789abcdef";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// Of every rule at least one.
pub(crate) fn canaries() -> Vec<Canary> {
    let mut r = Random(7);
    let mut all = Vec::new();
    // The secret is all of it.
    let whole = |rule, secret: String| Canary { rule, text: secret.clone(), secret };
    let forms: &[(&'static str, &[(&str, usize, &str)])] = &[
        ("anthropic-key", &[("", 0, "sk-ant-api03-"), (URL64, 93, "AA")]),
        ("openrouter-key", &[("", 0, "sk-or-v1-"), (HEX, 64, "")]),
        (
            "langfuse-key",
            &[("", 0, "sk-lf-"), (HEX, 8, "-"), (HEX, 4, "-"), (HEX, 4, "-"), (HEX, 4, "-"), (HEX, 12, "")],
        ),
        ("openai-key", &[("", 0, "sk-proj-"), (URL64, 120, "")]),
        ("openai-key", &[("", 0, "sk-"), (ALNUM, 20, "T3BlbkFJ"), (ALNUM, 20, "")]),
        ("groq-key", &[("", 0, "gsk_"), (ALNUM, 52, "")]),
        ("xai-key", &[("", 0, "xai-"), (ALNUM, 80, "")]),
        ("perplexity-key", &[("", 0, "pplx-"), (ALNUM, 48, "")]),
        ("hugging-face-token", &[("", 0, "hf_"), (ALNUM, 34, "")]),
        ("hugging-face-token", &[("", 0, "api_org_"), (ALNUM, 34, "")]),
        ("replicate-token", &[("", 0, "r8_"), (ALNUM, 37, "")]),
        ("langsmith-key", &[("", 0, "lsv2_pt_"), (HEX, 32, "_"), (HEX, 10, "")]),
        ("pinecone-key", &[("", 0, "pcsk_"), (ALNUM, 60, "")]),
        ("tavily-key", &[("", 0, "tvly-"), (ALNUM, 32, "")]),
        ("e2b-key", &[("", 0, "e2b_"), (HEX, 40, "")]),
        ("elevenlabs-key", &[("", 0, "sk_"), (HEX, 48, "")]),
        ("aws-access-key-id", &[("", 0, "AKIA"), (BASE32, 16, "")]),
        ("aws-access-key-id", &[("", 0, "ASIA"), (BASE32, 16, "")]),
        ("aws-bedrock-key", &[("", 0, "ABSK"), (BASE64, 128, "")]),
        ("google-api-key", &[("", 0, "AIza"), (ALNUM, 35, "")]),
        ("google-oauth-secret", &[("", 0, "GOCSPX-"), (URL64, 28, "")]),
        ("google-oauth-token", &[("", 0, "ya29."), (URL64, 80, "x")]),
        ("google-refresh-token", &[("", 0, "1//0"), (ALNUM, 60, "")]),
        ("azure-client-secret", &[(ALNUM, 3, "8Q~"), (ALNUM, 34, "")]),
        ("azure-signature", &[("", 0, "sig="), (ALNUM, 43, "%3D")]),
        ("alibaba-access-key-id", &[("", 0, "LTAI"), (ALNUM, 20, "")]),
        ("digitalocean-token", &[("", 0, "dop_v1_"), (HEX, 64, "")]),
        ("heroku-token", &[("", 0, "HRKU-"), (ALNUM, 58, "")]),
        ("fly-token", &[("", 0, "fo1_"), (ALNUM, 43, "")]),
        ("databricks-token", &[("", 0, "dapi"), (HEX, 32, "")]),
        ("netlify-token", &[("", 0, "nfp_"), (ALNUM, 36, "")]),
        ("supabase-key", &[("", 0, "sbp_"), (HEX, 40, "")]),
        ("planetscale-token", &[("", 0, "pscale_tkn_"), (ALNUM, 43, "")]),
        ("doppler-token", &[("", 0, "dp.pt."), (ALNUM, 43, "")]),
        ("vault-token", &[("", 0, "hvs."), (ALNUM, 90, "")]),
        ("terraform-token", &[(ALNUM, 14, ".atlasv1."), (ALNUM, 67, "")]),
        ("pulumi-token", &[("", 0, "pul-"), (HEX, 40, "")]),
        ("tailscale-key", &[("", 0, "tskey-auth-"), (ALNUM, 16, "-"), (ALNUM, 32, "")]),
        ("cloudflare-origin-key", &[("", 0, "v1.0-"), (HEX, 24, "-"), (HEX, 146, "")]),
        ("onepassword-token", &[("", 0, "ops_eyJ"), (ALNUM, 300, "")]),
        ("age-key", &[("", 0, "AGE-SECRET-KEY-1"), ("023456789ACDEFGHJKLMNPQRSTUVWXYZ", 58, "")]),
        ("github-token", &[("", 0, "ghp_"), (ALNUM, 36, "")]),
        ("github-token", &[("", 0, "ghs_"), (ALNUM, 36, "")]),
        ("github-token", &[("", 0, "github_pat_"), (ALNUM, 22, "_"), (ALNUM, 59, "")]),
        ("gitlab-token", &[("", 0, "glpat-"), (URL64, 20, "")]),
        ("gitlab-token", &[("", 0, "GR1348941"), (ALNUM, 20, "")]),
        ("atlassian-token", &[("", 0, "ATATT3"), (URL64, 180, "=")]),
        ("npm-token", &[("", 0, "npm_"), (ALNUM, 36, "")]),
        ("pypi-token", &[("", 0, "pypi-AgEIcHlwaS5vcmc"), (URL64, 120, "")]),
        ("rubygems-token", &[("", 0, "rubygems_"), (HEX, 48, "")]),
        ("crates-io-token", &[("", 0, "cio"), (ALNUM, 32, "")]),
        ("nuget-key", &[("", 0, "oy2"), (LOWER, 43, "")]),
        ("docker-token", &[("", 0, "dckr_pat_"), (ALNUM, 27, "")]),
        ("circleci-token", &[("", 0, "CCIPAT_"), (ALNUM, 22, "_"), (HEX, 40, "")]),
        ("buildkite-token", &[("", 0, "bkua_"), (HEX, 40, "")]),
        ("sentry-token", &[("", 0, "sntrys_eyJ"), (ALNUM, 120, "")]),
        ("grafana-token", &[("", 0, "glsa_"), (ALNUM, 32, "_"), (HEX, 8, "")]),
        ("new-relic-key", &[("", 0, "NRAK-"), (BASE32, 27, "")]),
        ("postman-key", &[("", 0, "PMAK-"), (HEX, 24, "-"), (HEX, 34, "")]),
        ("linear-key", &[("", 0, "lin_api_"), (ALNUM, 40, "")]),
        ("notion-token", &[("", 0, "ntn_"), (ALNUM, 46, "")]),
        ("notion-token", &[("", 0, "secret_"), (ALNUM, 43, "")]),
        ("figma-token", &[("", 0, "figd_"), (ALNUM, 40, "")]),
        ("airtable-token", &[("", 0, "pat"), (ALNUM, 14, "."), (HEX, 64, "")]),
        (
            "slack-token",
            &[("", 0, "xoxb-"), ("0123456789", 12, "-"), ("0123456789", 12, "-"), (ALNUM, 24, "")],
        ),
        (
            "slack-webhook",
            &[("", 0, "hooks.slack.com/services/T"), (BASE32, 8, "/B"), (BASE32, 8, "/"), (ALNUM, 24, "")],
        ),
        ("discord-webhook", &[("", 0, "discord.com/api/webhooks/"), ("123456789", 18, "/"), (ALNUM, 68, "")]),
        ("discord-token", &[("", 0, "MT"), (ALNUM, 24, "."), (ALNUM, 6, "."), (ALNUM, 38, "")]),
        ("telegram-token", &[("123456789", 10, ":AA"), (ALNUM, 33, "")]),
        ("twilio-key", &[("", 0, "SK"), (HEX, 32, "")]),
        ("sendgrid-key", &[("", 0, "SG."), (ALNUM, 22, "."), (ALNUM, 43, "")]),
        ("brevo-key", &[("", 0, "xkeysib-"), (HEX, 64, "-"), (ALNUM, 16, "")]),
        ("mailgun-key", &[("", 0, "key-"), (HEX, 32, "")]),
        ("mailchimp-key", &[(HEX, 32, "-us12")]),
        ("resend-key", &[("", 0, "re_"), (ALNUM, 8, "_"), (ALNUM, 24, "")]),
        ("stripe-key", &[("", 0, "sk_live_"), (ALNUM, 24, "")]),
        ("webhook-secret", &[("", 0, "whsec_"), (ALNUM, 32, "")]),
        ("square-token", &[("", 0, "sq0atp-"), (ALNUM, 22, "")]),
        ("shopify-token", &[("", 0, "shpat_"), (HEX, 32, "")]),
        ("braintree-token", &[("", 0, "access_token$production$"), (LOWER, 16, "$"), (HEX, 32, "")]),
        ("facebook-token", &[("", 0, "EAA"), (ALNUM, 150, "")]),
        ("jwt", &[("", 0, "eyJ"), (ALNUM, 33, ".eyJ"), (ALNUM, 90, "."), (ALNUM, 43, "")]),
        ("jwe", &[("", 0, "eyJ"), (ALNUM, 60, ".."), (ALNUM, 16, "."), (ALNUM, 80, "."), (ALNUM, 22, "")]),
    ];
    for (rule, parts) in forms {
        let mut secret = String::new();
        for (letters, len, then) in *parts {
            if *len > 0 {
                secret.push_str(&r.of(letters, *len));
            }
            secret.push_str(then);
        }
        all.push(whole(rule, secret));
    }
    // Given away by a name or a place.
    let around: &[(&'static str, &str, &str, usize, &str)] = &[
        ("azure-storage-key", "AccountName=me;AccountKey=", BASE64, 86, "==;EndpointSuffix=x"),
        ("bearer-token", "Authorization: Bearer ", ALNUM, 40, "\nAccept: */*"),
        ("bearer-token", "authorization: Basic ", ALNUM, 30, "=="),
        ("bearer-token", "with the bearer ", ALNUM, 40, " in hand"),
        ("url-password", "postgres://admin:", ALNUM, 12, "@db.internal:5432/app"),
        ("url-password", "https://", ALNUM, 40, "@git.example.org/x.git"),
        ("password", "export DB_PASSWORD=", ALNUM, 10, "\nHOME=/root"),
        ("password", "MYSQL_PWD=", ALNUM, 10, " mysql"),
        ("password", "{\"password\": \"", ALNUM, 14, "\"}"),
        ("password", "{\\\"dbPassword\\\":\\\"", ALNUM, 14, "\\\"}"),
        ("password", "mysql --password=", ALNUM, 14, " -h db"),
        ("password", "curl -u admin:", ALNUM, 14, " https://x"),
        ("password", "sshpass -p ", ALNUM, 14, " ssh x"),
        ("password", "Server=x;Password=", ALNUM, 14, ";"),
        ("secret", "AWS_SECRET_ACCESS_KEY=", BASE64, 40, "\n"),
        ("secret", "x-api-key: ", HEX, 32, "\n"),
        ("secret", "client_secret = '", ALNUM, 32, "'"),
        ("secret", "{\"accessToken\":\"", ALNUM, 44, "\"}"),
    ];
    for (rule, before, letters, len, behind) in around {
        // A digit, and one that is no digit, as nearly all have.
        let mut secret = format!("{}7q", r.of(letters, len - 2));
        if *letters == BASE64 && behind.starts_with("==") {
            secret.push_str("==");
        }
        let text = format!("{before}{}{behind}", secret.trim_end_matches("=="));
        all.push(Canary { rule, text: text.clone(), secret: secret.trim_end_matches('=').to_owned() });
    }
    let lines: Vec<String> = (0..6).map(|_| r.of(BASE64, 64)).collect();
    for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "] {
        for between in ["\n", "\\n"] {
            let label = |word: &str| format!("-----{word} {kind}PRIVATE KEY-----");
            let body = lines.iter().map(|line| format!("{line}{between}")).collect::<String>();
            let text = format!("{}{between}{body}{}", label("BEGIN"), label("END"));
            all.push(Canary { rule: "private-key", text, secret: lines[3].clone() });
        }
    }
    let in_base64 = format!("LS0tLS1CRUdJTi{}{}", "BQUklWQVRFIEtFWS0", r.of(BASE64, 900));
    all.push(whole("private-key", in_base64));
    all
}

/// The files below a folder that hold any of these, with what they hold.
pub(crate) fn files_with(folder: &Path, secrets: &[String]) -> Vec<String> {
    let finder = aho_corasick::AhoCorasick::new(secrets).unwrap();
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if let Some(name) = finder.find(path.to_str().unwrap()) {
                found.push(format!("{}: its name has {}", path.display(), secrets[name.pattern()]));
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                if let Some(at) = finder.find(&bytes) {
                    found.push(format!("{} at {}: {}", path.display(), at.start(), secrets[at.pattern()]));
                }
            }
        }
    }
    found
}

/// A JSON string in which every character is spelled as an escape.
pub(crate) fn escaped(text: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{units}\"")
}
