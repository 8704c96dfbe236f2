//! `tracewal import` of what other producers write: OTLP with everything in it, and opencode's storage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::path::Path;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use prost::Message;
use serde_json::Value;
use support::{Scene, json};

fn value(value: Any) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn attribute(key: &str, of: Any) -> KeyValue {
    KeyValue { key: key.into(), value: value(of), key_strindex: 0 }
}

fn text(key: &str, text: &str) -> KeyValue {
    attribute(key, Any::StringValue(text.into()))
}

fn span(trace: u8, id: u8, parent: Option<u8>, name: &str) -> Span {
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        parent_span_id: parent.map_or_else(Vec::new, |parent| vec![parent; 8]),
        name: name.into(),
        kind: 3,
        start_time_unix_nano: 1_700_000_000_123_456_789 + u64::from(id),
        end_time_unix_nano: 1_700_000_001_987_654_321 + u64::from(id),
        ..Span::default()
    }
}

/// Two traces of two producers, with everything that a span can say.
fn traces() -> TracesData {
    let every = vec![
        attribute("bool", Any::BoolValue(true)),
        attribute("int", Any::IntValue(i64::MIN)),
        attribute("double", Any::DoubleValue(0.1)),
        attribute("bytes", Any::BytesValue(vec![0, 255])),
        attribute("array", Any::ArrayValue(ArrayValue { values: vec![AnyValue { value: None }] })),
        attribute("list", Any::KvlistValue(KeyValueList { values: vec![text("k", "v")] })),
        KeyValue { key: "nothing".into(), value: None, key_strindex: 0 },
        text("text", "a\0\"\u{1F600}"),
    ];
    let chat = Span {
        attributes: vec![
            text("gen_ai.operation.name", "chat"),
            text("gen_ai.request.model", "gpt"),
            text("gen_ai.provider.name", "openai"),
            text("gen_ai.input.messages", r#"[{"role":"user","parts":[{"type":"text","content":"hi"}]}]"#),
            text("gen_ai.output.messages", "[ {\"spaces\": 1} ]"),
            attribute("gen_ai.usage.input_tokens", Any::IntValue(100)),
            attribute("gen_ai.usage.output_tokens", Any::IntValue(20)),
            attribute("gen_ai.usage.cache_read.input_tokens", Any::IntValue(60)),
        ],
        trace_state: "a=b".into(),
        flags: 257,
        dropped_attributes_count: 3,
        events: vec![Event {
            time_unix_nano: 5,
            name: "e".into(),
            attributes: every.clone(),
            dropped_attributes_count: 1,
        }],
        dropped_events_count: 4,
        links: vec![Link {
            trace_id: vec![9; 16],
            span_id: vec![9; 8],
            trace_state: "c=d".into(),
            attributes: every.clone(),
            dropped_attributes_count: 2,
            flags: 1,
        }],
        dropped_links_count: 5,
        status: Some(Status { message: "slow".into(), code: 2 }),
        ..span(1, 2, Some(1), "chat gpt")
    };
    let tool = Span {
        attributes: vec![
            text("openinference.span.kind", "TOOL"),
            text("tool.name", "bash"),
            text("input.value", r#"{"command":"ls"}"#),
            text("output.value", "not json"),
        ],
        ..span(1, 3, Some(2), "run it")
    };
    let open = Span {
        end_time_unix_nano: 0,
        attributes: every.clone(),
        ..span(2, 4, Some(77), "open, of a remote parent")
    };
    let group = |name: &str, spans| ResourceSpans {
        resource: Some(Resource { attributes: vec![text("service.name", name)], ..Resource::default() }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "lib".into(),
                version: "1".into(),
                ..Default::default()
            }),
            spans,
            schema_url: "https://a".into(),
        }],
        schema_url: "https://b".into(),
    };
    let bare = ResourceSpans {
        resource: None,
        scope_spans: vec![ScopeSpans {
            scope: None,
            spans: vec![span(1, 5, None, "bare")],
            schema_url: String::new(),
        }],
        schema_url: String::new(),
    };
    TracesData {
        resource_spans: vec![
            group("one", vec![span(1, 1, None, "root"), chat, tool]),
            group("two", vec![open]),
            bare,
        ],
    }
}

