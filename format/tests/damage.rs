//! I3, I9, I11: whatever becomes of the sectors, pages and files of a log, its reader shows every event of which the bytes are there,
//! reports every other one of which anything knows, exactly, makes none up, and comes to an end.
//!
//! `TRACEWAL_CORRUPTIONS` sets the number of random corruptions, `TRACEWAL_SEED` replays them; `--nocapture` shows the figures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(dead_code, clippy::as_conversions, clippy::cast_possible_truncation)]

#[path = "../../tests/support/damage.rs"]
mod damage;
#[path = "../../tests/support/damage_log.rs"]
mod damage_log;
#[path = "../../tests/support/random.rs"]
mod random;
#[path = "../../tests/support/wal.rs"]
mod wal;

use std::collections::BTreeSet;

use damage::{Sound, Verdict, corrupt};
use damage_log::{BOOT, every_kind, of_session};
use random::Random;
use tracewal_format::event::Event;
use wal::{Files, rewrite_header};

const SECTOR: usize = 512;
const PAGE: usize = 4096;
const CORRUPTIONS: u64 = 10_000;

/// What happens to a log, for a failure to say.
#[derive(Debug)]
enum Harm {
    Zeroed(Place),
    /// The first over the second.
    Copied(Place, Place),
    Swapped(Place, Place),
}

/// A sector or a page: the segment's number, and the offset.
type Place = (u64, usize);

impl Harm {
    fn done_to(&self, sound: &Sound, size: usize) -> Files {
        let mut files = sound.files.clone();
        let was = |(number, at): Place| sound.files[&number][at..at + size].to_vec();
        let mut put = |(number, at): Place, bytes: &[u8]| {
            files.get_mut(&number).unwrap()[at..at + size].copy_from_slice(bytes);
        };
        match *self {
            Harm::Zeroed(place) => put(place, &vec![0; size]),
            Harm::Copied(from, to) => put(to, &was(from)),
            Harm::Swapped(one, other) => {
                put(one, &was(other));
                put(other, &was(one));
            }
        }
        files
    }
}

fn places(sound: &Sound, size: usize) -> Vec<Place> {
    let of_file = |(number, bytes): (&u64, &Vec<u8>)| {
        assert_eq!(bytes.len() % size, 0);
        (0..bytes.len()).step_by(size).map(|at| (*number, at)).collect::<Vec<_>>()
    };
    sound.files.iter().flat_map(of_file).collect()
}

/// Figures of many damaged logs.
#[derive(Debug, Default)]
struct Tally {
    logs: u64,
    shown: u64,
    reported: u64,
    unknowable: u64,
}

impl Tally {
    fn judge(&mut self, sound: &Sound, damaged: &Files, what: impl FnOnce() -> String) -> Verdict {
        let verdict = sound.judge(damaged).unwrap_or_else(|wrong| panic!("{}: {wrong}", what()));
        self.logs += 1;
        self.shown += verdict.shown;
        self.reported += verdict.reported;
        self.unknowable += verdict.unknowable;
        verdict
    }

    fn judge_harm(&mut self, sound: &Sound, harm: &Harm, size: usize) {
        self.judge(sound, &harm.done_to(sound, size), || format!("{harm:?} of {size} bytes"));
    }
}

#[test]
fn the_log_holds_every_kind_over_several_segments_and_is_read_whole() {
    let sound = every_kind();
    let kinds: BTreeSet<u8> = sound.events().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, Event::NAMES.iter().map(|(kind, _)| *kind).collect());
    assert_eq!(sound.files.len(), 4);
    assert_eq!(sound.slots(), [(1, 0, true), (1, 1, true), (1, 2, true), (1, 3, false)]);
    let verdict = sound.judge(&sound.files).unwrap();
    assert_eq!(verdict.shown, u64::try_from(sound.events().count()).unwrap());
    assert_eq!((verdict.reported, verdict.unknowable), (2, 0), "the gap");
}

#[test]
fn every_zeroed_copied_and_swapped_sector_and_page() {
    let sound = every_kind();
    for size in [SECTOR, PAGE] {
        let (mut tally, places) = (Tally::default(), places(&sound, size));
        for (at, one) in places.iter().enumerate() {
            tally.judge_harm(&sound, &Harm::Zeroed(*one), size);
            for (other_at, other) in places.iter().enumerate().filter(|(other_at, _)| *other_at != at) {
                tally.judge_harm(&sound, &Harm::Copied(*one, *other), size);
                if at < other_at {
                    tally.judge_harm(&sound, &Harm::Swapped(*one, *other), size);
                }
            }
        }
        println!("{} places of {size} bytes: {tally:?}", places.len());
        assert!(tally.reported > tally.logs, "damage that takes nothing tests nothing: {tally:?}");
    }
}

/// A crash record outranks every ending: it must not go with the word that counts it.
#[test]
fn a_crash_slot_survives_the_loss_of_its_count() {
    let sound = every_kind();
    let mut files = sound.files.clone();
    files.get_mut(&1).unwrap()[1536..2048].fill(0);
    sound.judge(&files).unwrap();
    let damaged = Sound::new(files, Vec::new());
    assert_eq!(
        damaged.slots(),
        [(1, 0, true), (1, 1, true), (1, 2, true)],
        "the one that is not valid is not known"
    );
}

