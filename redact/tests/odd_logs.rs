//! Logs that no writer of this version leaves behind in order: crash slots, events of a newer version, bodies that make no sense, damage.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::Path;

use support::{canaries, files_with};
use tracewal::event::{Crashed, FoundBy, Note, Payload};
use tracewal::{Compaction, Event, Item, Original, Reading, Store, Time};
use tracewal_format::build::SegmentBuilder;
use tracewal_format::record;
use tracewal_format::segment::{Header, Slot, SlotState};
use tracewal_redact::{Act, Key, Rules, redact};

const BASE_NS: i64 = 1_773_568_800_000_000_000;

fn header() -> Header {
    Header {
        compatible: 0,
        generation: 3,
        session_uid: 7,
        writer: 8,
        boot_id: 9,
        number: 1,
        run: 1,
        pid: 10,
        first_seq: 1,
        salt: 11,
        wall_base_ns: BASE_NS,
        monotonic_base_ns: 0,
        capacity: 0,
        run_first_segment: 1,
        session_id: "s".into(),
    }
}

fn slot(text: String) -> Slot<'static> {
    Slot {
        found_by: FoundBy::PanicHook,
        state: SlotState::Crash,
        signal: 6,
        signal_code: 0,
        pid: 10,
        tid: 11,
        address: 0,
        time_ns: BASE_NS + 1,
        last_seq: 2,
        text: text.into(),
    }
}

/// A store with a session of this one segment, that nobody has open.
fn store_with(folder: &Path, segment: &[u8]) -> Store {
    let open = || tracewal::options_with(Compaction::OnDemand).open(folder).unwrap();
    drop(open());
    std::fs::create_dir(folder.join("sessions/s")).unwrap();
    std::fs::write(folder.join("sessions/s/1.wal"), segment).unwrap();
    open()
}

fn run(store: &Store) -> tracewal_redact::Outcome {
    let rules = Rules::new(false, None).unwrap();
    let key = Key::of_store(store.path()).unwrap();
    redact(store, &store.find("s").unwrap(), &rules, &key, Act::Rewrite(Original::Delete), true).unwrap()
}

#[test]
fn crash_slots_and_what_cannot_be_understood_hold_no_secret_afterwards() {
    let canary = canaries().into_iter().find(|canary| canary.rule == "github-token").unwrap();
    let secret = canary.secret.as_str();
    let folder = tempfile::tempdir().unwrap();
    let time = Time::from_ns(i128::from(BASE_NS) + 5);
    let mut segment = SegmentBuilder::new(header());
    // Of a kind that comes later.
    let unknown = format!("\u{1}{secret}\u{2}\u{ff}").into_bytes();
    segment.body(time, 200, 0, &unknown);
    // A note that has a field of a newer version behind its data: presence bits 0 and 1.
    let mut newer = vec![3, 1, b'n', 1, 1, b'd', u8::try_from(secret.len()).unwrap()];
    newer.extend_from_slice(secret.as_bytes());
    assert!(Event::decode(Note::KIND, &newer).unwrap().is_ok());
    segment.body(time, Note::KIND, 0, &newer);
    // No note at all.
    let malformed = format!("\u{ff}\u{ff} {secret} ").into_bytes();
    assert!(Event::decode(Note::KIND, &malformed).unwrap().is_err());
    segment.body(time, Note::KIND, 0, &malformed);
    // Far from the segment's base: its time is spelled out.
    let far = Time::from_ns(i128::from(BASE_NS) * 20);
    let note = Note { data: Some(Payload::owned_string(secret)), ..Note::new("far") };
    segment.event(far, &note.into());
    segment.slot(&slot(format!("assertion failed: {secret}")));
    let store = store_with(folder.path(), &segment.seal().clone().finish(64));

    let done = run(&store);
    assert!(done.changed, "{done:?}");
    assert_eq!(done.counts.get("github-token"), Some(&5), "{done:?}");
    assert_eq!(
        done.places.iter().filter(|place| place.seq.is_none()).count(),
        1,
        "the crash slot's: {done:?}"
    );
    assert_eq!(files_with(folder.path(), std::slice::from_ref(&canary.secret)), [""; 0]);
    let mut log = store.read(&store.find("s").unwrap(), Reading::Whole).unwrap();
    let mut seen = Vec::new();
    while let Some(item) = log.next().unwrap() {
        if let Item::Event(entry) = item {
            assert!(entry.is_redacted());
            seen.push((entry.seq, entry.kind, entry.time, entry.body.to_vec()));
        }
    }
    let stars = |body: &[u8]| String::from_utf8_lossy(body).replace(secret, &"*".repeat(secret.len()));
    for (at, body) in [(0, &unknown), (1, &newer), (2, &malformed)] {
        assert_eq!(seen[at].3.len(), body.len());
        assert_eq!(String::from_utf8_lossy(&seen[at].3), stars(body));
    }
    assert_eq!(seen[3].2, far);
    let crashed = Event::decode(Crashed::KIND, &seen[4].3).unwrap().unwrap();
    let Event::Crashed(crashed) = crashed else { panic!("{crashed:?}") };
    assert!(crashed.reason.starts_with("assertion failed: [redacted:github-token:"), "{crashed:?}");
    assert_eq!((crashed.run, crashed.slot), (Some(1), Some(0)));
    assert!(!run(&store).changed);
}