/// Each span with what it has in common with others, by its ids.
fn flat(data: &TracesData) -> Vec<(Vec<u8>, String)> {
    let mut all = Vec::new();
    for resource in &data.resource_spans {
        for scope in &resource.scope_spans {
            for span in &scope.spans {
                let around = (&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                all.push((span.span_id.clone(), format!("{around:?} {span:?}")));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn what_another_producer_said_is_said_again() {
    let data = traces();
    let scene = Scene::new();
    let at = |name: &str| scene.dir.path().join(name);
    fs::write(at("t.pb"), data.encode_to_vec()).unwrap();
    // As a collector writes them: one document a line.
    let lines: Vec<String> = data
        .resource_spans
        .iter()
        .map(|of| serde_json::to_string(&TracesData { resource_spans: vec![of.clone()] }).unwrap())
        .collect();
    fs::write(at("t.jsonl"), lines.join("\n")).unwrap();
    for (file, format) in [("t.pb", "otlp-proto"), ("t.jsonl", "otlp")] {
        let store = at(&format!("store of {file}"));
        let run = |args: &[&str]| support::run_on(&store, args);
        let imported = json(&run(&["import", "otlp", "--json", at(file).to_str().unwrap()]).fine());
        let ids: Vec<&str> =
            imported.as_array().unwrap().iter().map(|row| row["sessionId"].as_str().unwrap()).collect();
        assert_eq!(ids, ["01".repeat(16), "02".repeat(16)]);
        let mut again = TracesData::default();
        for id in ids {
            let out = at("out");
            run(&["export", format, id, "-o", out.to_str().unwrap()]).fine();
            let bytes = fs::read(out).unwrap();
            let part = match format {
                "otlp" => serde_json::from_slice(&bytes).unwrap(),
                _ => TracesData::decode(bytes.as_slice()).unwrap(),
            };
            again.resource_spans.extend(part.resource_spans);
        }
        assert_eq!(flat(&again), flat(&data), "{file}");
        means_what_it_says(&json(&run(&["show", "--json", &"01".repeat(16)]).fine()));
        let twice = json(&run(&["import", "otlp", "--json", at(file).to_str().unwrap()]).fine());
        assert!(twice.as_array().unwrap().iter().all(|row| row["result"] == "unchanged"), "{twice}");
    }
}

fn means_what_it_says(view: &Value) {
    let spans = view["spans"].as_array().unwrap();
    let named = |id: &str| spans.iter().find(|span| span["spanId"] == id.repeat(8)).unwrap();
    let (chat, tool) = (named("02"), named("03"));
    assert_eq!(chat["kind"], "generation");
    assert_eq!(chat["model"], serde_json::json!({"modelId": "gpt", "providerId": "openai"}));
    assert_eq!(chat["tokens"]["input"], 40);
    assert_eq!((&chat["tokens"]["cacheRead"], &chat["tokens"]["output"]), (&60.into(), &20.into()));
    assert_eq!((&chat["status"], &chat["statusMessage"]), (&"error".into(), &"slow".into()));
    assert_eq!(chat["input"][0]["parts"][0]["content"], "hi");
    assert_eq!(chat["output"], "[ {\"spaces\": 1} ]", "spelled otherwise than it would be written again");
    assert_eq!((&tool["kind"], &tool["name"]), (&"tool".into(), &"bash".into()));
    assert_eq!((&tool["input"]["command"], &tool["output"]), (&"ls".into(), &"not json".into()));
    assert_eq!(tool["parentSpanId"], "02".repeat(8));
    assert_eq!(view["metadata"]["agent"], "one");
    assert_eq!(view["summary"]["status"], "completed");
}

fn write(folder: &Path, name: &str, of: &Value) {
    let path = folder.join("storage").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, serde_json::to_string_pretty(of).unwrap()).unwrap();
}

/// A session of one question and an answer with two tools, one of which failed.
fn opencode(folder: &Path) {
    let session = serde_json::json!({"id": "ses_1", "projectID": "p", "directory": "/work", "title": "Fix it",
        "version": "1.0.0", "time": {"created": 1_700_000_000_000_u64, "updated": 1_700_000_009_000_u64}});
    write(folder, "session/p/ses_1.json", &session);
    let user = serde_json::json!({"id": "msg_1", "sessionID": "ses_1", "role": "user", "agent": "build",
        "time": {"created": 1_700_000_001_000_u64}});
    write(folder, "message/ses_1/msg_1.json", &user);
    let part = |id: &str, message: &str, more: Value| {
        let mut part = serde_json::json!({"id": id, "sessionID": "ses_1", "messageID": message});
        part.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        write(folder, &format!("part/{message}/{id}.json"), &part);
    };
    part("prt_1", "msg_1", serde_json::json!({"type": "text", "text": "Why is CI red?"}));
    part("prt_2", "msg_1", serde_json::json!({"type": "text", "text": "hidden", "synthetic": true}));
    let assistant = serde_json::json!({"id": "msg_2", "sessionID": "ses_1", "role": "assistant", "parentID": "msg_1",
        "modelID": "claude", "providerID": "anthropic", "mode": "build", "cost": 0.25, "path": {"cwd": "/work", "root": "/"},
        "tokens": {"input": 10, "output": 5, "reasoning": 3, "cache": {"read": 7, "write": 2}},
        "time": {"created": 1_700_000_002_000_u64, "completed": 1_700_000_008_000_u64}});
    write(folder, "message/ses_1/msg_2.json", &assistant);
    part("prt_3", "msg_2", serde_json::json!({"type": "step-start"}));
    part("prt_4", "msg_2", serde_json::json!({"type": "reasoning", "text": "hm", "time": {"start": 1}}));
    part(
        "prt_5",
        "msg_2",
        serde_json::json!({"type": "tool", "tool": "bash", "callID": "call_1", "state": {
        "status": "completed", "input": {"command": "make"}, "output": "ok", "title": "make", "metadata": {"exit": 0},
        "time": {"start": 1_700_000_003_000_u64, "end": 1_700_000_004_500_u64}}}),
    );
    part(
        "prt_6",
        "msg_2",
        serde_json::json!({"type": "tool", "tool": "read", "callID": "call_2", "state": {
        "status": "error", "input": {"path": "x"}, "error": "no such file",
        "time": {"start": 1_700_000_005_000_u64, "end": 1_700_000_005_100_u64}}}),
    );
    part("prt_7", "msg_2", serde_json::json!({"type": "text", "text": "It is \"red\"."}));
    part("prt_8", "msg_2", serde_json::json!({"type": "step-finish", "reason": "stop", "cost": 0.25}));
    fs::write(folder.join("storage/part/msg_2/prt_9.json"), "{cut").unwrap();
}

#[test]
fn opencodes_storage_is_a_session() {
    let scene = Scene::new();
    let folder = scene.dir.path().join("opencode");
    opencode(&folder);
    let import = || json(&scene.run(&["import", "opencode", "--json", folder.to_str().unwrap()]).fine());
    let first = import();
    assert_eq!((&first[0]["result"], &first[0]["invalid"]), (&"imported".into(), &1.into()), "{first}");
    let view = scene.show("ses_1");
    assert_eq!(
        (&view["metadata"]["title"], &view["metadata"]["prompt"]),
        (&"Fix it".into(), &"Why is CI red?".into())
    );
    let spans = view["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 5);
    let of = |id: &str| spans.iter().find(|span| span["spanId"] == id).unwrap();
    assert_eq!(
        (&of("msg_1")["kind"], &of("msg_1")["input"]),
        (&"user-message".into(), &"Why is CI red?".into())
    );
    assert_eq!(of("msg_1")["attributes"]["parts"][0]["text"], "hidden");
    let call = of("msg_2");
    assert_eq!((&call["kind"], &call["output"]), (&"generation".into(), &"It is \"red\".".into()));
    assert_eq!(
        call["tokens"],
        serde_json::json!({"input": 10, "output": 5, "reasoning": 3, "cacheRead": 7, "cacheWrite": 2, "total": 27})
    );
    assert_eq!((&call["cost"], &call["finishReason"]), (&0.25.into(), &"stop".into()));
    assert_eq!(
        (&call["startTime"], &call["endTime"]),
        (&1_700_000_002_000_u64.into(), &1_700_000_008_000_u64.into())
    );
    let kinds =
        call["attributes"]["parts"].as_array().unwrap().iter().map(|part| part["type"].as_str().unwrap());
    assert_eq!(kinds.collect::<Vec<_>>(), ["step-start", "reasoning", "step-finish"]);
    assert_eq!((&of("prt_5")["parentSpanId"], &of("prt_5")["output"]), (&"msg_2".into(), &"ok".into()));
    assert_eq!(of("prt_5")["tool"], serde_json::json!({"callId": "call_1", "durationMs": 1500}));
    assert_eq!(
        (&of("prt_6")["status"], &of("prt_6")["statusMessage"]),
        (&"error".into(), &"no such file".into())
    );
    assert_eq!(view["summary"]["status"], "completed");
    assert_eq!(import()[0]["result"], "unchanged");

    // It goes on.
    let more = serde_json::json!({"id": "msg_3", "sessionID": "ses_1", "role": "user", "time": {"created": 1_700_000_010_000_u64}});
    write(&folder, "message/ses_1/msg_3.json", &more);
    assert_eq!(import()[0]["result"], "extended");
    let view = scene.show("ses_1");
    assert_eq!(view["spans"].as_array().unwrap().len(), 6);
    assert_eq!(view["summary"]["status"], "completed");
    assert_eq!(import()[0]["result"], "unchanged");
    let strict = scene.run(&[
        "import",
        "opencode",
        "--strict",
        scene.dir.path().join("opencode/storage").to_str().unwrap(),
    ]);
    assert_eq!(strict.code, 1, "the file that was cut is still there: {strict:?}");
}
