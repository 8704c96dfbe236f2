//! `stats --by` adds up what the logs say, and `prices` what it may have cost: compared with a count of the lines of `tracewal events` that knows
//! nothing of folding.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod support;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json as value};
use support::{Scene, json, recorded};

const CLASSES: [&str; 5] = ["input", "output", "reasoning", "cacheRead", "cacheWrite"];

fn line(event: Value) -> String {
    format!("{event}\n")
}

fn stats(scene: &Scene, args: &[&str]) -> Value {
    json(&scene.run(&[&["stats", "--json", "--by"][..], args].concat()).fine())
}

fn row<'s>(stats: &'s Value, key: &str) -> &'s Value {
    let rows = stats["rows"].as_array().unwrap();
    rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("no {key} in {stats}"))
}

/// What the lines of a log say of a span, the last of it.
#[derive(Clone, Default)]
struct Counted {
    kind: String,
    name: String,
    model: Option<String>,
    start: f64,
    end: Option<f64>,
    failed: bool,
    tokens: [u64; 5],
    cost: f64,
    tool_ms: Option<f64>,
}

#[derive(Clone, Default)]
struct Sum {
    count: u64,
    errors: u64,
    tokens: [u64; 5],
    cost: f64,
    ms: Vec<f64>,
}

/// The spans of a session, counted from its lines.
fn count(lines: &str) -> (Option<String>, Vec<Counted>) {
    let (mut spans, mut order) = (HashMap::<String, Counted>::new(), Vec::new());
    let (mut root, mut model) = (String::new(), None);
    for event in lines.lines().map(json) {
        let time = event["time"].as_f64().unwrap_or(0.0);
        let metadata = if event["type"] == "metadata" { &event } else { &event["metadata"] };
        if let Some(found) = metadata["model"].as_str() {
            model = Some(found.to_owned());
        }
        if event["type"] == "session-started" {
            root = event["rootSpanId"].as_str().unwrap().to_owned();
        }
        let Some(id) = event["spanId"].as_str() else { continue };
        if !spans.contains_key(id) {
            order.push(id.to_owned());
        }
        let span = spans.entry(id.to_owned()).or_default();
        let kind = event["type"].as_str().unwrap();
        if kind == "span" || kind == "span-started" {
            span.kind = event["kind"].as_str().unwrap().to_owned();
            span.name = event["name"].as_str().unwrap().to_owned();
            span.start = event["startTime"].as_f64().unwrap_or(time);
            span.model = event["model"]["modelId"].as_str().map(str::to_owned);
        }
        if kind == "span" || kind == "span-ended" {
            if span.end.is_none() {
                span.end = Some(event["endTime"].as_f64().unwrap_or(time));
                span.failed = event["status"] == "error";
            }
            if event["tokens"].is_object() {
                span.tokens = CLASSES.map(|class| event["tokens"][class].as_u64().unwrap_or(0));
            }
            if let Some(cost) = event["cost"].as_f64() {
                span.cost = cost;
            }
            span.tool_ms = event["durationMs"].as_f64().or(span.tool_ms);
        }
    }
    (model, order.iter().filter(|id| **id != root).map(|id| spans[id].clone()).collect())
}

fn sums(scene: &Scene, key: impl Fn(&Counted, Option<&str>) -> Option<String>) -> BTreeMap<String, Sum> {
    let mut sums = BTreeMap::<String, Sum>::new();
    let listed = json(&scene.run(&["ls", "--all", "--json"]).fine());
    for session in listed.as_array().unwrap() {
        let id = session["sessionId"].as_str().unwrap();
        let (model, spans) = count(&scene.run(&["events", id]).fine());
        for span in spans {
            let Some(key) = key(&span, model.as_deref()) else { continue };
            let sum = sums.entry(key).or_default();
            sum.count += 1;
            sum.errors += u64::from(span.failed);
            (0..5).for_each(|class| sum.tokens[class] += span.tokens[class]);
            sum.cost += span.cost;
            sum.ms.extend(span.tool_ms.or_else(|| Some(span.end? - span.start)));
        }
    }
    sums
}

