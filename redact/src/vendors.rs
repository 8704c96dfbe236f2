//! Keys and tokens that can be told by their form: each begins with, or holds, something that hardly anything else does.
//!
//! The forms are those that the vendors publish, or that their keys have. What a form says has to be enough: a rule that needs to know
//! what stands around a value belongs to `assignment`.

/// A form.
pub(crate) struct Form {
    /// What it is called in a marker.
    pub(crate) rule: &'static str,
    /// What it holds, in any case of letters; where this is found, the pattern is tried.
    pub(crate) anchors: &'static [&'static str],
    /// How many bytes in front of the anchor it may begin, at least and at most.
    pub(crate) before: (usize, usize),
    /// The whole of it, from its first byte.
    pub(crate) pattern: &'static str,
    /// Whether a letter or digit in front of it, or behind it, makes it something else.
    pub(crate) edges: bool,
    /// Bits of entropy for each byte that it has to have.
    pub(crate) entropy: f64,
}

const fn form(rule: &'static str, anchors: &'static [&'static str], pattern: &'static str) -> Form {
    Form { rule, anchors, before: (0, 0), pattern, edges: false, entropy: 3.0 }
}

/// Of a form that is less telling.
const fn edged(rule: &'static str, anchors: &'static [&'static str], pattern: &'static str) -> Form {
    Form { rule, anchors, before: (0, 0), pattern, edges: true, entropy: 3.0 }
}

/// All of them. Where two match the same bytes, the first one names them.
pub(crate) const FORMS: &[Form] = &[
    // Models.
    form("anthropic-key", &["sk-ant-"], r"sk-ant-[a-z]{2,8}[0-9]{2}-[\w-]{20,200}"),
    form("openrouter-key", &["sk-or-"], r"sk-or-v[0-9]-[0-9a-f]{32,128}"),
    form("langfuse-key", &["sk-lf-"], r"sk-lf-[0-9a-f-]{36}"),
    form("openai-key", &["sk-"], r"sk-(?:proj|svcacct|admin|service|None)-[\w-]{20,250}"),
    edged("openai-key", &["sk-"], r"sk-[A-Za-z0-9]{20,64}"),
    form("groq-key", &["gsk_"], r"gsk_[A-Za-z0-9]{40,80}"),
    form("xai-key", &["xai-"], r"xai-[A-Za-z0-9]{60,120}"),
    form("perplexity-key", &["pplx-"], r"pplx-[A-Za-z0-9]{40,64}"),
    form("hugging-face-token", &["hf_"], r"hf_[A-Za-z0-9]{30,60}"),
    form("hugging-face-token", &["api_org_"], r"api_org_[A-Za-z0-9]{34}"),
    edged("replicate-token", &["r8_"], r"r8_[A-Za-z0-9]{37,40}"),
    form("langsmith-key", &["lsv2_"], r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    form("pinecone-key", &["pcsk_"], r"pcsk_[A-Za-z0-9_]{40,100}"),
    form("tavily-key", &["tvly-"], r"tvly-[A-Za-z0-9-]{20,60}"),
    edged("e2b-key", &["e2b_"], r"e2b_[0-9a-f]{40}"),
    edged("elevenlabs-key", &["sk_"], r"sk_[0-9a-f]{48}"),
    // Clouds.
    form("aws-access-key-id", &["akia", "asia", "abia", "acca"], r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    form("aws-bedrock-key", &["absk"], r"ABSK[A-Za-z0-9+/]{109,269}={0,2}"),
    edged("google-api-key", &["aiza"], r"AIza[\w-]{35}"),
    form("google-oauth-secret", &["gocspx-"], r"GOCSPX-[\w-]{24,40}"),
    form("google-oauth-token", &["ya29."], r"ya29\.[\w.-]{20,2048}"),
    edged("google-refresh-token", &["1//0"], r"1//0[\w-]{30,200}"),
    Form {
        rule: "azure-client-secret",
        anchors: &["q~"],
        before: (4, 4),
        pattern: r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
        edges: true,
        entropy: 3.5,
    },
    form(
        "azure-storage-key",
        &["accountkey=", "sharedaccesskey=", "accesskey="],
        r"(?i:AccountKey|SharedAccessKey|AccessKey)=[A-Za-z0-9+/]{40,88}={0,2}",
    ),
    form("azure-signature", &["sig="], r"sig=[A-Za-z0-9%+/]{40,80}(?:%3D|%3d|=)"),
    form("alibaba-access-key-id", &["ltai"], r"LTAI[A-Za-z0-9]{20,24}"),
    form("digitalocean-token", &["do"], r"do[opr]_v1_[0-9a-f]{64}"),
    form("heroku-token", &["hrku-"], r"HRKU-[\w-]{36,80}"),
    form("fly-token", &["fm1", "fm2_", "fo1_"], r"(?:fm1[ar]_|fm2_|fo1_)[A-Za-z0-9+/_=-]{40,2048}"),
    form("databricks-token", &["dapi"], r"dapi[0-9a-f]{32}(?:-[0-9])?"),
    form("netlify-token", &["nf"], r"nf[pcoub]_[A-Za-z0-9]{36,60}"),
    form("supabase-key", &["sbp_", "sb_secret_"], r"(?:sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,60})"),
    form("planetscale-token", &["pscale_"], r"pscale_(?:tkn|oauth|pw)_[\w=.-]{32,64}"),
    form("doppler-token", &["dp."], r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[\w-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    form("vault-token", &["hvs.", "hvb.", "hvr."], r"hv[sbr]\.[\w-]{24,300}"),
    Form {
        rule: "terraform-token",
        anchors: &[".atlasv1."],
        before: (14, 14),
        pattern: r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}",
        edges: false,
        entropy: 3.5,
    },
    edged("pulumi-token", &["pul-"], r"pul-[0-9a-f]{40}"),
    form("tailscale-key", &["tskey-"], r"tskey-[a-z]{2,10}-[A-Za-z0-9]{5,30}-[A-Za-z0-9]{10,60}"),
    form("cloudflare-origin-key", &["v1.0-"], r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}"),
    form("onepassword-token", &["ops_eyj"], r"ops_eyJ[A-Za-z0-9+/_-]{200,2048}={0,3}"),
    form("age-key", &["age-secret-key-1"], r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}"),
    // Code.
    form("github-token", &["gho_", "ghp_", "ghr_", "ghs_", "ghu_"], r"gh[oprsu]_[A-Za-z0-9]{30,255}"),
    form("github-token", &["github_pat_"], r"github_pat_[A-Za-z0-9_]{36,255}"),
    form("gitlab-token", &["gl"], r"gl(?:pat|dt|rt|rtr|ptt|cbt|soat|ft|imt|agent|oas|ffct)-[\w.-]{20,300}"),
    form("gitlab-token", &["gr1348941"], r"GR1348941[\w-]{20,40}"),
    form("atlassian-token", &["atatt3", "atbb", "atctt3"], r"(?:ATATT3|ATCTT3)[\w=-]{60,300}|ATBB[\w-]{32}"),
    form("npm-token", &["npm_"], r"npm_[A-Za-z0-9]{36}"),
    form("pypi-token", &["pypi-"], r"pypi-[\w-]{50,1024}"),
    form("rubygems-token", &["rubygems_"], r"rubygems_[0-9a-f]{48}"),
    edged("crates-io-token", &["cio"], r"cio[A-Za-z0-9]{32}"),
    edged("nuget-key", &["oy2"], r"oy2[a-z0-9]{43}"),
    form("docker-token", &["dckr_"], r"dckr_[po]at_[\w-]{20,60}"),
    form("circleci-token", &["ccip"], r"CCIP(?:AT|RJ)_[\w-]{20,120}"),
    form("buildkite-token", &["bkua_"], r"bkua_[0-9a-f]{40}"),
    form("sentry-token", &["sntry"], r"sntry[su]_[A-Za-z0-9+/=_-]{60,400}"),
    form(
        "grafana-token",
        &["glsa_", "glc_"],
        r"(?:glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}|glc_[A-Za-z0-9+/]{32,400}={0,3})",
    ),
    form("new-relic-key", &["nrak-", "nrii-", "nrjs-", "nral-"], r"NR(?:AK|II|JS|AL)-[\w-]{19,60}"),
    form("postman-key", &["pmak-"], r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    form("linear-key", &["lin_api_", "lin_oauth_"], r"lin_(?:api|oauth)_[A-Za-z0-9]{40,64}"),
    form("notion-token", &["ntn_"], r"ntn_[A-Za-z0-9]{40,60}"),
    edged("notion-token", &["secret_"], r"secret_[A-Za-z0-9]{43}"),
    form("figma-token", &["figd_"], r"figd_[\w-]{20,60}"),
    edged("airtable-token", &["pat"], r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    // Messages and money.
    form("slack-token", &["xox", "xapp-"], r"(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{10,300}"),
    form(
        "slack-webhook",
        &["hooks.slack.com/"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/]{20,120}",
    ),
    form(
        "discord-webhook",
        &["discord.com/api/", "discordapp.com/api/"],
        r"discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/[0-9]{15,22}/[\w-]{50,90}",
    ),
    Form {
        rule: "discord-token",
        anchors: &["."],
        before: (24, 28),
        pattern: r"[MNO][A-Za-z0-9_-]{23,27}\.[\w-]{6}\.[\w-]{27,45}",
        edges: true,
        entropy: 3.5,
    },
    Form {
        rule: "telegram-token",
        anchors: &[":aa"],
        before: (8, 10),
        pattern: r"[0-9]{8,10}:AA[\w-]{32,34}",
        edges: true,
        entropy: 3.0,
    },
    edged("twilio-key", &["sk"], r"SK[0-9a-f]{32}"),
    form("sendgrid-key", &["sg."], r"SG\.[\w-]{16,32}\.[\w-]{32,64}"),
    form("brevo-key", &["xkeysib-"], r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    edged("mailgun-key", &["key-"], r"key-[0-9a-f]{32}"),
    Form {
        rule: "mailchimp-key",
        anchors: &["-us"],
        before: (32, 32),
        pattern: r"[0-9a-f]{32}-us[0-9]{1,2}",
        edges: true,
        entropy: 3.0,
    },
    edged("resend-key", &["re_"], r"re_[A-Za-z0-9]{6,10}_[A-Za-z0-9]{20,28}"),
    form("stripe-key", &["sk_", "rk_"], r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,250}"),
    form("webhook-secret", &["whsec_"], r"whsec_[A-Za-z0-9+/]{24,80}={0,2}"),
    form("square-token", &["sq0"], r"sq0[a-z]{3}-[\w-]{22,60}"),
    form("shopify-token", &["shp"], r"shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}"),
    form(
        "braintree-token",
        &["access_token$"],
        r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}",
    ),
    edged("facebook-token", &["eaa"], r"EAA[A-Za-z0-9]{90,300}"),
    // Of nobody in particular.
    edged("jwt", &["eyj"], r"eyJ[\w-]{8,2048}\.eyJ[\w-]{8,8192}(?:\.[\w-]{0,2048})?"),
    edged("jwe", &["eyj"], r"eyJ[\w-]{16,2048}\.[\w-]{0,2048}\.[\w-]{8,1024}\.[\w-]{16,8192}\.[\w-]{16,128}"),
    // A private key in PEM, and that in base64.
    form(
        "private-key",
        &["ls0tls1crudjti"],
        r"LS0tLS1CRUdJTi(?:BQUklWQVRFIEtFWS0|BSU0EgUFJJVkFURSBLRVkt|BFQyBQUklWQVRFIEtFWS0|BPUEVOU1NIIFBSSVZBVEUgS0VZ|BEU0EgUFJJVkFURSBLRVkt|BFTkNSWVBURUQgUFJJVkFURSBLRVkt)[A-Za-z0-9+/=]{40,12000}",
    ),
];

/// Values that documentation shows, and nothing opens.
pub(crate) const EXAMPLES: &[&str] = &["AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"];
