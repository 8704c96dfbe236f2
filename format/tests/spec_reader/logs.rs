//! The logs that both readers read: as a writer leaves them, and made up of what no writer writes.

use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::{Crashed, FoundBy, Gap, Note, Payload, SpanText, Text};
use tracewal_format::json::parse_event;
use tracewal_format::record;
use tracewal_format::segment::{Header, Slot, SlotState};
use tracewal_format::time::Time;

use crate::damage::{Random, append, records, rewrite_header};

const EVERY_EVENT: &str = include_str!("../every_event.jsonl");

const WALL_BASE_NS: i64 = 1_773_568_800_000_000_000;
pub(crate) const BOOT: u128 = 9;
pub(crate) const OTHER_BOOT: u128 = 10;

/// The segment files of one session, and what they are for.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) name: String,
    pub(crate) files: Vec<(u64, Vec<u8>)>,
}

fn log(name: &str, files: impl IntoIterator<Item = Vec<u8>>) -> Log {
    Log { name: name.to_owned(), files: (1..).zip(files).collect() }
}

impl Log {
    pub(crate) fn changed(&self, name: &str, change: impl FnOnce(&mut Vec<(u64, Vec<u8>)>)) -> Log {
        let mut changed = self.clone();
        changed.name = format!("{}, {name}", self.name);
        change(&mut changed.files);
        changed
    }
}

fn header(number: u64, first_seq: u64, run: u32, run_first_segment: u64, boot_id: u128) -> Header {
    Header {
        compatible: 0,
        generation: 0,
        session_uid: 7,
        writer: 8,
        boot_id,
        number,
        run,
        pid: 10,
        first_seq,
        salt: 11 + number,
        wall_base_ns: WALL_BASE_NS,
        monotonic_base_ns: 0,
        capacity: 0,
        run_first_segment,
        session_id: "s".into(),
    }
}

fn segment(number: u64, first_seq: u64, run: u32, run_first_segment: u64) -> SegmentBuilder {
    SegmentBuilder::new(header(number, first_seq, run, run_first_segment, BOOT))
}

fn at(ms: i64) -> Time {
    Time::from_ns(i128::from(WALL_BASE_NS) + i128::from(ms) * 1_000_000)
}

fn notes(segment: &mut SegmentBuilder, count: u32) {
    for n in 0..count {
        let name = format!("note {} of {n}", segment.next_seq());
        segment.event(at(i64::from(n)), &Note::new(name).into());
    }
}

fn gap(first: u64, last: u64, kind: &str, was: Option<&str>) -> Gap<'static> {
    let mut gap = Gap::new(first, last, "7.wal".to_owned(), 4096_u64, 99_u64, kind.to_owned());
    gap.was = was.map(|was| was.to_owned().into());
    gap
}

pub(crate) fn crash(text: &str, signal: i32, state: SlotState, time_ns: i64) -> Slot<'_> {
    Slot {
        found_by: FoundBy::ExitHook,
        state,
        signal,
        signal_code: 1,
        pid: 77,
        tid: 78,
        address: 0xdead,
        time_ns,
        last_seq: 3,
        text: text.to_owned().into(),
    }
}

/// Every event kind, with everything in it and with as little as may be.
fn every_event() -> Vec<u8> {
    let mut all = segment(1, 1, 1, 1);
    for line in EVERY_EVENT.lines() {
        let (time, event) = parse_event(line).unwrap();
        all.event(time.unwrap(), &event);
    }
    all.finish(512)
}