fn assert_same(stats: &Value, sums: &BTreeMap<String, Sum>) {
    assert_eq!(stats["rows"].as_array().unwrap().len(), sums.len(), "{stats}");
    for (key, sum) in sums {
        let row = row(stats, key);
        assert_eq!((&row["count"], &row["errors"]), (&sum.count.into(), &sum.errors.into()), "{key}");
        for (class, tokens) in CLASSES.iter().zip(sum.tokens) {
            assert_eq!(row["tokens"][class], tokens, "{key} {class}");
        }
        assert!((row["cost"].as_f64().unwrap() - sum.cost).abs() < 1e-9, "{key}");
        let mut ms = sum.ms.clone();
        ms.sort_by(f64::total_cmp);
        for (percent, name) in [(50, "durationMsP50"), (95, "durationMsP95")] {
            let rank = (ms.len() * percent).div_ceil(100).max(1);
            let (found, exact) =
                (row[name].as_f64().unwrap_or(-1.0), ms.get(rank - 1).copied().unwrap_or(-1.0));
            assert!((found - exact).abs() <= exact.abs() / 100.0 + 0.001, "{key} {name}: {found} {exact}");
        }
    }
    let total = |class: usize| sums.values().map(|sum| sum.tokens[class]).sum::<u64>();
    for (at, class) in CLASSES.iter().enumerate() {
        assert_eq!(stats["total"]["tokens"][class], total(at), "total {class}");
    }
    assert_eq!(stats["total"]["count"], sums.values().map(|sum| sum.count).sum::<u64>());
}

fn generation(id: &str, model: Option<&str>, times: (u64, u64), more: Value) -> String {
    let mut event = value!({"type": "span", "spanId": id, "kind": "generation", "name": "chat",
        "startTime": times.0, "endTime": times.1, "time": times.1});
    if let Some(model) = model {
        event["model"] = value!({"modelId": model});
    }
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line(event)
}

fn tokens(counts: [u64; 5]) -> Value {
    CLASSES.iter().zip(counts).map(|(class, count)| ((*class).to_owned(), Value::from(count))).collect()
}

fn started(model: &str, agent: &str) -> String {
    line(value!({"type": "session-started", "time": 1_773_568_800_000_u64, "rootSpanId": "root",
                 "metadata": {"model": model, "agent": agent}}))
}

#[test]
fn recorded_sessions_add_up() {
    let scene = Scene::new();
    for tool in ["claude-code", "codex"] {
        let Some(data) = recorded(tool) else { return };
        scene.run(&["import", tool, data.to_str().unwrap()]).fine();
    }
    let by_model = stats(&scene, &["model"]);
    let model = |span: &Counted, session: Option<&str>| {
        let model = span.model.as_deref().or(session).unwrap_or("(none)").to_owned();
        (span.kind == "generation").then_some(model)
    };
    assert_same(&by_model, &sums(&scene, model));
    let tools = stats(&scene, &["tool"]);
    assert_same(&tools, &sums(&scene, |span, _| (span.kind == "tool").then(|| span.name.clone())));
    // However they are grouped, the sums are the same, and those of the sessions themselves.
    let listed = json(&scene.run(&["ls", "--all", "--json"]).fine());
    let all: u64 =
        listed.as_array().unwrap().iter().map(|one| one["tokens"]["total"].as_u64().unwrap()).sum();
    assert!(all > 1_000_000, "{all}");
    for by in ["model", "day", "status", "agent"] {
        assert_eq!(stats(&scene, &[by])["total"]["tokens"]["total"], all, "{by}");
    }
    let estimated = |by: &str| stats(&scene, &[by])["total"]["costEstimated"].as_f64().unwrap();
    for by in ["day", "status", "agent"] {
        assert!((estimated(by) - estimated("model")).abs() < 1e-9, "{by}");
    }
}

