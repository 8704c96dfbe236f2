//! The session that the demo records: every event follows from a seed and its sequence number, so that what is read back can be
//! compared without keeping what was written.

use std::io::Write;
use std::path::Path;

use tracewal::event::{Note, SpanEnded, SpanStarted, SpanStatus, SpanText, Text};
use tracewal::{Event, Metadata, Payload, SpanKind, Tokens};

use crate::args::DemoWriter;
use crate::failure::{Failure, Result};
use crate::stores;

/// Sequence numbers 1 and 2 are the engine's: session-started and run-started.
const FIRST: u64 = 3;
/// Events of one turn: a model call with streamed text, two tool calls, a note.
const TURN: u64 = 32;

/// Records until it is killed. Each sequence number is written to standard output, as 8 bytes, after its append has returned.
pub(crate) fn write(folder: &Path, args: &DemoWriter) -> Result<()> {
    let store = stores::options().open(folder)?;
    let metadata = Metadata {
        title: Some("A demo that is killed".into()),
        prompt: Some("Do a lot of work, fast.".into()),
        model: Some("demo-model".into()),
        agent: Some("tracewal demo".into()),
        ..Metadata::new()
    };
    let session = store.session(&args.session).metadata(metadata).start()?;
    // No buffer in between: an acknowledgement is given before the next event is appended.
    let mut acks = std::io::stdout().lock();
    let mut expected = FIRST;
    loop {
        let seq = session.append(event(args.seed, expected))?;
        if seq != expected {
            return Err(Failure::error(format!("event {expected} got the sequence number {seq}")));
        }
        acks.write_all(&seq.to_le_bytes())?;
        acks.flush()?;
        expected += 1;
    }
}

/// The event with this sequence number.
pub(crate) fn event(seed: u64, seq: u64) -> Event<'static> {
    let at = seq.saturating_sub(FIRST);
    let (turn, step) = (at / TURN, at % TURN);
    let random = mix(seed ^ mix(seq));
    let generation = format!("call-{turn}");
    let tool = |number: u64| format!("tool-{turn}-{number}");
    match step {
        0 => SpanStarted {
            model: Some("demo-model".into()),
            ..SpanStarted::new(generation, SpanKind::Generation, "chat")
        }
        .into(),
        1..=24 => SpanText::new(generation, Text::from(words(random, 1 + random % 40))).into(),
        25 => SpanStarted {
            parent_span_id: Some(generation.into()),
            input: Some(Payload::owned_json(format!(r#"{{"command":"make {seq}","random":{random}}}"#))),
            ..SpanStarted::new(tool(1), SpanKind::Tool, "bash")
        }
        .into(),
        26 => {
            SpanEnded { output: Some(words(random, size(random)).into()), ..SpanEnded::new(tool(1)) }.into()
        }
        27 => SpanStarted {
            parent_span_id: Some(generation.into()),
            input: Some(Payload::owned_json(format!(r#"{{"path":"src/{random}.rs"}}"#))),
            ..SpanStarted::new(tool(2), SpanKind::Tool, "read")
        }
        .into(),
        28 if random.is_multiple_of(50) => SpanEnded {
            status: Some(SpanStatus::Error),
            status_message: Some("no such file".into()),
            ..SpanEnded::new(tool(2))
        }
        .into(),
        28 => {
            SpanEnded { output: Some(words(random, size(random)).into()), ..SpanEnded::new(tool(2)) }.into()
        }
        29 => SpanEnded {
            tokens: Some(Tokens::new(random % 5_000, random % 700, 0_u64, random % 90_000, 0_u64)),
            cost: Some(0.0049),
            finish_reason: Some("tool_calls".into()),
            ..SpanEnded::new(generation)
        }
        .into(),
        _ => Note { data: Some(words(random, random % 200).into()), ..Note::new("demo.thought") }.into(),
    }
}

/// Mostly small, now and then large enough to fill a segment of its own.
fn size(random: u64) -> u64 {
    match random % 1_000 {
        0 => 100_000,
        1..50 => 10_000,
        other => other,
    }
}

/// So many characters of text, different for each `random`.
fn words(random: u64, length: u64) -> String {
    const WORDS: [&str; 16] = [
        "the ",
        "log ",
        "holds ",
        "what ",
        "was ",
        "said ",
        "before ",
        "a ",
        "crash, ",
        "and ",
        "reads ",
        "it ",
        "back ",
        "exactly ",
        "once. ",
        "ünïcödé ",
    ];
    let mut text = format!("{random:x} ");
    let mut state = random;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    while text.len() < length {
        state = state.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let at = usize::try_from(state >> 60).unwrap_or(0);
        text.push_str(WORDS.get(at).unwrap_or(&"?"));
    }
    text
}

/// splitmix64.
pub(crate) fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
