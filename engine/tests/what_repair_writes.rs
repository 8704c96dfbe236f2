//! SPEC.md section 13: what repair writes and keeps, what it makes of an earlier one that was stopped, and what removing takes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod left;

use std::fs;
use std::path::Path;

use left::{BASE_NS, Left, boot, header, items, ms, notes, run_ended, segment, slot};
use tracewal_engine::SegmentFiles;
use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::Gap;
use tracewal_format::log::Reading;
use tracewal_format::record;
use tracewal_format::segment::{Header, SlotState};

/// A damaged log: two runs, a slot that nobody names, a gap that was repaired before, and damage.
fn damaged() -> (Left, Vec<String>) {
    let mut one = segment(1, 1, 1, 1);
    notes(&mut one, 2);
    one.gap(&Gap {
        was: Some("torn".into()),
        ..Gap::new(3_u64, 4_u64, "8.wal", 4096_u64, 8_u64, "repaired")
    });
    notes(&mut one, 1);
    one.event(ms(6), &run_ended()).slot(&slot("boom", 11, SlotState::Crash, BASE_NS + 9_000_000));
    let mut two = segment(2, 7, 2, 2);
    let from = usize::try_from(two.end()).unwrap();
    notes(&mut two, 1);
    let to = usize::try_from(two.end()).unwrap();
    notes(&mut two, 1);
    two.body(ms(9), 13, record::REDACTED, b"\0\x01r");
    two.event(ms(10), &run_ended()).durable_mark(10);
    let (one, mut two) = (one.seal().clone().finish(64), two.seal().clone().finish(64));
    two[from..to].fill(0xEE);
    let left = Left::new([one, two]);
    fs::remove_file(left.owner()).unwrap();
    let expected = [
        "1 at 1 in 1: note 1".to_owned(),
        "2 at 2 in 1: note 2".to_owned(),
        "lost (3, 4) 8.wal 4096 +8 was torn, now Repaired".to_owned(),
        "5 at 5 in 1: note 5".to_owned(),
        "6 at 6 in 1: run-ended".to_owned(),
        format!("lost (7, 7) 2.wal {from} +{} was damage, now Repaired", to - from),
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
    let before: Vec<Vec<u8>> =
        [1, 2].map(|n| fs::read(left.session().join(format!("{n}.wal"))).unwrap()).into();
    let store = left.open();
    let name = store.find("s").unwrap();
    let repaired = store.repair(&name).unwrap();
    assert_eq!(repaired.losses.len(), 1, "what was repaired before is no loss: {:?}", repaired.losses);
    let kept = repaired.kept.unwrap();
    assert_eq!(kept, left.path().join("sessions/s.broken-3"));
    let after: Vec<Vec<u8>> = [1, 2].map(|n| fs::read(kept.join(format!("{n}.wal"))).unwrap()).into();
    assert_eq!(before, after, "the log as it was");
    // Marks stand at the end of each segment.
    let found: Vec<String> = items(&left.session()).into_iter().filter(|item| item != "mark 6").collect();
    let expected_too: Vec<String> =
        expected.iter().filter(|item| !item.starts_with("mark 7")).cloned().collect();
    let found: Vec<String> = found.into_iter().filter(|item| !item.starts_with("mark 7")).collect();
    assert_eq!(found, expected_too);
    let log = SegmentFiles::open_log(&left.session(), Reading::Whole).unwrap();
    let headers: Vec<_> =
        log.headers().map(|h| (h.number, h.run, h.run_first_segment, h.generation)).collect();
    assert_eq!(headers, [(1, 1, 1, 4), (2, 2, 2, 4)]);
    assert!(log.headers().all(|header| log.seal(header.number).is_some()));
    // It is sound now, and left alone.
    let again = store.repair(&name).unwrap();
    assert!(again.losses.is_empty() && again.kept.is_none());
    assert!(store.verify(&name).unwrap().iter().all(|loss| loss.was.is_some()));
    // Removing it takes what was kept of it, and of no other session.
    for other in ["sessions/s.broken-7", "sessions/s.rebuild", "sessions/sx.broken-7", "sessions/s.other"] {
        fs::create_dir(left.path().join(other)).unwrap();
    }
    store.remove(&name).unwrap();
    let mut rest: Vec<_> = fs::read_dir(left.path().join("sessions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    rest.sort();
    assert_eq!(rest, ["s.other", "sx.broken-7"]);
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
    let noise = |rebuild: &Path| fs::write(rebuild.join("1.wal"), [1; 5000]).unwrap();
    let cases: [(&dyn Fn(&Path), Option<&str>); 4] =
        [(&half_made, None), (&newer, None), (&older, Some("s.broken-2")), (&noise, Some("s.broken-0"))];
    for (number, (made, kept)) in cases.into_iter().enumerate() {
        let (left, expected) = damaged();
        let rebuild = left.path().join("sessions/s.rebuild");
        fs::create_dir(&rebuild).unwrap();
        made(&rebuild);
        // A name that is taken is nobody's loss.
        fs::create_dir(left.path().join("sessions/s.broken-3")).unwrap();
        let store = left.open();
        let repaired = store.repair(&store.find("s").unwrap()).unwrap();
        assert_eq!(repaired.kept, Some(left.path().join("sessions/s.broken-3-2")));
        assert!(items(&left.session()).iter().any(|item| item == expected.last().unwrap()), "case {number}");
        assert!(!rebuild.exists());
        for name in ["s.broken-2", "s.broken-0"] {
            assert_eq!(left.path().join("sessions").join(name).exists(), kept == Some(name), "case {number}");
        }
    }
}
