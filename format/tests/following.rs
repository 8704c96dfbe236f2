//! A log that is followed while it is written, and looked into by place: what a reader is told at each step.
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

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use damage::Sound;
use damage_log::every_kind;
use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::{FoundBy, Note};
use tracewal_format::log::{Item, LogReader, LogSource, Memory, Reading};
use tracewal_format::segment::{Header, Slot, SlotState};
use tracewal_format::time::Time;
use wal::{Files, Segment, rewrite_header};

/// Files that somebody else writes to.
#[derive(Clone, Debug, Default)]
struct Shared {
    files: Rc<RefCell<Files>>,
    selected: u64,
    read: Vec<u8>,
}

impl LogSource for Shared {
    type Error = Infallible;

    fn segments(&mut self) -> Result<Vec<u64>, Infallible> {
        Ok(self.files.borrow().keys().copied().collect())
    }

    fn select(&mut self, number: u64) -> Result<Option<u64>, Infallible> {
        self.selected = number;
        Ok(self.files.borrow().get(&number).map(|bytes| u64::try_from(bytes.len()).unwrap()))
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<&[u8], Infallible> {
        let files = self.files.borrow();
        let rest = files.get(&self.selected).and_then(|bytes| bytes.get(usize::try_from(offset).unwrap()..));
        let rest = rest.unwrap_or_default();
        self.read = rest[..len.min(rest.len())].to_vec();
        Ok(&self.read)
    }
}

/// What is new: the numbers of events, and how many losses and crash slots.
fn news<S: LogSource<Error = Infallible>>(log: &mut LogReader<S>) -> (Vec<u64>, usize, usize) {
    let (mut events, mut losses, mut slots) = (Vec::new(), 0, 0);
    loop {
        match log.next() {
            Ok(None) => return (events, losses, slots),
            Ok(Some(Item::Event(entry))) => events.push(entry.seq),
            Ok(Some(Item::Loss(_))) => losses += 1,
            Ok(Some(Item::Slot(_))) => slots += 1,
            Ok(Some(_)) => {}
        }
    }
}

fn memory(sound: &Sound) -> Memory<'_> {
    Memory::new(sound.files.iter().map(|(number, bytes)| (*number, bytes.as_slice())).collect())
}

#[test]
fn what_is_known_of_the_segments_and_of_the_end() {
    let sound = every_kind();
    let segments: Vec<Segment> =
        sound.files.iter().map(|(number, bytes)| Segment::walk(*number, bytes)).collect();
    let Ok(mut log) = LogReader::new(memory(&sound), Reading::Whole);
    let headers: Vec<_> = log.headers().map(|header| (header.number, header.run, header.first_seq)).collect();
    let expected: Vec<_> = segments.iter().map(|s| (s.number, s.run, s.first_seq)).collect();
    assert_eq!(headers, expected);
    for segment in &segments {
        assert_eq!(log.seal(segment.number).map(|seal| seal.last_seq), segment.sealed, "{}", segment.number);
    }
    let is_sealed: Vec<bool> = segments.iter().map(|segment| segment.sealed.is_some()).collect();
    assert_eq!(is_sealed, [true, true, false, false]);
    assert_eq!((log.seal(9), log.last_segment(), log.next_seq(), log.durable()), (None, 4, 1, 0));
    news(&mut log);
    let last = sound.events().map(|(seq, ..)| seq).max().unwrap();
    let marks = segments.iter().flat_map(|segment| &segment.records).filter_map(|record| record.mark);
    assert_eq!((log.next_seq(), log.durable()), (last + 1, marks.max().unwrap()));
    assert_eq!(log.too_new(), None);
    let mut newer = sound.files.clone();
    for number in [2, 3] {
        rewrite_header(newer.get_mut(&number).unwrap(), 16, 1);
    }
    let shared = Shared { files: Rc::new(RefCell::new(newer)), ..Shared::default() };
    let Ok(log) = LogReader::new(shared, Reading::Whole);
    assert_eq!((log.too_new(), log.headers().count()), (Some(2), 2));
    let Ok(empty) = LogReader::new(Memory::default(), Reading::Whole);
    assert_eq!((empty.last_segment(), empty.headers().count()), (0, 0));
}