/// Free-form JSON that is valid, that is not, and that is not even text.
fn payloads() -> Vec<u8> {
    let (deep, too_deep) = ("[".repeat(512) + &"]".repeat(512), "[".repeat(513) + &"]".repeat(513));
    let texts: [&[u8]; 24] = [
        b" { \"a\" : [ 1 , 2.50e+1, -0 , 1E400 ] , \"a\" : null } ",
        b"\"\\ud800 \\u00e9 \\/ \x7f\"",
        b" \n\"a b\"\t",
        b"\"a",
        b"01",
        b"1.",
        b"[1,]",
        b"{\"a\":1,}",
        b"{1:2}",
        b"nul",
        b"true false",
        b"",
        b" ",
        b"\xef\xbb\xbf1",
        b"\"\xff\"",
        b"\xf0\x9f\x98a\xe2\x82",
        b"\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80",
        b"\"\t\"",
        b"\"\\x\"",
        b"\x0b1",
        b"1\xc2\xa0",
        b"\x00\x01\x1f\x7f\"\\",
        deep.as_bytes(),
        too_deep.as_bytes(),
    ];
    let mut all = segment(1, 1, 1, 1);
    for (text, encoding) in texts.iter().flat_map(|text| [0, 1, 2, 9].map(|encoding| (text, encoding))) {
        let payload = || Payload { encoding, bytes: text.to_vec().into() };
        let mut note = Note::new("payload");
        note.data = Some(payload());
        all.event(at(1), &note.into());
        all.event(at(1), &SpanText::new("s", Text(payload())).into());
    }
    all.finish(64)
}

