//! `tracewal export html`: one file, whose data a browser reads as it was, and nothing else. The parser is a browser's (html5ever).

use std::collections::BTreeMap;

use base64::Engine;
use scraper::{Html, Selector};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::browser::{Viewer, path};
use crate::support::{self, Scene, recorded};
use crate::troubled::{HOSTILE, record_hostile};

struct Page {
    html: Html,
    text: String,
    /// The text of each data element, by its id.
    documents: BTreeMap<String, String>,
}

impl Page {
    fn of(scene: &Scene, session: &str) -> Self {
        let file = scene.dir.path().join("page.html");
        scene.run(&["export", "html", session, "-o", file.to_str().unwrap()]).fine();
        let text = String::from_utf8(std::fs::read(&file).unwrap()).unwrap();
        assert!(scene.run(&["export", "html", session]).fine().starts_with("<!doctype html>"));
        let html = Html::parse_document(&text);
        let all = Selector::parse("script[type='application/json']").unwrap();
        let documents = html.select(&all).map(|element| {
            let id = element.value().id().unwrap().strip_prefix("d:").unwrap().to_owned();
            (id, element.text().collect::<String>())
        });
        let documents = documents.collect();
        Page { html, text, documents }
    }

    fn select(&self, what: &str) -> Vec<scraper::ElementRef<'_>> {
        let selector = Selector::parse(what).unwrap();
        self.html.select(&selector).collect()
    }

    fn json(&self, path: &str) -> Value {
        support::json(self.documents.get(path).unwrap_or_else(|| panic!("{path}")))
    }

    /// The chunks of a document, as one list.
    fn chunks(&self, session: &str, of: &str, list: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for chunk in 0.. {
            let Some(document) = self.documents.get(&format!("{session}/{of}/{chunk}")) else { break };
            let mut document = support::json(document);
            assert_eq!(document["from"], all.len());
            all.append(document[list].as_array_mut().unwrap());
        }
        all
    }

    /// Nothing but the page's own script and style is in force, and the policy lets in no other.
    fn check(&self) {
        let policy = self.select("meta[http-equiv='Content-Security-Policy']")[0].attr("content").unwrap();
        let scripts = self.select("script:not([type])");
        assert_eq!(scripts.len(), 1, "scripts that run");
        let styles = self.select("style");
        assert_eq!(styles.len(), 1);
        for (element, kind) in [(scripts[0], "script-src"), (styles[0], "style-src")] {
            let text: String = element.text().collect();
            let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()));
            assert!(policy.contains(&format!("{kind} 'sha256-{hash}'")), "{kind} of {policy}");
        }
        for part in ["default-src 'none'", "connect-src 'none'", "base-uri 'none'", "form-action 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        // It stands before anything that it could keep from running.
        let first = |what: &str| self.text.find(what).unwrap();
        assert!(first("<meta http-equiv") < first("<script") && first("<meta http-equiv") < first("<style"));
        for loads in ["script[src]", "link", "img", "iframe", "object", "embed", "base", "[onerror]", "form"]
        {
            assert!(self.select(loads).is_empty(), "{loads}");
        }
        assert_eq!(self.select("body")[0].attr("data-mode"), Some("file"));
        let elements = self.select("script").len();
        assert_eq!(elements, self.documents.len() + 1, "no data element is doubled or broken out of");
    }
}

#[test]
fn hostile_data_stays_in_its_elements_and_is_read_as_it_was() {
    let scene = Scene::new();
    let id = record_hostile(&scene);
    let page = Page::of(&scene, &id);
    page.check();
    let session = path(&id);
    assert_eq!(page.json("api/meta")["session"], id);
    assert_eq!(page.json("api/sessions")["sessions"][0]["id"], id);
    let summary = page.json(&format!("{session}/summary"));
    assert_eq!(summary["title"], HOSTILE.concat());
    let spans = page.chunks(&session, "spans", "spans");
    let canonical = scene.show(&id);
    assert_eq!(Value::from(spans), canonical["spans"]);
    let events: Vec<Value> = scene.run(&["events", &id]).fine().lines().map(support::json).collect();
    assert_eq!(page.chunks(&session, "raw", "events"), events);
    let title: String = page.select("title")[0].text().collect();
    assert!(title.starts_with("</script><script>alert(1)</script><!--<script>"), "{title}");
}

#[test]
fn half_of_a_surrogate_pair_and_what_a_browser_would_change_stay_escapes() {
    let scene = Scene::new();
    let lone = r#"{"type":"span","spanId":"l","kind":"tool","name":"n","startTime":1,"endTime":2,"input":{"a":"\ud800","b":"\r\u0000\u2028"},"output":"x"}"#;
    scene.record(&["--session", "s", "--end", "completed"], format!("{lone}\n")).fine();
    let page = Page::of(&scene, "s");
    page.check();
    assert!(page.documents["api/s/~s/spans/0"].contains(r#"{"a":"\ud800","b":"\r\u0000\u2028"}"#));
    for (path, text) in &page.documents {
        assert!(text.bytes().all(|byte| byte >= 0x20 && byte != b'<'), "{path}");
    }
}

#[test]
fn the_file_has_the_documents_that_the_server_gives() {
    let Some(folder) = recorded("claude-code") else { return };
    let scene = Scene::new();
    scene.run(&["import", "claude-code", folder.to_str().unwrap()]).fine();
    let viewer = Viewer::start(&scene, &[]);
    let sessions = viewer.json("api/sessions");
    let largest = sessions["sessions"].as_array().unwrap().iter().max_by_key(|row| row["events"].as_u64());
    let id = largest.unwrap()["id"].as_str().unwrap();
    let page = Page::of(&scene, id);
    page.check();
    let session = path(id);
    let mut compared = 0;
    for (path, text) in &page.documents {
        if !path.starts_with(&session) || path.ends_with("/summary") {
            continue;
        }
        assert_eq!(text.replace("\\u003c", "<"), viewer.text(path), "{path}");
        compared += 1;
    }
    for (document, list) in
        [("rows", "rows"), ("chat", "messages"), ("log", "entries"), ("raw", "events"), ("spans", "spans")]
    {
        let served = viewer.json(&format!("{session}/summary"));
        let chunks = served["chunks"][if document == "raw" { "log" } else { document }].as_u64().unwrap();
        let there =
            (0..chunks + 1).filter(|k| page.documents.contains_key(&format!("{session}/{document}/{k}")));
        assert_eq!(there.count() as u64, chunks, "{document} {list}");
    }
    let (mut file, mut served) =
        (page.json(&format!("{session}/summary")), viewer.json(&format!("{session}/summary")));
    (file["at"], served["at"], file["version"], served["version"]) = Default::default();
    assert_eq!(file, served);
    println!("{compared} documents, {} bytes", page.text.len());
}