#[test]
fn records_of_the_log_itself_are_told_as_what_they_are() {
    let sound = every_kind();
    let Ok(mut log) = LogReader::new(memory(&sound), Reading::Whole);
    let (mut marks, mut poisons) = (Vec::new(), Vec::new());
    while let Ok(Some(item)) = log.next() {
        match item {
            Item::DurableMark(mark) => marks.push(mark),
            Item::Poison(through) => poisons.push(through),
            Item::LogRecord(entry) => panic!("{entry:?}"),
            Item::Event(_) | Item::Loss(_) | Item::Slot(_) => {}
        }
    }
    let segments = sound.files.iter().map(|(number, bytes)| Segment::walk(*number, bytes));
    let expected: Vec<u64> = segments.flat_map(|s| s.records).filter_map(|record| record.mark).collect();
    assert_eq!((marks, poisons), (expected, vec![3]));
}

/// Every record becomes visible by its publish word; until then there is nothing, and behind the last there is no damage.
#[test]
fn each_record_is_told_once_when_it_is_published() {
    let sound = every_kind();
    let shared = Shared::default();
    let mut log = None;
    for (number, bytes) in &sound.files {
        let segment = Segment::walk(*number, bytes);
        // It is sealed when the next one is there.
        let mut written = bytes.clone();
        written[512..576].fill(0);
        written[4096..].fill(0);
        shared.files.borrow_mut().insert(*number, written);
        let log = log.get_or_insert_with(|| {
            let Ok(log) = LogReader::new(shared.clone(), Reading::Live);
            log
        });
        for record in &segment.records {
            let put = |from: usize, to: usize| {
                shared.files.borrow_mut().get_mut(number).unwrap()[from..to]
                    .copy_from_slice(&bytes[from..to]);
            };
            put(record.start + 8, record.end);
            let Ok(()) = log.refresh();
            let (events, losses, _) = news(log);
            assert_eq!((events, losses), (vec![], 0), "before {record:?} of {number} is published");
            put(record.start, record.start + 8);
            let Ok(()) = log.refresh();
            let (events, losses, slots) = news(log);
            let expected: Vec<u64> = record.is_event().then_some(record.seq).into_iter().collect();
            // The gap is a loss that the log itself speaks of.
            assert_eq!(
                (events, losses),
                (expected, usize::from(record.kind == 241)),
                "{record:?} of {number}"
            );
            assert_eq!(slots > 0, *number < 5, "each time what the slots say");
            if record.is_event() {
                assert_eq!(log.next_seq(), record.seq + 1);
            }
        }
        shared.files.borrow_mut().insert(*number, bytes.clone());
    }
    let mut log = log.unwrap();
    let Ok(()) = log.refresh();
    assert!(news(&mut log).0.is_empty());
}

/// A record that is there by half, or damaged, is the end for now, and told when it is whole; damage in front of the last segment is told.
#[test]
fn what_does_not_check_at_a_live_end_is_not_there_yet() {
    let sound = every_kind();
    let segment = Segment::walk(4, &sound.files[&4]);
    let record = segment.records.iter().rfind(|record| record.is_event()).unwrap();
    for at in [record.start, record.start + 20, record.end - 1] {
        let shared = Shared { files: Rc::new(RefCell::new(sound.files.clone())), ..Shared::default() };
        let flip = || shared.files.borrow_mut().get_mut(&4).unwrap()[at] ^= 1;
        flip();
        let Ok(mut log) = LogReader::new(shared.clone(), Reading::Live);
        let (events, losses, _) = news(&mut log);
        assert_eq!((events.last(), losses), (Some(&(record.seq - 1)), 1), "the gap alone");
        let Ok(()) = log.refresh();
        assert!(news(&mut log).0.is_empty());
        flip();
        let Ok(()) = log.refresh();
        assert_eq!(news(&mut log).0, vec![record.seq]);
    }
    let shared = Shared { files: Rc::new(RefCell::new(sound.files.clone())), ..Shared::default() };
    let last = Segment::walk(3, &sound.files[&3]).records.pop().unwrap();
    shared.files.borrow_mut().get_mut(&3).unwrap()[last.start + 20] ^= 1;
    let Ok(mut log) = LogReader::new(shared, Reading::Live);
    let (events, losses, _) = news(&mut log);
    assert!(!events.contains(&last.seq) && events.contains(&(last.seq + 1)));
    assert_eq!(losses, 2, "that, and the gap");
}

