//! Exports of the session with everything that goes wrong, decoded by crates that are not ours, and compared with the canonical JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/torture.rs"]
mod torture;

use std::collections::HashMap;
use std::ops::Range;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use prost::Message;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use tracewal::Reading;
use tracewal::fold::Fold;
use tracewal_compact::{each_span, span_at};
use tracewal_exchange::{Format, Trace, export};

struct Scene {
    dir: TempDir,
}

impl Scene {
    fn new(spans: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        torture::make(&dir.path().join("store"), spans, 300_000);
        Scene { dir }
    }

    fn export(&self, format: Format) -> Vec<u8> {
        let store = torture::open(&self.dir.path().join("store"));
        let mut log = store.read(&store.find(torture::ID).unwrap(), Reading::Whole).unwrap();
        let fold = Fold::of(&mut log).unwrap();
        assert!(!fold.summary().losses.is_empty(), "it is damaged");
        let mut out = Vec::new();
        export(format, &mut Trace::new(&fold, &mut log), &mut out).unwrap();
        out
    }

    fn canonical(&self) -> Vec<Of> {
        #[derive(Deserialize)]
        struct Document {
            spans: Vec<Of>,
        }
        serde_json::from_slice::<Document>(&self.export(Format::Json)).unwrap().spans
    }
}

/// What is looked at of a span in the canonical JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Of {
    span_id: String,
    parent_span_id: Option<String>,
    kind: String,
    start_time: f64,
    status: String,
    tokens: Option<Value>,
}

fn spans(data: &TracesData) -> Vec<&Span> {
    data.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans).collect()
}

fn same_spans(data: &TracesData, wanted: &[Of]) {
    let spans = spans(data);
    assert_eq!(spans.len(), wanted.len());
    let ids: HashMap<&[u8], &str> =
        spans.iter().zip(wanted).map(|(s, of)| (s.span_id.as_slice(), of.span_id.as_str())).collect();
    assert_eq!(ids.len(), spans.len(), "every id is another");
    for (span, of) in spans.iter().zip(wanted) {
        let parent = ids.get(span.parent_span_id.as_slice()).copied();
        assert_eq!(parent, of.parent_span_id.as_deref(), "{of:?}");
        let code = span.status.as_ref().unwrap().code();
        assert_eq!(code == StatusCode::Error, of.status == "error", "{of:?}");
        let start = of.start_time;
        if (0.0..1e13).contains(&start) {
            #[allow(clippy::as_conversions, clippy::cast_precision_loss)]
            let ms = span.start_time_unix_nano as f64 / 1e6;
            assert!((ms - start).abs() < 0.001, "{of:?}");
        }
        let any = |key: &str| {
            let found = span.attributes.iter().find(|a| a.key == key)?;
            found.value.as_ref()?.value.clone()
        };
        if let Some(reasoning) = of.tokens.as_ref().and_then(|tokens| tokens["reasoning"].as_u64()) {
            let key = if any("openinference.span.kind").is_some() {
                "llm.token_count.completion_details.reasoning"
            } else {
                "gen_ai.usage.reasoning.output_tokens"
            };
            assert_eq!(any(key), Some(Any::IntValue(i64::try_from(reasoning).unwrap_or(i64::MAX))));
        }
    }
}

#[test]
fn spans_alone_are_those_of_the_document() {
    let scene = Scene::new(30);
    let document = String::from_utf8(scene.export(Format::Json)).unwrap();
    let store = torture::open(&scene.dir.path().join("store"));
    let mut log = store.read(&store.find(torture::ID).unwrap(), Reading::Whole).unwrap();
    let fold = Fold::of(&mut log).unwrap();
    let mut alone: Vec<String> = Vec::new();
    each_span(&fold, &mut log, |span| {
        alone.push(String::from_utf8(span.json.to_vec()).unwrap());
        Ok(())
    })
    .unwrap();
    assert!(document.contains(&format!("\"spans\":[{}],", alone.join(","))));
    for (at, span) in alone.iter().enumerate() {
        let mut json = Vec::new();
        span_at(&fold, &mut log, at, &mut json).unwrap();
        let has_defaults = span.contains("\"kind\":\"generation\"");
        assert!(has_defaults || json == span.as_bytes(), "{at}: {span}");
    }
    let mut none = Vec::new();
    span_at(&fold, &mut log, alone.len(), &mut none).unwrap();
    assert!(none.is_empty());
}

#[test]
fn otlp_is_the_same_spans_in_json_and_in_protobuf() {
    let scene = Scene::new(5_000);
    let canonical = scene.canonical();
    let json: TracesData = serde_json::from_slice(&scene.export(Format::Otlp)).unwrap();
    same_spans(&json, &canonical);
    let binary = TracesData::decode(scene.export(Format::OtlpProto).as_slice()).unwrap();
    assert!(binary.resource_spans.len() > 1, "it comes in several messages");
    assert_eq!(spans(&binary), spans(&json));
    let other: TracesData = serde_json::from_slice(&scene.export(Format::OpenInference)).unwrap();
    same_spans(&other, &canonical);
    assert_eq!(scene.export(Format::Otlp), scene.export(Format::Otlp), "the same log, the same bytes");
}

/// The blocks of code and what stands around them.
fn fenced(markdown: &str) -> (Vec<String>, Vec<(Event<'_>, Range<usize>)>) {
    let (mut blocks, mut around, mut inside) = (Vec::new(), Vec::new(), None::<String>);
    for (event, range) in Parser::new(markdown).into_offset_iter() {
        match (&mut inside, event) {
            (None, Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_)))) => inside = Some(String::new()),
            (Some(_), Event::End(TagEnd::CodeBlock)) => blocks.extend(inside.take()),
            (Some(text), Event::Text(piece)) => text.push_str(&piece),
            (Some(_), other) => panic!("{other:?} in a block of code"),
            (None, other) => around.push((other, range)),
        }
    }
    (blocks, around)
}

#[test]
fn nothing_gets_out_of_its_fence() {
    let scene = Scene::new(40);
    let markdown = String::from_utf8(scene.export(Format::Markdown)).unwrap();
    let (blocks, around) = fenced(&markdown);
    for (event, range) in around {
        let is_ours = match &event {
            Event::Start(tag) => matches!(
                tag,
                Tag::Paragraph | Tag::Heading { .. } | Tag::List(None) | Tag::Item | Tag::Strong
            ),
            Event::End(_) | Event::SoftBreak | Event::Code(_) => true,
            Event::Text(text) => !text.contains(['<', '=', '`', '#', '@', '\u{202E}']),
            _ => false,
        };
        assert!(is_ours, "{event:?} at {range:?}: {:?}", &markdown[range.clone()]);
    }
    // What a reader sees in the blocks is what was said.
    let hostile = torture::TEXTS[9];
    assert_eq!(blocks.iter().filter(|block| *block == hostile).count(), 3, "input, output, message");
    assert!(blocks.iter().any(|block| block.len() > 290_000));
    assert!(
        !markdown.contains('\u{202E}') && !markdown.contains('\0') && markdown.contains("\\u{202e}txt.exe")
    );
}

#[test]
fn a_table_is_read_as_it_was_written() {
    let scene = Scene::new(100);
    let wanted = scene.canonical();
    let bytes = scene.export(Format::Csv);
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let columns = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), wanted.len());
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    for (row, of) in rows.iter().zip(&wanted) {
        assert_eq!(row[column("kind")], of.kind);
        for cell in row {
            let is_number = cell.parse::<f64>().is_ok();
            assert!(is_number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{cell:?}");
        }
    }
}