/// Bodies as no writer of this version makes them.
fn odd_bodies() -> Vec<u8> {
    let mut all = segment(1, 1, 1, 1);
    let mut wide = vec![0, 251, 1, 0, b'a'];
    let unpaired = [0, 2, b's', 0xff];
    for (kind, body) in [
        (99, b"\x01\xfe".as_slice()), // an unknown kind
        (223, b""),
        (225, b"unknown log record"),
        (241, b"\xff"), // a malformed gap
        (240, b"short"),
        (242, b"\x01\0\0\0\0\0\0\0\x03why"),
        (2, b"\0\x07"),
        (2, b"\0\xfb\x07\0"), // the same number, longer
        (2, b"\0\xfc\x07\0\0\0"),
        (2, b"\0\xfd\x07\0\0\0\0\0\0\0"), // wider than the field
        (2, b"\0\xfe\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        (2, b"\0\xff"),
        (2, b"\xfe\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07"),
        (12, b"\xfb\x80\0\x01a\x01b\xfb\xf7\x01"), // a 16-bit number
        (12, b"\xfb\x80\0\x01a\x01b\xfc\xf7\x01\0\0"),
        (12, b"\x02\x01a\x01b\x02"), // a bool that is none
        (3, b"\0\x63"),              // an enum beyond its list
        (11, b"\x05\x01a\x03new\x00"),
        (11, b"\xfd\0\0\0\0\0\0\0\x80\x01a\x02nw"), // presence bit 63
        (11, b"\x01\x01a\x09short"),
        (1, b"\x10\xfd\xff\xff\xff\xff\xff\xff\xff\xff\x01a"), // more strings than bytes
        (9, b"\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
        (8, b"\x10\x01s\0\0\0\0\0\0\xf8\x7f"), // NaN
        (8, b"\x10\x01s\0\0\0\0\0\0\0\x80"),   // -0
        (8, b"\x10\x01s\x01\0\0\0\0\0\0\0"),   // the smallest number
        (13, b""),
        (13, &unpaired),
    ] {
        all.body(at(1), kind, 0, body);
    }
    all.body(at(2), 11, record::REDACTED, &wide);
    all.body(at(2), 11, record::VOID, &wide);
    all.body(at(2), 11, 0xF8, &wide);
    wide.push(0);
    all.body(at(2), 11, record::REDACTED, &wide);
    for ns in [0, 1, -1, 10_i128.pow(30), -(10_i128.pow(30)), 1_773_568_800_000_123_457] {
        all.event(Time::from_ns(ns), &Note::new("explicit").into());
    }
    for length in [15, 16, 17] {
        all.body(at(2), 11, record::EXPLICIT_TIME, &vec![0xEE; length]);
    }
    for delta in [(1 << 47) - 1, -(1 << 47), 123_457, -1] {
        all.event(Time::from_ns(i128::from(WALL_BASE_NS + delta)), &Note::new("delta").into());
    }
    all.finish(256)
}

/// Two sealed segments, and one that is being written when the process ends.
fn three_segments(boots: [u128; 3]) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let mut next = 1;
    for (number, boot) in (1..).zip(boots) {
        let run = if number == 3 { 2 } else { 1 };
        let run_first = if number == 3 { 3 } else { 1 };
        let mut segment = SegmentBuilder::new(header(number, next, run, run_first, boot));
        notes(&mut segment, 5);
        if number == 1 {
            segment.durable_mark(3);
        }
        notes(&mut segment, 4);
        next = segment.next_seq();
        files.push(if number == 3 { segment.finish(800) } else { segment.seal().clone().finish(512) });
    }
    files
}

/// What recovery leaves: the events behind the mark stand in the second segment again, with a gap and a crash record.
fn superseded() -> Vec<Vec<u8>> {
    let mut first = segment(1, 1, 1, 1);
    notes(&mut first, 4);
    first.durable_mark(4);
    notes(&mut first, 5);
    first.slot(&crash("böse", 11, SlotState::Crash, 0)).slot(&crash("", 6, SlotState::Crash, 5_000_000));
    let mut copy = segment(2, 5, 1, 1);
    notes(&mut copy, 2);
    copy.gap(&gap(7, 8, "unsynced", None));
    notes(&mut copy, 1);
    let mut crashed = Crashed::new("named");
    (crashed.run, crashed.slot) = (Some(1), Some(0));
    copy.event(at(50), &crashed.into());
    copy.durable_mark(10).seal();
    let mut resumed = segment(3, 11, 2, 3);
    notes(&mut resumed, 3);
    vec![first.finish(128), copy.finish(0), resumed.finish(4096)]
}

/// Crash slots of every state, in a log with and without events.
fn slots(with_events: bool) -> Vec<u8> {
    let mut slots = segment(1, 1, 3, 1);
    if with_events {
        notes(&mut slots, 2);
        let own_run = Crashed { slot: Some(3), ..Crashed::new("of its own run") };
        slots.event(at(9), &own_run.into());
        slots.body(at(10), 13, record::VOID, b"").durable_mark(1);
    }
    slots.slot(&crash("", 34, SlotState::Crash, 0)).slot(&crash("text", 15, SlotState::Pending, 7_000_001));
    slots.claim().slot(&crash("named", 0, SlotState::Crash, 1)).claim();
    slots.finish(64)
}

fn gaps() -> Vec<u8> {
    let mut gaps = segment(1, 1, 1, 1);
    gaps.gap(&gap(1, 3, "repaired", Some("torn")));
    notes(&mut gaps, 1);
    gaps.gap(&gap(5, 5, "too-new", None)).gap(&gap(6, 7, "whatever", Some("")));
    for (first, last) in [(9, 12), (3, 4), (8, 7), (8, (1 << 63) + 1), (u64::MAX, u64::MAX), (u64::MAX, 0)] {
        gaps.body(at(0), record::GAP, 0, &gap(first, last, "damage", None).encode_body().unwrap());
    }
    notes(&mut gaps, 1);
    gaps.durable_mark((1 << 63) + 1).durable_mark(12);
    gaps.finish(64)
}

pub(crate) fn sound_logs() -> Vec<Log> {
    let mut empty = segment(1, 1, 1, 1);
    vec![
        log("no file", []),
        log("empty", [empty.clone().finish(256)]),
        log("empty and sealed", [empty.seal().clone().finish(256)]),
        log("every event", [every_event()]),
        log("payloads", [payloads()]),
        log("odd bodies", [odd_bodies()]),
        log("three segments", three_segments([BOOT; 3])),
        log("machine restarted", three_segments([BOOT, BOOT, OTHER_BOOT])),
        log("machine restarted twice", three_segments([BOOT, OTHER_BOOT, BOOT])),
        log("boot unknown", three_segments([0, BOOT, 0])),
        log("superseded", superseded()),
        log("slots", [slots(true)]),
        log("slots alone", [slots(false)]),
        log("gaps", [gaps()]),
        log("overtaken", overtaken()),
        log("runs out of order", runs_out_of_order()),
        log("mark with explicit time", mark_with_explicit_time()),
        log("record inside a body", [record_inside_a_body()]),
    ]
}

/// A field of the header: its offset in the header, and a byte to write there.
type HeaderByte = (usize, u8);

/// Three segments of which one, or all but one, have a header that is not what the others expect.
pub(crate) fn odd_headers() -> Vec<Log> {
    let ways: [(&str, &[HeaderByte]); 10] = [
        ("of another session", &[(24, 1)]),
        ("of another number", &[(72, 9)]),
        ("of an older version", &[(8, 0)]),
        ("of a newer version", &[(8, 2)]),
        ("with a new feature", &[(16, 1)]),
        ("with a new feature, of another session", &[(16, 1), (24, 1)]),
        ("with a new codec", &[(136, 1)]),
        ("with records from 4352 on", &[(11, 0x11)]),
        ("with records from behind its seal's end on", &[(11, 0x40)]),
        ("with records from an odd offset on", &[(10, 4)]),
    ];
    let sound = log("odd headers", three_segments([BOOT, BOOT, OTHER_BOOT]));
    let mut logs = Vec::new();
    for (what, fields) in ways {
        for (file, others) in [(0, false), (1, false), (2, false), (0, true), (1, true), (2, true)] {
            let name = format!("{} file {file} {what}", if others { "all but" } else { "only" });
            logs.push(sound.changed(&name, |files| {
                for (_, (_, bytes)) in files.iter_mut().enumerate().filter(|(n, _)| (*n == file) != others) {
                    for (at, value) in fields {
                        rewrite_header(bytes, 0, *at, &[*value]);
                        rewrite_header(bytes, 1024, *at, &[*value]);
                    }
                }
            }));
        }
    }
    logs
}

/// The second segment begins behind the third, which is a copy of all that follows the first.
fn overtaken() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for (number, first) in (1..).zip([1, 6, 3, 9]) {
        let mut segment = segment(number, first, 1, 1);
        notes(&mut segment, 5);
        files.push(segment.durable_mark(first + 1).seal().clone().finish(64));
    }
    files
}