/// A reader that has come to the end of a segment goes on in one of which a higher number comes first, and in a log that was empty.
#[test]
fn segments_that_come_while_the_log_is_followed() {
    let sound = every_kind();
    let shared = Shared::default();
    let Ok(mut log) = LogReader::new(shared.clone(), Reading::Live);
    assert_eq!(news(&mut log), (vec![], 0, 0));
    let mut told = Vec::new();
    for (number, bytes) in &sound.files {
        shared.files.borrow_mut().insert(*number, bytes.clone());
        let Ok(()) = log.refresh();
        assert_eq!(log.last_segment(), *number);
        told.extend(news(&mut log).0);
    }
    let expected: Vec<u64> = sound.events().map(|(seq, ..)| seq).collect();
    assert_eq!(told, expected);
}

/// Recovery copies what no mark covers into a new segment. Who has been told it is not told again, nor that it is damage.
#[test]
fn what_recovery_has_copied_is_not_told_again() {
    let segment = |number: u64, first_seq: u64| {
        SegmentBuilder::new(Header { number, first_seq, salt: number, ..header_of_a_run() })
    };
    let mut one = segment(1, 1);
    let note = |segment: &mut SegmentBuilder| {
        let name = format!("note {}", segment.next_seq());
        segment.event(Time::from_ms(1), &Note::new(name).into());
    };
    (0..5).for_each(|_| note(&mut one));
    for durable in 0..5 {
        let mut copy = segment(2, durable + 1);
        (durable..7).for_each(|_| note(&mut copy));
        let shared = Shared::default();
        shared.files.borrow_mut().insert(1, one.clone().finish(256));
        let Ok(mut log) = LogReader::new(shared.clone(), Reading::Live);
        assert_eq!(news(&mut log), ((1..=5).collect(), 0, 0));
        shared.files.borrow_mut().insert(2, copy.clone().finish(256));
        let Ok(()) = log.refresh();
        assert_eq!(news(&mut log), (vec![6, 7], 0, 0), "durable through {durable}");
        // Who begins with it is told everything once, too.
        let Ok(mut log) = LogReader::new(shared.clone(), Reading::Whole);
        assert_eq!(news(&mut log), ((1..=7).collect(), 0, 0));
        // A copy whose numbers had been told before, by nobody's refresh, is damage: each of its records is one place.
        let overtaken = segment(3, 4).clone();
        let mut overtaken = overtaken;
        (0..2).for_each(|_| note(&mut overtaken));
        let mut behind = segment(4, 8);
        note(&mut behind);
        for (number, segment) in [(3, overtaken), (4, behind)] {
            shared.files.borrow_mut().insert(number, segment.finish(256));
        }
        let Ok(mut log) = LogReader::new(shared, Reading::Whole);
        let mut places = Vec::new();
        while let Ok(Some(item)) = log.next() {
            if let Item::Loss(loss) = item {
                places.push((loss.file, loss.offset, loss.length, loss.missing));
            }
        }
        // The third one begins where the copies of it end, so those behind it are gone: 6 and 7.
        assert_eq!(places, [("4.wal".to_owned(), 4096, 0, Some((6, 7)))]);
    }
}

/// SPEC.md section 7: a slot without a time has that of the last event of its run, or else of the segment's wall base.
#[test]
fn a_slot_has_the_time_of_the_last_event_of_its_run() {
    let slot = || Slot {
        found_by: FoundBy::Handler,
        state: SlotState::Crash,
        signal: 11,
        signal_code: 0,
        pid: 1,
        tid: 1,
        address: 0,
        time_ns: 0,
        last_seq: 0,
        text: "".into(),
    };
    let mut files = Files::new();
    let times: [(u32, &[i64]); 4] = [(1, &[3, 5]), (2, &[4]), (3, &[]), (4, &[9, 8])];
    let mut next = 1;
    for (run, times) in times {
        let number = u64::from(run);
        let mut segment = SegmentBuilder::new(Header {
            number,
            run,
            run_first_segment: number,
            first_seq: next,
            salt: number,
            wall_base_ns: 77_000_000,
            ..header_of_a_run()
        });
        for ms in times {
            segment.event(Time::from_ms(*ms), &Note::new("n").into());
        }
        segment.slot(&slot());
        next = segment.next_seq();
        files.insert(number, segment.finish(64));
    }
    let shared = Shared { files: Rc::new(RefCell::new(files)), ..Shared::default() };
    let Ok(mut log) = LogReader::new(shared, Reading::Whole);
    let mut slots = Vec::new();
    while let Ok(Some(item)) = log.next() {
        if let Item::Slot(slot) = item {
            slots.push((slot.run, slot.time));
        }
    }
    assert_eq!(slots, [(1, 5), (2, 4), (3, 77), (4, 8)].map(|(run, ms)| (run, Time::from_ms(ms))));
}