#[test]
fn whatever_order_and_state_they_are_in() {
    let scene = Scene::new();
    let one = [
        started("m1", "build"),
        generation("a", None, (1_000, 3_000), value!({"tokens": tokens([10, 20, 30, 40, 50]), "cost": 0.5})),
        generation(
            "b",
            Some("m2"),
            (1_000, 1_500),
            value!({"tokens": tokens([1, 1, 1, 1, 1]), "status": "error"}),
        ),
        // Reported again, more complete.
        line(value!({"type": "span-ended", "spanId": "b", "tokens": tokens([7, 7, 7, 7, 7]), "cost": 0.25})),
        generation("open", Some("m2"), (5_000, 5_000), value!({})),
        line(
            value!({"type": "span", "spanId": "t", "kind": "tool", "name": "bash", "startTime": 0, "endTime": 9_000,
                     "durationMs": 250, "status": "error"}),
        ),
        line(
            value!({"type": "span", "spanId": "u", "kind": "tool", "name": "bash", "startTime": 0, "endTime": 100}),
        ),
    ];
    scene.record(&["--session", "one", "--end", "completed"], one.concat()).fine();
    scene.record(&["--session", "two", "--end", "error"], started("m1", "plan")).fine();
    let by_model = stats(&scene, &["model"]);
    let model = |span: &Counted, session: Option<&str>| {
        (span.kind == "generation").then(|| span.model.as_deref().or(session).unwrap().to_owned())
    };
    assert_same(&by_model, &sums(&scene, model));
    assert_eq!(row(&by_model, "m2")["tokens"]["total"], 35);
    let tools = stats(&scene, &["tool"]);
    let bash = row(&tools, "bash");
    assert_eq!((&bash["count"], &bash["errors"], &bash["errorRate"]), (&value!(2), &value!(1), &value!(0.5)));
    assert!((bash["durationMsP95"].as_f64().unwrap() - 250.0).abs() <= 2.5, "{bash}");
    let agents = stats(&scene, &["agent"]);
    assert_eq!((&row(&agents, "build")["errors"], &row(&agents, "plan")["errors"]), (&value!(0), &value!(1)));
    assert_eq!(row(&stats(&scene, &["day"]), "2026-03-15")["count"], 2);
    assert_eq!(row(&stats(&scene, &["status"]), "completed")["tokens"]["total"], 185);
    assert_eq!(stats(&scene, &["status", "--status", "error"])["total"]["count"], 1);
    assert_eq!(stats(&scene, &["model", "--agent", "nobody"])["rows"], value!([]));
    let table = scene.run(&["stats", "--by", "model"]).fine();
    assert!(table.contains("CALLS") && table.lines().last().unwrap().ends_with("total"), "{table}");
    let chart = scene.run(&["stats", "--by", "tool", "--chart", "errors"]).fine();
    assert!(chart.contains("bash  █") && chart.contains("1 of 2"), "{chart}");
    assert_eq!(scene.run(&["stats", "--chart"]).code, 2);
    let plain = json(&scene.run(&["stats", "--json"]).fine());
    assert_eq!((&plain["sessions"], &plain["byStatus"]["error"]), (&value!(2), &value!(1)));
}

#[test]
fn one_session_that_cannot_be_read_hides_no_other() {
    let scene = Scene::new();
    let call = generation("a", Some("m"), (0, 1), value!({"tokens": tokens([1, 2, 3, 4, 5])}));
    scene.record(&["--session", "one"], &call).fine();
    scene.record(&["--session", "gone"], &call).fine();
    std::fs::write(scene.store().join("sessions/gone/1.wal"), [b'x'; 9_000]).unwrap();
    assert_eq!(stats(&scene, &["model"])["total"]["tokens"]["total"], 15);
}

