//! A session that has everything that goes wrong: a crash and a resume, spans that were interrupted, damage, text and JSON that are hostile to
//! every reader, absurd times and numbers, spans that overlap, and as many and as large as one likes.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    missing_docs
)]

use std::path::Path;

use tracewal::event::{
    DurationNs, Metadata, Model, Note, RunEndReason, SessionStarted, Span, SpanAttributes, SpanEnded,
    SpanKind, SpanStarted, SpanStatus, SpanText, Text, Tokens,
};
use tracewal::{Access, Compaction, Item, Payload, Reading, Session, Store, Time};

/// The session's id: what a file name, a cell, a heading and a query would rather not be.
pub const ID: &str = "torture =1+1 `</script>` \u{202E}\"quoted\", 'n'";

/// Text that means something to some reader.
pub const TEXTS: [&str; 16] = [
    "</script><script>alert(1)</script><!--",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r\n=1",
    "a\0b\u{1}\u{1B}[31m\u{7F}\u{85}",
    "\u{202E}txt.exe\u{2066}\u{2069}\u{200F}\u{2028}\u{2029}\u{FEFF}",
    "```\n# out of the fence\n````\n~~~\n<b>html</b>\n    code\n",
    "`` ` `` ``",
    "line\rline\r\nline\n",
    "\u{1F600}\u{10FFFF}\u{FFFE}e\u{301}",
    "\"quoted\", 'single', back\\slash, {\"a\":[",
    "${jndi:ldap://x} {{7*7}} %s %n ]]> &amp; <![CDATA[",
    " ",
];

/// JSON that is valid, and not to everybody's taste; and some that is not valid.
pub fn values() -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = [
        r#"{"\ud800":"\udc00 \ud83d\ude00 \ud83d","a":1,"a":2}"#,
        r#""\ud800""#,
        r#"{"n":[1e999,-1e999,1e-999,0.1,-0,123456789012345678901234567890,1.0,1E+2]}"#,
        "null",
        "true",
        "[]",
        "{}",
        r#"[{"role":"user","parts":[{"type":"text","content":"mine"}]}]"#,
        r#"[{"role":"user","parts":[]},{"role":7}]"#,
        r#"{"otlp":{"span":{"name":1}}}"#,
        r#"{"cut": "off"#,
        " { \"white\" :\t[ 1 , 2 ]\n} ",
    ]
    .iter()
    .map(|json| json.as_bytes().to_vec())
    .collect();
    values.push(format!("{}1{}", "[".repeat(400), "]".repeat(400)).into_bytes());
    values.push(b"\"not \xFF utf-8 \xED\xA0\x80\"".to_vec());
    values
}

/// Makes the store and the session: so many spans besides the odd ones, and one input of so many bytes.
pub fn make(folder: &Path, spans: u64, payload: usize) {
    let store = tracewal::options_with(Compaction::OnDemand).open(folder).unwrap();
    let metadata = Metadata {
        title: Some(TEXTS[9].into()),
        agent: Some(TEXTS[1].into()),
        model: Some("model".into()),
        prompt: Some(TEXTS[0].into()),
        tags: Some(vec![TEXTS[7].into(), "".into()]),
        ..Metadata::new()
    };
    let first = SessionStarted { metadata: Some(metadata), ..SessionStarted::new() };
    let session = store.session(ID).first_event(first).time(ms(1_700_000_000_000)).start().unwrap();
    odd(&session);
    large(&session, payload);
    plain(&session, 0, spans / 2);
    // Open when the run ends.
    let open = SpanStarted {
        input: Some(Payload::string("x")),
        ..SpanStarted::new("open 1", SpanKind::Tool, "bash")
    };
    session.append_at(ms(1_700_000_900_000), open).unwrap();
    session.append_at(ms(1_700_000_900_001), SpanText::new("open 1", Text::new("half a li"))).unwrap();
    let lost = Note { data: Some(Payload::string("about to be damaged")), ..Note::new("lost") };
    let lost = session.append_at(ms(1_700_000_900_002), lost).unwrap();
    session.crash(TEXTS[0]).unwrap();
    session.close(RunEndReason::Closed).unwrap();

    let session = store.session(ID).reason("resume").resume().unwrap();
    plain(&session, spans / 2, spans);
    let left = SpanStarted::new("open 2", SpanKind::Generation, "chat");
    session.append_at(ms(1_700_001_000_000), left).unwrap();
    session
        .append_at(ms(1_700_001_000_500), SpanText::new("open 2", Text::new(b"cut in the middle \xF0\x9F")))
        .unwrap();
    session.close(RunEndReason::StdinEnd).unwrap();
    drop(store);
    damage(folder, lost);
}

/// Flips a bit in the body of an event.
fn damage(folder: &Path, seq: u64) {
    let store = tracewal::options().access(Access::Read).open(folder).unwrap();
    let name = store.find(ID).unwrap();
    let mut log = store.read(&name, Reading::Whole).unwrap();
    let (file, at) = loop {
        match log.next().unwrap().expect("the event is there") {
            Item::Event(entry) if entry.seq == seq => {
                break (store.folder(&name).join(format!("{}.wal", entry.segment)), entry.offset + 26);
            }
            _ => {}
        }
    };
    drop(log);
    use std::io::{Read, Seek, SeekFrom, Write};
    let mut file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 4]).unwrap();
}

fn ms(ms: i64) -> Time {
    Time::from_ms(ms)
}

