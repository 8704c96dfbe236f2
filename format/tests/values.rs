//! What the values of events are worth to those who ask them, and how they stand in JSON at the edges.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::{Duration, SystemTime};

use tracewal_format::build::SegmentBuilder;
use tracewal_format::checksum::Salted;
use tracewal_format::event::{AnyEvent, DurationNs, Event, FoundBy, Model, Payload, Tokens};
use tracewal_format::json::{EventError, parse_event, write_payload, write_str};
use tracewal_format::log::{Item, LogReader, Memory, Reading};
use tracewal_format::record::{BODY_MAX, DURABLE_MARK, EXPLICIT_TIME, FIRST_LOG_KIND, RecordHeader};
use tracewal_format::segment::{Header, Slot, SlotState};
use tracewal_format::time::{Time, parse_ms, write_f64};

fn event(line: &str) -> Event<'_> {
    parse_event(line).unwrap_or_else(|e| panic!("{line}: {e}")).1
}

#[test]
fn a_model_by_its_id_and_a_total_that_does_not_overflow() {
    assert_eq!(Model::from("m").model_id.as_deref(), Some("m"));
    assert_eq!(Tokens::new(1_u64, 20_u64, 300_u64, 4_000_u64, 50_000_u64).total(), 54_321);
    assert_eq!(Tokens::new(u64::MAX, 1_u64, 0_u64, 0_u64, 0_u64).total(), u64::MAX);
}