fn header_of_a_run() -> Header {
    Header {
        compatible: 0,
        generation: 0,
        session_uid: 7,
        writer: 8,
        boot_id: 9,
        number: 0,
        run: 1,
        pid: 10,
        first_seq: 0,
        salt: 0,
        wall_base_ns: 0,
        monotonic_base_ns: 0,
        capacity: 0,
        run_first_segment: 1,
        session_id: "s".into(),
    }
}

#[test]
fn skipping_begins_with_the_segment_that_holds_the_number() {
    let sound = every_kind();
    let segments: Vec<Segment> =
        sound.files.iter().map(|(number, bytes)| Segment::walk(*number, bytes)).collect();
    let last = sound.events().map(|(seq, ..)| seq).max().unwrap();
    for seq in 1..=last + 3 {
        let Ok(mut log) = LogReader::new(memory(&sound), Reading::Whole);
        log.skip_to(seq);
        let first =
            segments.iter().map(|segment| segment.first_seq).filter(|first| *first <= seq).max().unwrap();
        let (events, ..) = news(&mut log);
        let expected: Vec<u64> = sound.events().map(|(seq, ..)| seq).filter(|seq| *seq >= first).collect();
        assert_eq!(events, expected, "from {seq} on");
    }
}

/// An entry that was delivered is found again by its place, as it was; and nothing is found at any other place, or when it is damaged.
#[test]
fn an_entry_is_found_by_its_place() {
    let sound = every_kind();
    let Ok(mut log) = LogReader::new(memory(&sound), Reading::Whole);
    let mut places = Vec::new();
    while let Ok(Some(item)) = log.next() {
        if let Item::Event(entry) = item {
            let found =
                (entry.segment, entry.offset, entry.run, entry.seq, entry.time, entry.kind, entry.flags);
            places.push((found, entry.body.to_vec()));
        }
    }
    assert_eq!(places.len(), sound.events().count());
    for (found, body) in &places {
        let (segment, offset) = (found.0, found.1);
        let Ok(entry) = log.entry_at(segment, offset);
        let entry = entry.expect("it was delivered");
        let again = (entry.segment, entry.offset, entry.run, entry.seq, entry.time, entry.kind, entry.flags);
        assert_eq!((&again, entry.body), (found, body.as_slice()));
        for (segment, offset) in
            [(segment, offset + 8), (segment % 4 + 1, offset), (9, offset), (segment, 1 << 40)]
        {
            if !places.iter().any(|(other, _)| (other.0, other.1) == (segment, offset)) {
                let Ok(entry) = log.entry_at(segment, offset);
                assert!(entry.is_none_or(|entry| entry.kind >= 224), "{segment} {offset}");
            }
        }
    }
    for number in 1..=4 {
        let records = Segment::walk(number, &sound.files[&number]).records;
        for record in records.iter().filter(|record| record.is_event()) {
            let harms: [&dyn Fn(&mut Vec<u8>); 3] =
                [&|bytes| bytes[record.start + 20] ^= 1, &|bytes| bytes[record.end - 1] ^= 1, &|bytes| {
                    bytes.truncate(record.end - 1)
                }];
            for harm in harms {
                let mut files = sound.files.clone();
                harm(files.get_mut(&number).unwrap());
                let shared = Shared { files: Rc::new(RefCell::new(files)), ..Shared::default() };
                let Ok(mut log) = LogReader::new(shared, Reading::Whole);
                let Ok(entry) = log.entry_at(number, u64::try_from(record.start).unwrap());
                assert!(entry.is_none(), "{record:?} of {number}");
            }
        }
    }
}
