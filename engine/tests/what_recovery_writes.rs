//! SPEC.md section 10: what recovery makes of each log that a dead writer can leave, and what it clears away.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod left;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use left::{BASE_NS, DEAD, Left, UID, boot, header, items, ms, notes, run_ended, segment, slot};
use tracewal_engine::{Error, Gate, Options, SegmentFiles, Step};
use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::{Crashed, EndStatus, Event, FoundBy, Gap, Note, SessionEnded};
use tracewal_format::log::{Item, Reading};
use tracewal_format::record;
use tracewal_format::segment::{Header, SlotState};

const VANISHED: &str = "signal \"\" run 1 slot None pid 4711 found by Recovery";

#[test]
fn a_run_without_an_ending_gets_a_crash_record_and_what_no_mark_covers_is_copied() {
    for durable in 0..=4 {
        let mut one = segment(1, 1, 1, 1);
        notes(&mut one, 4);
        if durable > 0 {
            one.durable_mark(durable);
        }
        let left = Left::new([one.finish(512)]);
        let (items, header) = left.recovered();
        let mut expected: Vec<String> = (1..=4).map(|n| format!("{n} at {n} in 1: note {n}")).collect();
        if durable == 4 {
            expected.push("mark 4".to_owned());
        }
        expected.push(format!("5 at 4 in 1: crashed: process vanished {VANISHED}"));
        expected.push("mark 5".to_owned());
        assert_eq!(items, expected, "durable through {durable}");
        assert_eq!((header.number, header.first_seq, header.boot_id), (2, durable + 1, boot()));
        assert_eq!((header.run, header.run_first_segment, header.generation), (1, 1, 3));
        assert_eq!(header.wall_base_ns, BASE_NS + 4_000_000, "the time of the last event");
        assert_eq!((header.session_uid, header.monotonic_base_ns), (UID, 0));
        assert!(header.writer != DEAD && header.salt != 101);
        let log = SegmentFiles::open_log(&left.session(), Reading::Whole).unwrap();
        let seal = log.seal(2).unwrap();
        assert_eq!((seal.last_seq, seal.count), (5, 5 - durable));
        // There is nothing to be done again.
        assert_eq!(left.recovered().0, expected);
        assert!(!left.session().join("3.wal").exists());
    }
}