/// A mark's time is no part of its number. It covers a part of what a restart of the machine might have taken.
fn mark_with_explicit_time() -> Vec<Vec<u8>> {
    let mut first = segment(1, 1, 1, 1);
    notes(&mut first, 3);
    first.body(
        at(0),
        record::DURABLE_MARK,
        record::EXPLICIT_TIME,
        &[[9; 16].as_slice(), &2_u64.to_le_bytes()].concat(),
    );
    let mut second = SegmentBuilder::new(header(2, 4, 2, 2, OTHER_BOOT));
    notes(&mut second, 1);
    vec![first.finish(64), second.finish(64)]
}

fn runs_out_of_order() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for (number, run, first) in [(1, 5, 1), (2, 3, 3), (3, 5, 5), (4, 4, 7)] {
        let mut segment = segment(number, first, run, number);
        notes(&mut segment, 2);
        segment.slot(&crash("first", 0, SlotState::Crash, 0)).slot(&crash("", 1, SlotState::Pending, 0));
        files.push(segment.finish(64));
    }
    files
}

/// The last append was cut off, and its body holds what looks like a record.
fn record_inside_a_body() -> Vec<u8> {
    let mut outer = segment(1, 1, 1, 1);
    notes(&mut outer, 1);
    outer.event(at(1), &Note::new("x".repeat(200)).into());
    let mut bytes = outer.finish(256);
    let outer = *records(&bytes).last().unwrap();
    append(&mut bytes, outer + 64, 240, 2, 2);
    bytes
}