#[test]
fn ten_thousand_random_corruptions() {
    let count = std::env::var("TRACEWAL_CORRUPTIONS").map_or(CORRUPTIONS, |count| count.parse().unwrap());
    let (sound, random) = (every_kind(), &mut Random::named("random corruptions"));
    let mut tally = Tally::default();
    for n in 0..count {
        let damaged = corrupt(&sound, random);
        tally.judge(&sound, &damaged, || format!("corruption {n}"));
    }
    println!("{tally:?}");
    assert!(tally.reported > 0 && tally.unknowable > 0, "{tally:?}");
}

/// A disk or a file system that gives a file blocks that were another's: old records behind the tail, where the next one would be.
#[test]
fn stale_records_behind_the_tail_stay_dead() {
    let sound = every_kind();
    let others = of_session(8, 900);
    let mut tally = Tally::default();
    for number in sound.files.keys() {
        let (_, end) = sound.records(*number);
        for stale in sound.files.values().chain(others.files.values()) {
            // From the place at which the next record would be, as an earlier use of the same blocks had them there; and its records from
            // their first on.
            let tails = [&stale[end.min(stale.len())..], &stale[PAGE..]];
            for (tail, shift) in tails.iter().flat_map(|tail| [0, 8, 24].map(|shift| (tail, shift))) {
                let mut files = sound.files.clone();
                let file = files.get_mut(number).unwrap();
                for (to, from) in file[end + shift..].iter_mut().zip(*tail) {
                    *to = *from;
                }
                let verdict = tally.judge(&sound, &files, || format!("behind {number}.wal at +{shift}"));
                assert_eq!((verdict.reported, verdict.unknowable), (2, 0), "nothing is lost by it");
            }
        }
    }
    println!("{tally:?}");
}

/// Each file in the place of each other, of this session and of others, and each one missing or there twice.
#[test]
fn files_of_other_stores_and_sessions_swapped_doubled_and_missing() {
    let sound = every_kind();
    let mut tally = Tally::default();
    let mut judge = |what: &str, change: &dyn Fn(&mut Files)| {
        let mut files = sound.files.clone();
        change(&mut files);
        tally.judge(&sound, &files, || what.to_owned())
    };
    for others in [of_session(8, 900), of_session(9, 100)] {
        for (number, foreign) in &others.files {
            for at in 1..=6 {
                let verdict = judge("a foreign file", &|files| drop(files.insert(at, foreign.clone())));
                let is_whole = (verdict.reported, verdict.unknowable) == (2, 0);
                assert_eq!(is_whole, at > 4, "{number}.wal of another as {at}.wal");
            }
        }
    }
    let numbers: Vec<u64> = sound.files.keys().copied().collect();
    for one in &numbers {
        judge("missing", &|files| drop(files.remove(one)));
        judge("empty", &|files| drop(files.insert(*one, Vec::new())));
        judge("renamed far away", &|files| {
            let file = files.remove(one).unwrap();
            files.insert(u64::MAX - 1, file);
        });
        for other in 1..=9 {
            if one != &other {
                judge("there twice", &|files| drop(files.insert(other, files[one].clone())));
            }
            if one < &other && other <= 4 {
                judge("swapped", &|files| {
                    let (a, b) = (files[one].clone(), files[&other].clone());
                    files.extend([(*one, b), (other, a)]);
                });
                judge("both missing", &|files| files.retain(|number, _| number != one && *number != other));
            }
        }
    }
    let missing = judge("the last is missing", &|files| drop(files.remove(&4)));
    assert!(missing.unknowable > 0, "nothing in the other files knows of the last one");
    println!("{tally:?}");
}

/// Section 4: unknown compatible bits are ignored; with an incompatible one, a version, codec or cipher that is not known, the segment's
/// events are not readable by this version, and everything else is.
#[test]
fn a_segment_of_a_newer_version() {
    let sound = every_kind();
    let mut tally = Tally::default();
    let whole = sound.judge(&sound.files).unwrap();
    for number in sound.files.keys() {
        for (field, is_read) in
            [(8, false), (16, false), (19, false), (136, false), (137, false), (12, true), (15, true)]
        {
            let mut files = sound.files.clone();
            rewrite_header(files.get_mut(number).unwrap(), field, if field == 8 { 2 } else { 0x80 });
            let verdict = tally.judge(&sound, &files, || format!("byte {field} of {number}.wal"));
            assert_eq!(verdict.shown == whole.shown, is_read, "byte {field} of {number}.wal");
            let (shown, all) =
                (verdict.shown + verdict.reported + verdict.unknowable, whole.shown + whole.reported);
            assert_eq!(shown, all);
        }
    }
    println!("{tally:?}");
}

/// The oracle would see a reader that is wrong: each of these logs is judged by what another one was.
#[test]
fn the_oracle_tells_one_log_from_another() {
    let (sound, damaged) = (every_kind(), &mut every_kind());
    let sealed = damaged.files.get_mut(&2).unwrap();
    // The last byte of the last body: the event goes, and with it what the reader says.
    let (_, end) = sound.records(2);
    sealed[end - 40] ^= 1;
    let expected = Sound::new(damaged.files.clone(), Vec::new());
    assert!(sound.judge(&damaged.files).is_ok());
    let wrong = expected.judge(&damaged.files).unwrap_err();
    assert!(wrong.contains("not shown"), "{wrong}");
    let other = of_session(7, BOOT as u64);
    assert!(sound.judge(&other.files).is_err());
}