/// With a list of prices of its own.
fn priced(scene: &Scene, args: &[&str]) -> support::Ran {
    let mut command = scene.command(args);
    command.env("TRACEWAL_PRICES", scene.dir.path().join("config/prices.toml"));
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    support::Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn what_a_session_does_not_say_is_estimated_and_said_to_be() {
    let scene = Scene::new();
    let million = tokens([1_000_000, 0, 0, 0, 0]);
    let call = |id: &str, model: &str, more: Value| {
        let mut all = value!({"tokens": million});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        generation(id, Some(model), (0, 1), all)
    };
    scene
        .record(&["--session", "says"], started("mine", "a") + &call("g", "mine", value!({"cost": 0.125})))
        .fine();
    scene
        .record(&["--session", "free"], started("mine", "a") + &call("g", "mine", value!({"cost": 0})))
        .fine();
    let silent = started("mine", "a") + &call("g", "mine", value!({})) + &call("h", "nobody's", value!({}));
    scene.record(&["--session", "silent"], silent).fine();
    let view = scene.run(&["show", "silent", "--json"]).fine();
    assert!(priced(&scene, &["show", "silent"]).fine().contains("$0.0000 (no price for mine, nobody's"));
    priced(&scene, &["prices", "set", "mine", "--input", "3", "--output", "15"]).fine();
    let shown = priced(&scene, &["show", "silent"]).fine();
    assert!(shown.contains("~$3.0000 (estimated; no price for nobody's"), "{shown}");
    assert!(priced(&scene, &["show", "says"]).fine().contains("$0.1250\n"));
    assert!(!priced(&scene, &["show", "free"]).fine().contains('~'), "it says that it cost nothing");
    let by_model = json(&priced(&scene, &["stats", "--by", "model", "--json"]).fine());
    let mine = row(&by_model, "mine");
    assert_eq!((&mine["cost"], &mine["costEstimated"]), (&value!(0.125), &value!(3.0)));
    let nobodys = row(&by_model, "nobody's");
    assert_eq!((&nobodys["costEstimated"], &nobodys["withoutPrice"]), (&Value::Null, &value!(["nobody's"])));
    let table = priced(&scene, &["stats", "--by", "agent"]).fine();
    assert!(
        table.contains("~$3.1250") && table.contains("no price, and so no cost, for nobody's"),
        "{table}"
    );
    let listed = json(&priced(&scene, &["ls", "--json"]).fine());
    let of = |id: &str| listed.as_array().unwrap().iter().find(|one| one["sessionId"] == id).unwrap();
    assert_eq!(of("silent")["costEstimated"], 6.0, "all of it at the price of the session's model");
    assert_eq!(of("says").get("costEstimated"), None);
    // The page says the same, in its list as `ls`, and in what it says of a session as `show`.
    let document = |session: &str, path: &str| {
        let page = priced(&scene, &["export", "html", session]).fine();
        let (_, behind) = page.split_once(&format!("id=\"d:api/{path}\">")).unwrap();
        json(behind.split_once("</script>").unwrap().0)
    };
    let row = document("silent", "sessions")["sessions"][0].clone();
    assert_eq!((&row["cost"], &row["costEstimated"]), (&value!(6.0), &value!(true)));
    let summary = document("silent", "s/~silent/summary");
    assert_eq!(summary["estimate"], value!({"dollars": 3.0, "unpriced": ["nobody's"]}));
    let models = summary["byModel"].as_array().unwrap().iter();
    let models: Vec<_> = models.map(|of| (&of["model"], &of["costEstimated"])).collect();
    assert_eq!(models, [(&value!("mine"), &value!(3.0)), (&value!("nobody's"), &Value::Null)]);
    for says in ["says", "free"] {
        let summary = document(says, &format!("s/~{says}/summary"));
        assert_eq!(
            (&summary["estimate"], &summary["byModel"][0]["costEstimated"]),
            (&Value::Null, &Value::Null)
        );
    }
    // The view is a function of the log alone.
    assert_eq!(priced(&scene, &["show", "silent", "--json"]).fine(), view);
}

#[test]
fn prices_are_listed_set_and_edited() {
    let scene = Scene::new();
    let file = scene.dir.path().join("config/prices.toml");
    let listed = || json(&priced(&scene, &["prices", "--json"]).fine());
    let count = listed().as_array().unwrap().len();
    assert!(count > 20 && !file.exists());
    assert_eq!(priced(&scene, &["prices", "path"]).fine(), format!("{}\n", file.display()));
    priced(&scene, &["prices", "set", "mine", "--input", "1", "--output", "2", "--cache-read", "0.1"]).fine();
    assert_eq!(listed().as_array().unwrap().len(), count + 1);
    assert!(priced(&scene, &["prices", "list"]).fine().contains("mine"));
    for wrong in ["-1", "nan", "inf"] {
        let input = format!("--input={wrong}");
        assert_eq!(priced(&scene, &["prices", "set", "mine", &input, "--output", "2"]).code, 1, "{wrong}");
    }
    let edit = |editor: &str| {
        let mut command = scene.command(&["prices", "edit"]);
        command.env("TRACEWAL_PRICES", &file).env_remove("VISUAL").env("EDITOR", editor);
        command.output().unwrap()
    };
    assert!(edit("true").status.success());
    assert!(!edit("false").status.success() && !edit("").status.success());
    std::fs::write(&file, "[models]\nbad = { input = 1 }\n").unwrap();
    let said = edit("true");
    assert!(String::from_utf8_lossy(&said.stderr).contains("no list of prices"), "{said:?}");
    assert_eq!(priced(&scene, &["prices"]).code, 1);
    scene.record(&["--session", "one"], started("m", "a")).fine();
    for args in [&["ls"][..], &["show", "one"], &["stats", "--by", "model"]] {
        let ran = priced(&scene, args);
        assert!(ran.code == 0 && ran.err.contains("your prices are not used"), "{ran:?}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(edit("true").status.success() && file.exists(), "made, with a word on what may stand in it");
}