#[test]
fn a_run_that_has_an_ending_or_a_crash_record_gets_none() {
    let ends: [(Event<'static>, bool); 5] = [
        (run_ended(), true),
        (SessionEnded::new(EndStatus::Completed).into(), true),
        (Crashed { found_by: Some(FoundBy::Caller), ..Crashed::new("r") }.into(), true),
        (Crashed { run: Some(1), found_by: Some(FoundBy::Caller), ..Crashed::new("r") }.into(), true),
        // About another run.
        (Crashed { run: Some(9), found_by: Some(FoundBy::Caller), ..Crashed::new("r") }.into(), false),
    ];
    for (end, is_ending) in ends {
        for covered in [false, true] {
            let mut one = segment(1, 1, 1, 1);
            notes(&mut one, 2);
            one.event(ms(3), &end);
            if covered {
                one.durable_mark(3);
            }
            let left = Left::new([one.finish(512)]);
            let store = left.open();
            assert_eq!(store.health().failed_recoveries, vec![]);
            let mut log = SegmentFiles::open_log(&left.session(), Reading::Whole).unwrap();
            let mut vanished = 0;
            while let Some(item) = log.next().unwrap() {
                if let Item::Event(entry) = item
                    && let Some(Ok(Event::Crashed(crashed))) = entry.event()
                {
                    vanished += usize::from(crashed.reason == "process vanished");
                }
            }
            assert_eq!(vanished, usize::from(!is_ending), "{end:?}");
            assert_eq!(log.next_seq(), if is_ending { 4 } else { 5 }, "{end:?}");
            assert_eq!(log.durable(), log.next_seq() - 1);
            assert_eq!(left.session().join("2.wal").exists(), !(is_ending && covered), "{end:?}, {covered}");
        }
    }
}

#[test]
fn the_reason_says_what_is_known() {
    let cases: [(u128, bool, &str); 5] = [
        (boot(), false, "process vanished"),
        (0, false, "process vanished"),
        (5, false, "machine restarted"),
        (boot(), true, "sync failed"),
        (5, true, "sync failed"),
    ];
    for (boot_id, poisoned, reason) in cases {
        let mut one = SegmentBuilder::new(Header { pid: 0, ..header(1, 1, 1, 1, boot_id) });
        notes(&mut one, 1);
        if poisoned {
            one.body(ms(1), record::POISON, 0, &1_u64.to_le_bytes());
        }
        let (items, header) = Left::new([one.finish(64)]).recovered();
        assert_eq!(header.boot_id, boot(), "the segment is of this boot");
        let expected =
            format!("2 at 1 in 1: crashed: {reason} signal \"\" run 1 slot None pid 0 found by Recovery");
        assert!(items.contains(&expected), "{items:?}");
    }
}

#[test]
fn slots_become_crash_records_and_a_named_one_is_not_told_again() {
    let crashes = |one: &mut SegmentBuilder| {
        one.slot(&slot("boom", 11, SlotState::Crash, BASE_NS + 9_000_000));
        one.slot(&slot("", 2, SlotState::Pending, 0));
        one.slot(&slot("", 6, SlotState::Crash, 0)).claim();
    };
    let told = |seq: u64, at: i64, what: &str, slot: u32, pid: u32, by: &str| {
        format!("{seq} at {at} in 1: crashed: {what} run 1 slot Some({slot}) pid {pid} told by {by}")
    };
    for has_ending in [false, true] {
        let mut one = segment(1, 1, 1, 1);
        notes(&mut one, 1);
        one.event(ms(2), &if has_ending { run_ended() } else { Note::new("note 2").into() });
        crashes(&mut one);
        let (items, _) = Left::new([one.finish(64)]).recovered();
        let expected = [
            told(3, 9, "boom signal \"SIGSEGV\"", 0, 4712, "PanicHook"),
            told(4, 2, "SIGABRT signal \"SIGABRT\"", 2, 4712, "PanicHook"),
            told(5, 2, "unknown signal \"\"", 3, 0, "Handler"),
        ];
        assert_eq!(items[2..5], expected);
        // The pending one is evidence still: nothing names it.
        assert_eq!(items[5..], ["mark 5", "slot 1"]);
    }
    let mut one = segment(1, 1, 1, 1);
    notes(&mut one, 1);
    crashes(&mut one);
    for named in [0, 2] {
        let named = Crashed {
            run: Some(1),
            slot: Some(named),
            found_by: Some(FoundBy::Recovery),
            ..Crashed::new("r")
        };
        one.event(ms(2), &named.into());
    }
    let (items, _) = Left::new([one.finish(64)]).recovered();
    assert_eq!(
        items[3..],
        [told(4, 2, "unknown signal \"\"", 3, 0, "Handler"), "mark 4".into(), "slot 1".into()]
    );
}

#[test]
fn a_pending_signal_is_the_reason_when_nothing_else_is_known() {
    for has_ending in [false, true] {
        let mut one = segment(1, 1, 1, 1);
        notes(&mut one, 1);
        if has_ending {
            one.event(ms(2), &run_ended());
        }
        one.slot(&slot("", 0, SlotState::Pending, 0)).slot(&slot(
            "",
            15,
            SlotState::Pending,
            BASE_NS + 5_000_000,
        ));
        let (items, _) = Left::new([one.finish(64)]).recovered();
        let crash = items.iter().find(|item| item.contains("crashed"));
        let expected =
            "2 at 1 in 1: crashed: SIGTERM signal \"SIGTERM\" run 1 slot Some(1) pid 4711 found by Recovery";
        assert_eq!(crash.map(String::as_str), (!has_ending).then_some(expected));
    }
}

/// Only the last run is looked at, from its first segment; the ones before were recovered before it began.
#[test]
fn the_runs_before_the_last_are_not_touched() {
    let mut one = segment(1, 1, 1, 1);
    notes(&mut one, 3);
    one.slot(&slot("of run 1", 11, SlotState::Crash, 0));
    let mut two = segment(2, 4, 2, 2);
    notes(&mut two, 2);
    let mut three = segment(3, 6, 2, 2);
    notes(&mut three, 2);
    let left = Left::new([one.seal().clone().finish(64), two.seal().clone().finish(64), three.finish(64)]);
    let (items, header) = left.recovered();
    assert_eq!((header.number, header.run, header.run_first_segment, header.first_seq), (4, 2, 2, 4));
    let notes = (1..=7).map(|n| format!("{n} at {n} in {}: note {n}", 1 + u32::from(n > 3)));
    let crash =
        "8 at 7 in 2: crashed: process vanished signal \"\" run 2 slot None pid 4711 found by Recovery";
    let expected: Vec<String> = notes.chain([crash, "mark 8", "slot 0"].map(str::to_owned)).collect();
    assert_eq!(items, expected);
}

/// Nobody writes such a log; still, what another run says of itself is not said of the last.
#[test]
fn an_ending_of_another_run_is_not_that_of_the_last() {
    let mut files = Vec::new();
    for (number, run) in [(1, 5), (2, 3), (3, 5)] {
        let mut segment = segment(number, number * 2 - 1, run, number);
        notes(&mut segment, 1);
        let end = if run == 3 { run_ended() } else { Note::new("open").into() };
        files.push(segment.event(ms(9), &end).clone().finish(64));
    }
    let (items, _) = Left::new(files).recovered();
    let crash =
        "7 at 9 in 5: crashed: process vanished signal \"\" run 5 slot None pid 4711 found by Recovery";
    assert_eq!(items[items.len() - 2..], [crash, "mark 7"]);
}

#[test]
fn losses_above_the_mark_stay_told_and_after_a_power_cut_they_are_unsynced() {
    for (boot_id, kind) in [(boot(), "Damage"), (5, "Unsynced")] {
        let mut one = SegmentBuilder::new(header(1, 1, 1, 1, boot_id));
        notes(&mut one, 2);
        one.durable_mark(2);
        notes(&mut one, 1);
        let from = usize::try_from(one.end()).unwrap();
        notes(&mut one, 2);
        let to = usize::try_from(one.end()).unwrap();
        notes(&mut one, 1);
        let mut bytes = one.finish(64);
        bytes[from..to].fill(0xEE);
        let left = Left::new([bytes]);
        let (items, header) = left.recovered();
        assert_eq!(header.first_seq, 3);
        let lost = format!("lost (4, 5) 1.wal {from} +{} {kind}", to - from);
        let reason = if boot_id == 5 { "machine restarted" } else { "process vanished" };
        let expected = [
            "1 at 1 in 1: note 1".to_owned(),
            "2 at 2 in 1: note 2".to_owned(),
            "mark 2".to_owned(),
            "3 at 3 in 1: note 3".to_owned(),
            lost,
            "6 at 6 in 1: note 6".to_owned(),
            format!("7 at 6 in 1: crashed: {reason} {VANISHED}"),
            "mark 7".to_owned(),
        ];
        assert_eq!(items, expected);
    }
}

/// What a mark covers had been synced: that is not what a power cut takes.
#[test]
fn a_loss_that_begins_below_the_mark_is_damage_also_after_a_power_cut() {
    let mut one = SegmentBuilder::new(header(1, 1, 1, 1, 5));
    notes(&mut one, 2);
    let from = usize::try_from(one.end()).unwrap();
    notes(&mut one, 2);
    let to = usize::try_from(one.end()).unwrap();
    one.durable_mark(3);
    one.body(ms(5), 13, record::REDACTED, b"\0\x01r");
    let mut bytes = one.finish(64);
    bytes[from..to].fill(0xEE);
    let (items, _) = Left::new([bytes]).recovered();
    let place = format!("1.wal {from} +{} Damage", to - from);
    assert_eq!(
        items[2..5],
        [
            format!("lost (3, 3) {place}"),
            format!("lost (4, 4) {place}"),
            "5 at 5 in 1: r (redacted)".to_owned(),
        ]
    );
}

/// A loss that a mark reaches into is told in two parts: below the mark where it is, above it in the copy. A place without a number is told
/// in the copy, when that hides it.
#[test]
fn losses_at_and_below_the_mark() {
    let mut one = segment(1, 1, 1, 1);
    notes(&mut one, 1);
    let from = usize::try_from(one.end()).unwrap();
    notes(&mut one, 4);
    let to = usize::try_from(one.end()).unwrap();
    one.durable_mark(3);
    notes(&mut one, 2);
    let end = usize::try_from(one.end()).unwrap();
    let mut bytes = one.finish(512);
    bytes[from..to].fill(0xEE);
    bytes[end..end + 20].fill(7);
    let left = Left::new([bytes]);
    let store = left.open();
    assert_eq!(store.health().losses.len(), 2, "{:?}", store.health().losses);
    let place = format!("1.wal {from} +{} Damage", to - from);
    let expected = [
        "1 at 1 in 1: note 1".to_owned(),
        format!("lost (2, 3) {place}"),
        format!("lost (4, 5) {place}"),
        "6 at 6 in 1: note 6".to_owned(),
        "7 at 7 in 1: note 7".to_owned(),
        format!("lost (0, 0) 1.wal {end} +24 Torn"),
        format!("8 at 7 in 1: crashed: process vanished {VANISHED}"),
        "mark 8".to_owned(),
    ];
    assert_eq!(items(&left.session()), expected);
}

/// A loss that the copy does not hide is told where it is, and once.
#[test]
fn losses_that_stay_in_sight_are_not_told_again() {
    for damaged in [1..2, 1..3] {
        let (mut one, mut offsets) = (segment(1, 1, 1, 1), Vec::new());
        for _ in 0..3 {
            offsets.push(usize::try_from(one.end()).unwrap());
            notes(&mut one, 1);
        }
        let end = usize::try_from(one.end()).unwrap();
        one.durable_mark(3);
        notes(&mut one, 1);
        let mut bytes = one.finish(64);
        offsets.push(end);
        bytes[offsets[damaged.start]..offsets[damaged.end]].fill(0xEE);
        let (items, _) = Left::new([bytes]).recovered();
        let lost: Vec<&String> = items.iter().filter(|item| item.starts_with("lost")).collect();
        assert_eq!(lost.len(), 1, "{items:#?}");
        assert!(lost[0].starts_with(&format!("lost (2, {}) 1.wal", damaged.end)), "{items:#?}");
    }
    // A cut-off append behind the last event, which a mark covers: nothing is copied that would hide it.
    let mut one = segment(1, 1, 1, 1);
    notes(&mut one, 2);
    one.durable_mark(2);
    let end = usize::try_from(one.end()).unwrap();
    let mut bytes = one.finish(512);
    bytes[end..end + 8].fill(7);
    let (items, _) = Left::new([bytes]).recovered();
    let lost: Vec<&String> = items.iter().filter(|item| item.starts_with("lost")).collect();
    assert_eq!(lost, [&format!("lost (0, 0) 1.wal {end} +8 Torn")]);
}

#[test]
fn a_gap_is_copied_with_what_it_was() {
    let mut one = segment(1, 1, 1, 1);
    notes(&mut one, 1);
    one.gap(&Gap {
        was: Some("torn".into()),
        ..Gap::new(2_u64, 3_u64, "9.wal", 4096_u64, 8_u64, "repaired")
    });
    notes(&mut one, 1);
    let (items, header) = Left::new([one.finish(64)]).recovered();
    assert_eq!(header.first_seq, 1);
    let expected =
        ["1 at 1 in 1: note 1", "lost (2, 3) 9.wal 4096 +8 was torn, now Repaired", "4 at 4 in 1: note 4"];
    assert_eq!(items[..3], expected);
}

/// Resuming recovers first, and goes on behind what recovery wrote.
#[test]
fn a_run_that_resumes_goes_on_behind_the_copy() {
    let mut one = segment(1, 1, 1, 1);
    notes(&mut one, 2);
    let left = Left::new([one.finish(64)]);
    let store = Options::without_views().recover(false).open(left.path()).unwrap();
    let session = store.session("s").resume().unwrap();
    assert_eq!((session.run(), session.append(Note::new("more")).unwrap()), (2, 5));
    session.complete().unwrap();
    let log = SegmentFiles::open_log(&left.session(), Reading::Whole).unwrap();
    let headers: Vec<_> = log.headers().map(|header| (header.number, header.run, header.first_seq)).collect();
    assert_eq!(headers, [(1, 1, 1), (2, 1, 1), (3, 2, 4)]);
    assert!(items(&left.session()).iter().any(|item| item.ends_with(" in 2: more")));
}

#[test]
fn a_log_that_cannot_be_read_goes_only_when_a_power_cut_took_it() {
    // Nothing at all, and no entry that says of which boot it was.
    let left = Left::new([vec![0; 8192]]);
    drop(left.open());
    assert!(!left.session().exists() && !left.owner().exists());
    // There is something: it stays, and shows as damage.
    let left = Left::new([vec![0xA5; 8192]]);
    let store = left.open();
    assert!(left.session().join("1.wal").exists() && !left.owner().exists());
    assert_eq!(store.health().failed_recoveries, vec![]);
    assert_eq!(store.health().losses.len(), 1);
    // A newer version wrote it.
    let mut bytes = segment(1, 1, 1, 1).finish(64);
    for at in [0, 1024] {
        bytes[at + 16] = 1;
        let checksum = tracewal_format::checksum::crc(&bytes[at..at + 508]);
        bytes[at + 508..at + 512].copy_from_slice(&checksum.to_le_bytes());
    }
    let left = Left::new([bytes]);
    let store = left.open();
    assert_eq!(store.health().failed_recoveries.len(), 1);
    assert!(left.session().exists() && left.owner().exists());
    let name = store.find("s").unwrap();
    assert!(matches!(store.session(name.id()).resume(), Err(Error::TooNew { .. })));
    assert!(matches!(store.repair(&name), Err(Error::TooNew { .. })));
    // And so it is when only a part of the log is of a newer version.
    let left = Left::new([fs::read(left.session().join("1.wal")).unwrap(), {
        let mut two = segment(2, 2, 1, 1);
        notes(&mut two, 1);
        two.finish(64)
    }]);
    let store = left.open();
    assert_eq!(store.health().failed_recoveries.len(), 1);
    assert!(left.owner().exists());
    let name = store.find("s").unwrap();
    assert!(matches!(store.session(name.id()).resume(), Err(Error::TooNew { .. })));
    assert!(matches!(store.repair(&name), Err(Error::TooNew { .. })));
    assert!(!left.session().join("3.wal").exists(), "nothing is written behind it");
    // Killed before there was a session.
    let left = Left::new([]);
    fs::remove_dir(left.session()).unwrap();
    drop(left.open());
    assert!(!left.owner().exists());
}

/// On the same boot pages do not vanish: somebody took them, and the rest is not recovery's to take.
#[test]
fn a_log_with_nothing_in_it_stays_on_the_same_boot() {
    let here = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for (boot, stays) in [(here.trim(), true), ("00000000-0000-0000-0000-000000000005", false)] {
        let left = Left::new([vec![0; 8192]]);
        left.owned_since(boot);
        let store = left.open();
        assert_eq!(store.health().failed_recoveries.len(), usize::from(stays), "{boot}");
        assert_eq!((left.session().exists(), left.owner().exists()), (stays, false), "{boot}");
    }
}

/// Whoever appends to a session that nobody owns says first that it is his: if he does not come to write the view, the next one does.
#[test]
fn a_session_without_an_owner_is_owned_before_it_is_recovered() {
    let mut one = segment(1, 1, 1, 1);
    notes(&mut one, 2);
    let left = Left::new([one.finish(64)]);
    fs::remove_file(left.owner()).unwrap();
    let gate = Arc::new(OwnerAtTheTail { owner: left.owner(), seen: Mutex::default() });
    let store = Options::without_views().gate(gate.clone()).open(left.path()).unwrap();
    assert_eq!(items(&left.session()).len(), 2, "nobody owns it, so opening leaves it alone");
    store.recover_session(&store.find("s").unwrap()).unwrap();
    let owned = gate.seen.lock().unwrap();
    assert_eq!(owned.len(), 1);
    let expected = format!("session {UID:032x}\nrun 1\npid {}\n", std::process::id());
    assert!(owned[0].contains(&expected), "{}", owned[0]);
}

/// Looks at the owner entry when recovery's segment is made.
struct OwnerAtTheTail {
    owner: PathBuf,
    seen: Mutex<Vec<String>>,
}

impl Gate for OwnerAtTheTail {
    fn before(&self, step: Step<'_>) -> std::io::Result<()> {
        if matches!(step, Step::Create(path) if path.ends_with("2.wal.tmp")) {
            self.seen.lock().unwrap().push(fs::read_to_string(&self.owner).unwrap_or_default());
        }
        Ok(())
    }
}

/// What nobody owns is cleared away, and nothing else.
#[test]
fn what_dead_writers_left_half_made_is_cleared_away() {
    let left = Left::new([]);
    fs::remove_dir(left.session()).unwrap();
    fs::remove_file(left.owner()).unwrap();
    let at = |name: &str| left.path().join(name);
    let store = left.open();
    let mine =
        fs::read_dir(at("writers")).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    let id = |n: u128| format!("{n:032x}");
    let gone = [format!("sessions/.new-{}-1", id(1)), format!("writers/{}", id(2)), "trash/s-1".to_owned()];
    let stays = [
        format!("sessions/.new-{mine}-1"),
        "sessions/.new-".to_owned(),
        "sessions/s.broken-1".to_owned(),
        format!("writers/{}.tmp", id(3)),
        "writers/not hexadecimal".to_owned(),
    ];
    for name in gone.iter().chain(&stays) {
        if name.starts_with("writers") {
            fs::write(at(name), "x").unwrap();
        } else {
            fs::create_dir_all(at(name).join("inside")).unwrap();
        }
    }
    store.recover().unwrap();
    for name in &gone {
        assert!(!at(name).exists(), "{name} is nobody's");
    }
    for name in &stays {
        assert!(at(name).exists(), "{name} is not ours to remove");
    }
    // An old temporary name is left over from a writer that died while it was coming.
    let coming = fs::File::open(at(&stays[3])).unwrap();
    coming.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(61)).unwrap();
    drop(coming);
    store.recover().unwrap();
    assert!(!at(&stays[3]).exists());
    assert!(at(&format!("writers/{mine}")).exists());
}
