//! SPEC.md section 13: what repair writes and keeps, what it makes of an earlier one that was stopped, and what removing takes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod left;

use std::fs;
use std::path::Path;

use left::{BASE_NS, Left, boot, header, items, ms, notes, run_ended, segment, slot};
use tracewal_engine::{Error, Options, SegmentFiles};
use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::Gap;
use tracewal_format::log::Reading;
use tracewal_format::record;
use tracewal_format::segment::{Header, SlotState};

/// A damaged log: two segments of a run, with a slot that nobody names and a gap that was repaired before, and a damaged one of another.
fn damaged() -> (Left, Vec<String>) {
    let mut one = segment(1, 1, 1, 1);
    notes(&mut one, 2);
    one.gap(&Gap {
        was: Some("torn".into()),
        ..Gap::new(3_u64, 4_u64, "8.wal", 4096_u64, 8_u64, "repaired")
    });
    one.slot(&slot("boom", 11, SlotState::Crash, BASE_NS + 9_000_000));
    let mut two = segment(2, 5, 1, 1);
    notes(&mut two, 1);
    two.event(ms(6), &run_ended());
    let mut three = SegmentBuilder::new(Header { pid: 4712, ..header(3, 7, 2, 3, boot()) });
    let from = usize::try_from(three.end()).unwrap();
    notes(&mut three, 1);
    let to = usize::try_from(three.end()).unwrap();
    notes(&mut three, 1);
    three.body(ms(9), 13, record::REDACTED, b"\0\x01r");
    three.event(ms(10), &run_ended()).durable_mark(10);
    let mut files = [one, two, three].map(|mut segment| segment.seal().clone().finish(64));
    files[2][from..to].fill(0xEE);
    let left = Left::new(files);
    fs::remove_file(left.owner()).unwrap();
    let expected = [
        "1 at 1 in 1: note 1".to_owned(),
        "2 at 2 in 1: note 2".to_owned(),
        "lost (3, 4) 8.wal 4096 +8 was torn, now Repaired".to_owned(),
        "5 at 5 in 1: note 5".to_owned(),
        "6 at 6 in 1: run-ended".to_owned(),
        format!("lost (7, 7) 3.wal {from} +{} was damage, now Repaired", to - from),
        "mark 7".to_owned(),
        "8 at 8 in 2: note 8".to_owned(),
        "9 at 9 in 2: r (redacted)".to_owned(),
        "10 at 10 in 2: run-ended".to_owned(),
        "11 at 9 in 2: crashed: boom signal \"SIGSEGV\" run 1 slot Some(0) pid 4712 told by PanicHook"
            .to_owned(),
        "mark 11".to_owned(),
    ];
    (left, expected.to_vec())
}

#[test]
fn repair_keeps_what_can_be_read_and_names_what_cannot() {
    let (left, expected) = damaged();
    let read = |folder: &Path| [1, 2, 3].map(|n| fs::read(folder.join(format!("{n}.wal"))).unwrap());
    let before = read(&left.session());
    let store = left.open();
    let name = store.find("s").unwrap();
    let repaired = store.repair(&name).unwrap();
    assert_eq!(repaired.losses.len(), 1, "what was repaired before is no loss: {:?}", repaired.losses);
    let kept = repaired.kept.unwrap();
    assert_eq!(kept, left.path().join("sessions/s.broken-3"));
    assert_eq!(before, read(&kept), "the log as it was");
    assert_eq!(items(&left.session()), expected);
    let log = SegmentFiles::open_log(&left.session(), Reading::Whole).unwrap();
    let headers: Vec<_> = log
        .headers()
        .map(|h| (h.number, h.run, h.run_first_segment, h.generation, h.pid, h.first_seq, h.wall_base_ns))
        .collect();
    let at = |ms: i64| BASE_NS + ms * 1_000_000;
    assert_eq!(headers, [(1, 1, 1, 4, 4711, 1, at(1)), (2, 2, 2, 4, 4712, 8, at(8))]);
    for header in log.headers() {
        assert!(log.seal(header.number).is_some() && header.monotonic_base_ns == 0);
        assert!(!(100..104).contains(&header.salt), "a salt of its own");
    }
    // It is sound now, and left alone.
    let again = store.repair(&name).unwrap();
    assert!(again.losses.is_empty() && again.kept.is_none());
    assert!(store.verify(&name).unwrap().iter().all(|loss| loss.was.is_some()));
    // Removing it takes what was kept of it, and of no other session.
    for other in ["sessions/s.broken-7", "sessions/s.rebuild", "sessions/sx.broken-7", "sessions/s.other"] {
        fs::create_dir(left.path().join(other)).unwrap();
    }
    store.remove(&name).unwrap();
    assert_eq!(sessions(&left), ["s.other", "sx.broken-7"]);
}