fn odd(session: &Session) {
    let at = |n: usize| ms(1_700_000_000_000 + 1000 * n as i64);
    for (n, text) in TEXTS.iter().enumerate() {
        let kind = SpanKind::ALL[n % SpanKind::ALL.len()];
        let span = Span {
            parent_span_id: (n % 3 == 1).then(|| format!("text {} {}", n - 1, TEXTS[n - 1]).into()),
            input: Some(Payload::string(text)),
            output: Some(Payload::string(text)),
            status: (n % 4 == 3).then_some(SpanStatus::Error),
            status_message: (n % 2 == 1).then(|| (*text).into()),
            finish_reason: (n % 5 == 0).then(|| (*text).into()),
            call_id: Some(format!("call {text}").into()),
            model: Some(Model { variant: Some((*text).into()), ..Model::from(*text) }),
            ..Span::new(format!("text {n} {text}"), kind, *text, at(n), at(n + 2))
        };
        session.append_at(at(n), span).unwrap();
    }
    for (n, value) in values().iter().enumerate() {
        for kind in SpanKind::ALL {
            let span = Span {
                input: Some(Payload::json(value)),
                output: Some(Payload::json(value)),
                attributes: Some(Payload::json(value)),
                ..Span::new(format!("value {n} {kind:?}"), *kind, "value", at(n), at(n + 1))
            };
            session.append_at(at(n), span).unwrap();
        }
    }
    let times =
        [(-1, 5), (5, -1), (i64::MIN / 2, i64::MAX / 2), (0, 0), (253_402_300_800_000, 253_402_300_800_001)];
    for (n, (start, end)) in times.iter().enumerate() {
        let span = Span::new(format!("time {n}"), SpanKind::Tool, "", ms(*start), ms(*end));
        session.append_at(at(n), span).unwrap();
    }
    let costs = [f64::NAN, f64::INFINITY, -0.0, -1.5, 1e308, f64::MIN_POSITIVE];
    for (n, cost) in costs.iter().enumerate() {
        let used = Tokens::new(u64::MAX >> n, u64::MAX, 1_u64, 1_u64 << 63, n as u64);
        let span = Span {
            cost: Some(*cost),
            tokens: Some(used),
            duration_ms: Some(DurationNs(-1 + n as i64)),
            parent_span_id: Some(format!("number {}", (n + 1) % costs.len()).into()),
            ..Span::new(format!("number {n}"), SpanKind::Generation, "chat", at(n), at(n))
        };
        session.append_at(at(n), span).unwrap();
    }
    // Known only from an event about it; ended twice; of a parent that nobody knows; bytes that are no text.
    session.append_at(at(1), SpanAttributes::new("only attributes", Payload::json(r#"{"k":"v"}"#))).unwrap();
    session.append_at(at(1), SpanText::new("only text", Text::new(b"\xFF\xFE pieces "))).unwrap();
    session.append_at(at(2), SpanText::new("only text", Text(Payload::json(r#""\ud800 escaped""#)))).unwrap();
    for message in ["first", "second"] {
        let ended = SpanEnded {
            status: Some(SpanStatus::Error),
            status_message: Some(message.into()),
            output: Some(Payload::string(message)),
            ..SpanEnded::new("only an end")
        };
        session.append_at(at(3), ended).unwrap();
    }
    let orphan = Span {
        parent_span_id: Some("nobody".into()),
        ..Span::new("\u{1F600}".repeat(63), SpanKind::Session, "a second root", at(1), at(2))
    };
    session.append_at(at(4), orphan).unwrap();
}

fn large(session: &Session, payload: usize) {
    let mut text = String::from("<");
    while text.len() + 64 < payload {
        text.push_str("0123456789 \"quoted\" `ticks` \u{E9}\n");
    }
    let span = Span {
        input: Some(Payload::string(&text)),
        output: Some(Payload::json(r#"{"ok":true}"#)),
        ..Span::new("large", SpanKind::Tool, "read", ms(1_700_000_100_000), ms(1_700_000_200_000))
    };
    session.append_at(ms(1_700_000_200_000), span).unwrap();
}

/// Turns of a model call and three tools, two of which overlap; every tenth tool fails.
fn plain(session: &Session, from: u64, to: u64) {
    let padding = "x".repeat(64);
    let mut turn = String::new();
    for n in from..to {
        let start = 1_700_000_300_000 + 10 * n as i64;
        let (kind, name) = if n % 4 == 0 { (SpanKind::Generation, "chat") } else { (SpanKind::Tool, "bash") };
        let id = format!("span {n}");
        let is_tool = kind == SpanKind::Tool;
        let failed = is_tool && n % 10 == 1;
        let span = Span {
            parent_span_id: is_tool.then(|| turn.clone().into()),
            input: is_tool.then(|| Payload::owned_json(format!("{{\"command\":\"{padding}\",\"n\":{n}}}"))),
            output: Some(Payload::owned_string(format!("output {n} {padding}"))),
            status: failed.then_some(SpanStatus::Error),
            status_message: failed.then(|| "exit 1".into()),
            tokens: (!is_tool).then(|| Tokens::new(n, 2_u64, 1_u64, n % 7, 3_u64)),
            cost: (!is_tool).then_some(0.001),
            model: (!is_tool)
                .then(|| Model { provider_id: Some("anthropic".into()), ..Model::from("claude") }),
            finish_reason: (!is_tool).then(|| "tool_calls".into()),
            call_id: is_tool.then(|| format!("call_{n}").into()),
            ..Span::new(id.clone(), kind, name, ms(start), ms(start + if is_tool { 15 } else { 38 }))
        };
        if !is_tool {
            turn = id;
        }
        session.append_at(ms(start), span).unwrap();
    }
}

/// Opens the store that was made.
pub fn open(folder: &Path) -> Store {
    tracewal::options_with(Compaction::OnDemand).open(folder).unwrap()
}