/// What is lost is told as lost, and what was in the damaged place is gone with it.
#[test]
fn damage_stays_told_and_its_bytes_go() {
    let canary = canaries().into_iter().find(|canary| canary.rule == "github-token").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut segment = SegmentBuilder::new(header());
    let note = |n: u64| Note {
        data: Some(Payload::owned_string(canary.secret.clone())),
        ..Note::new(format!("n{n}"))
    };
    let time = Time::from_ns(i128::from(BASE_NS));
    segment.event(time, &note(1).into());
    let hurt = usize::try_from(segment.end()).unwrap();
    segment.event(time, &note(2).into());
    segment.event(time, &note(3).into());
    let mut bytes = segment.seal().clone().finish(64);
    bytes[hurt + record::RECORD_HEADER] ^= 1;
    let store = store_with(folder.path(), &bytes);
    let before = store.verify(&store.find("s").unwrap()).unwrap();
    assert_eq!(before[0].missing, Some((2, 2)));
    assert!(run(&store).changed);
    let after = store.verify(&store.find("s").unwrap()).unwrap();
    assert_eq!(after.len(), 1);
    assert_eq!((after[0].missing, after[0].was.as_deref()), (Some((2, 2)), Some("damage")));
    assert_eq!((&after[0].file, after[0].offset), (&before[0].file, before[0].offset));
    assert_eq!(files_with(folder.path(), std::slice::from_ref(&canary.secret)), [""; 0]);
}

/// What cannot be read may be a secret, and what a process was writing when it died has not become an event.
#[test]
fn a_secret_that_is_in_no_event_goes_with_the_original() {
    let canary = canaries().into_iter().find(|canary| canary.rule == "github-token").unwrap();
    let time = Time::from_ns(i128::from(BASE_NS));
    let segment = || {
        let mut segment = SegmentBuilder::new(header());
        segment.event(time, &Note::new("n").into());
        segment
    };
    let mut damaged = segment();
    let from = usize::try_from(damaged.end()).unwrap();
    damaged.event(time, &Note::new(canary.secret.clone()).into());
    let mut damaged = damaged.seal().clone().finish(64);
    damaged[from + record::RECORD_HEADER] ^= 1;
    // A body whose publish word was never stored, in a log that is not sealed; and one behind the end of a log that is.
    let behind = |mut bytes: Vec<u8>, end: u64| {
        let from = usize::try_from(end).unwrap() + record::RECORD_HEADER;
        bytes.resize(8192, 0);
        bytes[from..from + canary.secret.len()].copy_from_slice(canary.secret.as_bytes());
        bytes
    };
    let end = segment().end();
    let unsealed = behind(segment().finish(64), end);
    let mut sealed = segment();
    let end = sealed.seal().end();
    let sealed = behind(sealed.finish(8192 - 4096), end);
    for (what, bytes) in [("damaged", damaged), ("unsealed", unsealed), ("sealed", sealed)] {
        let folder = tempfile::tempdir().unwrap();
        let store = store_with(folder.path(), &bytes);
        assert!(!files_with(folder.path(), std::slice::from_ref(&canary.secret)).is_empty(), "{what}");
        assert!(run(&store).changed, "{what}");
        assert_eq!(files_with(folder.path(), std::slice::from_ref(&canary.secret)), [""; 0], "{what}");
        assert!(!run(&store).changed, "{what}: once is enough");
    }
}