/// What an earlier repair left: half a log, which is worth nothing; or, stopped behind the exchange, the only copy of the log as it was.
#[test]
fn a_repair_that_was_stopped_is_begun_again() {
    let half_made = |rebuild: &Path| fs::write(rebuild.join("1.wal.tmp"), "half").unwrap();
    let newer = |rebuild: &Path| {
        let newer = SegmentBuilder::new(Header { generation: 4, ..header(1, 1, 1, 1, boot()) });
        fs::write(rebuild.join("1.wal"), newer.finish(64)).unwrap();
    };
    let older = |rebuild: &Path| {
        let older = SegmentBuilder::new(Header { generation: 2, ..header(1, 1, 1, 1, boot()) });
        fs::write(rebuild.join("1.wal"), older.finish(64)).unwrap();
    };
    let same = |rebuild: &Path| {
        let same = SegmentBuilder::new(header(1, 1, 1, 1, boot()));
        fs::write(rebuild.join("1.wal"), same.finish(64)).unwrap();
    };
    let noise = |rebuild: &Path| fs::write(rebuild.join("1.wal"), [1; 5000]).unwrap();
    // What is kept of it, and under which name the log as it was is kept then: s.broken-3 is taken.
    let cases: [(&dyn Fn(&Path), Option<&str>, &str); 5] = [
        (&half_made, None, "s.broken-3-2"),
        (&newer, None, "s.broken-3-2"),
        (&older, Some("s.broken-2"), "s.broken-3-2"),
        (&same, Some("s.broken-3-2"), "s.broken-3-3"),
        (&noise, Some("s.broken-0"), "s.broken-3-2"),
    ];
    for (number, (made, kept, broken)) in cases.into_iter().enumerate() {
        let (left, expected) = damaged();
        let rebuild = left.path().join("sessions/s.rebuild");
        fs::create_dir(&rebuild).unwrap();
        made(&rebuild);
        // A name that is taken is nobody's loss.
        fs::create_dir(left.path().join("sessions/s.broken-3")).unwrap();
        let store = left.open();
        let repaired = store.repair(&store.find("s").unwrap()).unwrap();
        assert_eq!(repaired.kept, Some(left.path().join("sessions").join(broken)), "case {number}");
        assert!(items(&left.session()).iter().any(|item| item == expected.last().unwrap()), "case {number}");
        let mut expected = vec!["s", "s.broken-3", broken];
        expected.extend(kept);
        expected.sort_unstable();
        assert_eq!(sessions(&left), expected, "case {number}");
    }
}

/// The names in the folder of sessions.
fn sessions(left: &Left) -> Vec<String> {
    let entries = fs::read_dir(left.path().join("sessions")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A dead writer's session is recovered before it is repaired, or removed; one that cannot be, because it is too new, is not.
#[test]
fn repair_and_removal_come_behind_recovery() {
    let mut one = segment(1, 1, 1, 1);
    notes(&mut one, 1);
    let from = usize::try_from(one.end()).unwrap();
    notes(&mut one, 2);
    let mut bytes = one.finish(64);
    bytes[from + 4] ^= 1;
    let left = Left::new([bytes]);
    let store = Options::without_views().recover(false).open(left.path()).unwrap();
    store.repair(&store.find("s").unwrap()).unwrap();
    let items = items(&left.session());
    assert!(items.iter().any(|item| item.contains("crashed: process vanished")), "{items:?}");
    store.remove(&store.find("s").unwrap()).unwrap();

    let mut bytes = segment(1, 1, 1, 1).finish(64);
    for at in [0, 1024] {
        bytes[at + 16] = 1;
        let checksum = tracewal_format::checksum::crc(&bytes[at..at + 508]);
        bytes[at + 508..at + 512].copy_from_slice(&checksum.to_le_bytes());
    }
    let left = Left::new([bytes]);
    let store = Options::without_views().recover(false).open(left.path()).unwrap();
    assert!(matches!(store.remove(&store.find("s").unwrap()), Err(Error::TooNew { .. })));
    assert!(left.session().exists());
}