/// Values of every type that look random: numbers, times, free-form JSON, and bodies with a few bytes changed.
pub(crate) fn random_values(seed: u64) -> Log {
    let random = Random::new(seed);
    let mut all = segment(1, 1, 1, 1);
    for _ in 0..300 {
        let shift = random.next() % 64;
        let cost = random.pick(&[
            random.next(),
            random.next() >> shift,
            0x4340_0000_0000_0000 ^ (random.next() >> shift),
        ]);
        let body = [b"\x10\x01s".as_slice(), &cost.to_le_bytes()].concat();
        all.body(at(1), 8, 0, &body);
        let ns = ((i128::from(random.next()) << 36) + i128::from(random.next())) >> random.below(100);
        all.event(Time::from_ns(if shift < 32 { ns } else { -ns }), &Note::new("time").into());
        let mut note = Note::new("json");
        note.data = Some(Payload { encoding: 0, bytes: random_json(&random).into() });
        all.event(at(2), &note.into());
        let text = Payload { encoding: 0, bytes: random_json(&random).into() };
        all.event(at(2), &SpanText::new("s", Text(text)).into());
    }
    for _ in 0..20 {
        for line in EVERY_EVENT.lines() {
            let (_, event) = parse_event(line).unwrap();
            let mut body = vec![0; event.encoded_len()];
            event.encode_into(&mut body).unwrap();
            for _ in 0..=random.below(3) {
                let at = random.pick(&[0, 1, random.below(body.len())]).min(body.len() - 1);
                body[at] =
                    random.pick(&[0, 1, 2, 250, 251, 252, 253, 254, 255, random.next().to_le_bytes()[0]]);
            }
            all.body(at(3), event.kind(), 0, &body);
        }
    }
    Log { name: format!("random values, SPEC_READER_SEED={seed}"), files: vec![(1, all.finish(64))] }
}

/// JSON more often than not: what it is made of, in an order that grows one level at a time, and now and then a stray byte.
fn random_json(random: &Random) -> Vec<u8> {
    const PARTS: [&[u8]; 26] = [
        b"0",
        b"-1",
        b"1.5",
        b"1e9",
        b"1E+9",
        b"01",
        b"-",
        b"1.",
        b".5",
        b"true",
        b"false",
        b"null",
        b"nul",
        b"\"\"",
        b"\"a\"",
        b"\"\\n\"",
        b"\"\\u00e9\"",
        b"\"\\ud83d\\ude00\"",
        b"\"\\udead\"",
        b"\"\\u12g4\"",
        b"\"\xc3\xa9\"",
        b"\"\xc3\"",
        b"\"\\\"",
        b"\"\x7f\"",
        b"\"\x1f\"",
        b"[]",
    ];
    let mut json = random.pick(&PARTS).to_vec();
    for _ in 0..random.below(4) {
        let other = random.pick(&PARTS);
        let around: [&[u8]; 3] = random.pick(&[
            [b"[", b",", b"]"],
            [b" [\t", b" ,\n", b" ] "],
            [b"{\"k\":", b",\"k\":", b"}"],
            [b"{ \"\\u006b\" : ", b" , \"l\" :", b"\r}"],
            [b"", b" ", b""],
            [b"[", b",", b"}"],
            [b"{", b":", b"}"],
        ]);
        json = [around[0], &json, around[1], other, around[2]].concat();
    }
    if random.below(4) == 0 {
        let at = random.below(json.len());
        json[at] =
            random.pick(&[b' ', b'"', b'\\', 0, 0x0b, 0xe2, 0xf0, 0x80, random.next().to_le_bytes()[0]]);
    }
    json
}