#[test]
fn the_largest_value_is_that_of_any_payload() {
    for (line, largest) in [
        (
            r#"{"type":"span-started","spanId":"s","kind":"tool","name":"n","input":"12345","attributes":{}}"#,
            7,
        ),
        (
            r#"{"type":"span-started","spanId":"s","kind":"tool","name":"n","input":1,"attributes":{"a":1}}"#,
            7,
        ),
        (r#"{"type":"span-text","spanId":"s","text":"1234567"}"#, 7),
        (r#"{"type":"span-attributes","spanId":"s","attributes":{"a":1}}"#, 7),
        (r#"{"type":"span-ended","spanId":"s","output":"12345","attributes":{}}"#, 7),
        (r#"{"type":"span-ended","spanId":"s","output":1,"attributes":{"a":1}}"#, 7),
        (
            r#"{"type":"span","spanId":"s","kind":"tool","name":"n","startTime":0,"endTime":1,"input":"12345","output":1}"#,
            7,
        ),
        (
            r#"{"type":"span","spanId":"s","kind":"tool","name":"n","startTime":0,"endTime":1,"input":1,"output":"12345"}"#,
            7,
        ),
        (
            r#"{"type":"span","spanId":"s","kind":"tool","name":"n","startTime":0,"endTime":1,"attributes":{"a":1}}"#,
            7,
        ),
        (r#"{"type":"note","name":"longer than its data","data":"12345"}"#, 7),
        (r#"{"type":"note","name":"no data"}"#, 0),
        (r#"{"type":"run-ended","reason":"closed"}"#, 0),
    ] {
        assert_eq!(event(line).largest_value(), largest, "{line}");
    }
}

#[test]
fn runs_and_crashes_are_not_the_embedders_to_tell() {
    for (line, is_embedders) in [
        (r#"{"type":"run-started","pid":1}"#, false),
        (r#"{"type":"run-ended","reason":"closed"}"#, false),
        (r#"{"type":"crashed","reason":"r"}"#, false),
        (r#"{"type":"session-ended","status":"completed"}"#, true),
        (r#"{"type":"note","name":"n"}"#, true),
    ] {
        assert_eq!(event(line).is_embedders(), is_embedders, "{line}");
    }
}

/// SPEC.md section 8: `null` counts as absent for an optional key, except for those of which it is a value; `attributes` must be an
/// object.
#[test]
fn null_is_absent_or_a_value_and_attributes_are_an_object() {
    let Event::SpanStarted(started) = event(
        r#"{"type":"span-started","spanId":"s","kind":"tool","name":"n","parentSpanId":null,"input":null,"attributes":null}"#,
    ) else {
        panic!("a span")
    };
    assert_eq!((started.parent_span_id, started.attributes), (None, None));
    assert_eq!(started.input.unwrap().bytes, b"null".as_slice());
    for line in [
        r#"{"type":"span-started","spanId":"s","kind":"tool","name":"n","attributes":[]}"#,
        r#"{"type":"span-attributes","spanId":"s","attributes":1}"#,
        r#"{"type":"span-ended","spanId":"s","attributes":"{}"}"#,
        r#"{"type":"span","spanId":"s","kind":"tool","name":"n","startTime":0,"endTime":1,"attributes":true}"#,
    ] {
        let Err(EventError::WrongType { key, .. }) = parse_event(line) else { panic!("{line}") };
        assert_eq!(key, "attributes", "{line}");
    }
}

#[test]
fn what_is_no_object_is_told_what_it_should_be() {
    let error = parse_event("[1]").unwrap_err().to_string();
    assert!(error.contains("an object"), "{error}");
}

/// SPEC.md section 8, `str`.
#[test]
fn every_character_that_has_an_escape_of_its_own() {
    let mut out = Vec::new();
    write_str("\"\\\u{8}\t\n\u{c}\r\u{0}\u{b}\u{1f} \u{7f}é", &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "\"\\\"\\\\\\b\\t\\n\\f\\r\\u0000\\u000b\\u001f \u{7f}é\"");
}

#[test]
fn a_payload_is_what_it_says_or_a_string() {
    for (encoding, bytes, written, is_what_it_says) in [
        (Payload::JSON, b" [ 1 ] ".as_slice(), "[1]", true),
        (Payload::JSON, b"[", r#""[""#, false),
        (Payload::JSON, b"\"\xff\"", "\"\\\"\u{fffd}\\\"\"", false),
        (Payload::STRING, b"[", r#""[""#, true),
        (Payload::STRING, b"\xff", "\"\u{fffd}\"", false),
        (2, b"[", r#""[""#, false),
        (2, b"\xff", "\"\u{fffd}\"", false),
    ] {
        let mut out = Vec::new();
        let payload = Payload { encoding, bytes: bytes.into() };
        assert_eq!(write_payload(&payload, &mut out), is_what_it_says, "{payload:?}");
        assert_eq!(String::from_utf8(out).unwrap(), written, "{payload:?}");
    }
    // Nesting is limited, not how many there are side by side.
    let wide = format!("[{}[[]]]", "[{}],".repeat(600));
    let mut out = Vec::new();
    assert!(write_payload(&Payload { encoding: Payload::JSON, bytes: wide.as_bytes().into() }, &mut out));
    assert_eq!(out, wide.as_bytes());
}

#[test]
fn times_that_are_clamped_and_rounded_down() {
    for (ns, clamped, ms) in [
        (0, 0, 0),
        (-1, -1, -1),
        (1_999_999, 1_999_999, 1),
        (-1_000_001, -1_000_001, -2),
        (1 << 64, i64::MAX, 18_446_744_073_709),
        (-(1 << 64), i64::MIN, -18_446_744_073_710),
    ] {
        let time = Time::from_ns(ns);
        assert_eq!((time.as_ns_i64(), time.as_ms_floor()), (clamped, ms), "{ns}");
    }
}

#[test]
fn numbers_that_are_none_and_clocks_on_both_sides_of_the_epoch() {
    for (text, ns) in [("1ex", None), ("1e9999999999", Some(10_i128.pow(30))), ("1e-9999999999", Some(0))] {
        assert_eq!(parse_ms(text), ns, "{text}");
    }
    for (value, written) in [(0.0, "0"), (-0.0, "0"), (f64::NAN, "0"), (f64::INFINITY, "0"), (-1.5, "-1.5")] {
        let mut out = Vec::new();
        write_f64(value, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), written);
    }
    let (epoch, second) = (SystemTime::UNIX_EPOCH, Duration::from_nanos(1_000_000_001));
    assert_eq!(Time::from(epoch + second).as_ns(), 1_000_000_001);
    assert_eq!(Time::from(epoch - second).as_ns(), -1_000_000_001);
}

#[test]
fn durations_costs_and_texts_at_their_edges() {
    assert_eq!(DurationNs::from(Duration::from_nanos(1_500)), DurationNs(1_500));
    assert_eq!(DurationNs::from(Duration::MAX), DurationNs(i64::MAX));
    for (ms, ns) in [("-2", -2_000_000), ("1e30", i64::MAX), ("-1e30", i64::MIN)] {
        let line = format!(r#"{{"type":"span-ended","spanId":"s","durationMs":{ms}}}"#);
        let Event::SpanEnded(ended) = event(&line) else { panic!("{line}") };
        assert_eq!(ended.duration_ms, Some(DurationNs(ns)), "{ms}");
    }
    for (cost, value) in [("-0.5", -0.5), ("0.25", 0.25)] {
        let line = format!(r#"{{"type":"span-ended","spanId":"s","cost":{cost}}}"#);
        let Event::SpanEnded(ended) = event(&line) else { panic!("{line}") };
        assert_eq!(ended.cost, Some(value));
    }
    for (key, line) in [
        ("text", r#"{"type":"span-text","spanId":"s","text":1}"#),
        ("text", r#"{"type":"span-text","spanId":"s","text":{}}"#),
        ("cost", r#"{"type":"span-ended","spanId":"s","cost":"1"}"#),
        ("cost", r#"{"type":"span-ended","spanId":"s","cost":1e999}"#),
    ] {
        let Err(EventError::WrongType { key: wrong, .. }) = parse_event(line) else { panic!("{line}") };
        assert_eq!(wrong, key, "{line}");
    }
}

/// SPEC.md section 6: presence bits beyond those that are known are fields of a newer version, kept and skipped.
#[test]
fn fields_of_a_newer_version_are_skipped() {
    for (body, is_sound) in [
        (b"\x00\x01a".as_slice(), true),
        (b"\x01\x01a\x03new", true),
        (b"\x05\x01a\x03new\x00", true),
        (b"\x05\x01a\x03new", false),
        (b"\x01\x01a\x04new", false),
        (b"\x00\x01a\x03new", false),
    ] {
        let decoded = Event::decode(11, body).unwrap();
        assert_eq!(decoded.is_ok(), is_sound, "{body:?}");
    }
}

/// SPEC.md section 7: a header checks with a body of up to 2^30 bytes, and of at least 16 when the time stands in it.
#[test]
fn lengths_at_the_edge_of_what_a_header_may_say() {
    let salted = Salted::new(3);
    for (flags, body_len, checks) in [
        (0, 0, true),
        (0, BODY_MAX, true),
        (0, BODY_MAX + 1, false),
        (EXPLICIT_TIME, 15, false),
        (EXPLICIT_TIME, 16, true),
        (EXPLICIT_TIME, 17, true),
    ] {
        let header = RecordHeader { kind: 13, flags, time_delta_ns: -5, body_len, body_crc: 1, seq_delta: 2 };
        let bytes = header.encode(&salted, 4096);
        let read = RecordHeader::decode(&bytes, &salted, 4096);
        assert_eq!(read, checks.then_some(header), "{flags} {body_len}");
    }
}

/// SPEC.md section 4: a crash slot holds 448 bytes of text, whole characters of them.
#[test]
fn the_text_of_a_slot_is_cut_between_characters() {
    let salted = Salted::new(3);
    let slot = |text: String| Slot {
        found_by: FoundBy::Handler,
        state: SlotState::Crash,
        signal: 0,
        signal_code: 0,
        pid: 1,
        tid: 1,
        address: 0,
        time_ns: 0,
        last_seq: 0,
        text: text.into(),
    };
    for (text, kept) in [
        ("a".repeat(448), 448),
        ("a".repeat(449), 448),
        ("a".repeat(446) + "é!", 448),
        ("a".repeat(447) + "é", 447),
        ("a".repeat(445) + "😀", 445),
        ("a".repeat(444) + "😀!", 448),
        (String::new(), 0),
    ] {
        let mut bytes = slot(text.clone()).encode(&salted, 2);
        let read = Slot::decode(&bytes, &salted, 2).unwrap();
        assert_eq!(read.text, text[..kept]);
        assert_eq!(Slot::decode(&bytes, &salted, 1), None, "of another number");
        // A longer text than there is room for, with a checksum that is right.
        bytes[44..46].copy_from_slice(&449_u16.to_le_bytes());
        let checksum = salted.crc(&2_u32.to_le_bytes(), &bytes[..508]);
        bytes[508..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Slot::decode(&bytes, &salted, 2), None);
    }
}

/// SPEC.md section 5: kinds up to 223 take a sequence number, those from 224 on do not.
#[test]
fn kinds_at_the_edge_between_events_and_log_records() {
    let mut segment = SegmentBuilder::new(Header {
        compatible: 0,
        generation: 0,
        session_uid: 7,
        writer: 8,
        boot_id: 9,
        number: 1,
        run: 1,
        pid: 10,
        first_seq: 5,
        salt: 11,
        wall_base_ns: 0,
        monotonic_base_ns: 0,
        capacity: 0,
        run_first_segment: 1,
        session_id: "s".into(),
    });
    for kind in [FIRST_LOG_KIND - 1, FIRST_LOG_KIND, u8::MAX, FIRST_LOG_KIND - 1] {
        segment.body(Time::from_ns(1), kind, 0, b"");
    }
    segment.durable_mark(6);
    assert_eq!(segment.next_seq(), 7);
    let bytes = segment.finish(0);
    let Ok(mut log) = LogReader::new(Memory::new(vec![(1, bytes.as_slice())]), Reading::Whole);
    let mut seen = Vec::new();
    loop {
        match log.next() {
            Ok(None) => break,
            Ok(Some(Item::Event(entry))) => seen.push((entry.kind, entry.seq)),
            Ok(Some(Item::LogRecord(entry))) => seen.push((entry.kind, 0)),
            Ok(Some(Item::DurableMark(mark))) => seen.push((DURABLE_MARK, mark)),
            Ok(Some(Item::Loss(loss))) => assert_eq!(loss.missing, Some((1, 4)), "it begins with 5"),
            Ok(Some(other)) => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [(223, 5), (224, 0), (255, 0), (223, 6), (240, 6)]);
}
