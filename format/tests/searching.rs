//! Damage that is longer than what is looked at at once, files with holes, and files that end earlier than they said.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::convert::Infallible;

use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::{Note, Payload};
use tracewal_format::log::{
    Item, LogReader, LogSource, Loss, LossKind, Reading, segment_file, segment_number,
};
use tracewal_format::segment::Header;
use tracewal_format::time::Time;

/// How much the reader looks through at once.
const WINDOW: usize = 64 * 1024;

/// Files that know where they have holes, as file systems do, in blocks of 4 KiB; and that may end before their size says.
struct Sparse<'a> {
    files: &'a [(u64, Vec<u8>)],
    selected: usize,
    /// Of the file that is read: what is behind this is gone.
    there: usize,
    calls: usize,
}

impl<'a> Sparse<'a> {
    fn new(files: &'a [(u64, Vec<u8>)], there: usize) -> Self {
        Sparse { files, selected: 0, there, calls: 0 }
    }
}

impl LogSource for Sparse<'_> {
    type Error = Infallible;

    fn segments(&mut self) -> Result<Vec<u64>, Infallible> {
        Ok(self.files.iter().map(|(number, _)| *number).collect())
    }

    fn select(&mut self, number: u64) -> Result<Option<u64>, Infallible> {
        let Some(selected) = self.files.iter().position(|(of, _)| *of == number) else { return Ok(None) };
        self.selected = selected;
        Ok(u64::try_from(self.files[selected].1.len()).ok())
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<&[u8], Infallible> {
        self.calls += 1;
        assert!(self.calls < 20_000, "it does not end");
        let bytes = &self.files[self.selected].1;
        let rest =
            bytes[..self.there.min(bytes.len())].get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        Ok(&rest[..len.min(rest.len())])
    }

    fn next_data(&mut self, offset: u64) -> Result<u64, Infallible> {
        let bytes = &self.files[self.selected].1;
        let mut at = usize::try_from(offset).unwrap();
        while at < bytes.len() {
            let end = (at / 4096 + 1) * 4096;
            if bytes[at..end.min(bytes.len())].iter().any(|byte| *byte != 0) {
                break;
            }
            at = end;
        }
        Ok(u64::try_from(at.min(bytes.len())).unwrap().max(offset))
    }
}

fn segment(number: u64, first_seq: u64) -> SegmentBuilder {
    SegmentBuilder::new(Header {
        compatible: 0,
        generation: 0,
        session_uid: 7,
        writer: 8,
        boot_id: 9,
        number,
        run: 1,
        pid: 10,
        first_seq,
        salt: 11 + number,
        wall_base_ns: 0,
        monotonic_base_ns: 0,
        capacity: 0,
        run_first_segment: 1,
        session_id: "s".into(),
    })
}

fn note(segment: &mut SegmentBuilder, data: Vec<u8>) -> &mut SegmentBuilder {
    let mut note = Note::new("n");
    note.data = Some(Payload { encoding: Payload::STRING, bytes: data.into() });
    segment.event(Time::from_ns(1), &note.into())
}

/// The numbers of the events, and the losses.
fn read(files: &[(u64, Vec<u8>)], there: usize) -> (Vec<u64>, Vec<Loss>) {
    let Ok(mut log) = LogReader::new(Sparse::new(files, there), Reading::Whole);
    let (mut events, mut losses) = (Vec::new(), Vec::new());
    loop {
        match log.next() {
            Ok(None) => return (events, losses),
            Ok(Some(Item::Event(entry))) => events.push(entry.seq),
            Ok(Some(Item::Loss(loss))) => losses.push(loss),
            Ok(Some(_)) => {}
        }
    }
}

fn place(loss: &Loss) -> (u64, u64, LossKind, Option<(u64, u64)>) {
    (loss.offset, loss.length, loss.kind, loss.missing)
}

/// The record behind the damage begins at every place around the end of a window, and of the second one; the damage is noise, or a hole.
#[test]
fn the_next_record_is_found_wherever_a_window_ends() {
    for windows in [1, 2] {
        for shift in (0..160).step_by(8) {
            for hole in [false, true] {
                let mut one = segment(1, 1);
                note(&mut one, Vec::new());
                let from = usize::try_from(one.end()).unwrap();
                note(&mut one, vec![b'x'; windows * WINDOW - 120 + shift]);
                let to = usize::try_from(one.end()).unwrap();
                note(&mut one, Vec::new());
                note(&mut one, Vec::new());
                let mut bytes = one.seal().clone().finish(0);
                bytes[from..to].fill(if hole { 0 } else { 0xA5 });
                let (events, losses) = read(&[(1, bytes)], usize::MAX);
                assert_eq!(events, [1, 3, 4], "{windows} {shift} {hole}");
                let length = u64::try_from(to - from).unwrap();
                let at = u64::try_from(from).unwrap();
                let places: Vec<_> = losses.iter().map(place).collect();
                assert_eq!(
                    places,
                    [(at, length, LossKind::Damage, Some((2, 2)))],
                    "{windows} {shift} {hole}"
                );
            }
        }
    }
}

/// A record without a body at the very end of what is sealed, behind damage; and one that would end behind it.
#[test]
fn the_last_record_may_end_with_the_log() {
    for spare in [0, 8, 24, 4096] {
        let mut one = segment(1, 1);
        note(&mut one, Vec::new());
        let from = usize::try_from(one.end()).unwrap();
        note(&mut one, vec![b'x'; 100]);
        let to = usize::try_from(one.end()).unwrap();
        one.body(Time::from_ns(1), 99, 0, b"");
        for sealed in [false, true] {
            let mut one = one.clone();
            let mut bytes = if sealed { one.seal().clone().finish(spare) } else { one.finish(spare) };
            bytes[from..to].fill(0xA5);
            let (events, losses) = read(&[(1, bytes.clone())], usize::MAX);
            assert_eq!((events, losses.len()), (vec![1, 3], 1), "{spare} {sealed}");
            // Without its last bytes there is none.
            bytes.truncate(to + 23);
            assert_eq!(read(&[(1, bytes)], usize::MAX).0, [1], "{spare} {sealed}");
        }
    }
}

/// An append that was cut off, longer than a window, with holes in it: the place goes to its last byte.
#[test]
fn a_torn_end_is_reported_to_its_last_byte() {
    for last in [1, 7, 8, 4095, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW - 9, 3 * WINDOW] {
        let mut one = segment(1, 1);
        note(&mut one, Vec::new());
        let end = usize::try_from(one.end()).unwrap();
        let mut bytes = one.finish(4 * WINDOW);
        bytes[end + 1] = 9;
        bytes[end + last] = 9;
        let (events, losses) = read(&[(1, bytes)], usize::MAX);
        assert_eq!(events, [1]);
        let length = u64::try_from((end + last + 1).next_multiple_of(8) - end).unwrap();
        let places: Vec<_> = losses.iter().map(place).collect();
        assert_eq!(places, [(u64::try_from(end).unwrap(), length, LossKind::Torn, None)], "{last}");
    }
}

/// The last segment is unborn when there is nothing in it, however long it is; one byte anywhere makes it damage.
#[test]
fn an_unborn_segment_is_empty_to_its_last_byte() {
    let mut one = segment(1, 1);
    note(&mut one, Vec::new());
    let one = one.finish(64);
    for size in [0, 1, 2040, 2041, 4096, 5000, WINDOW, WINDOW + 2040, 3 * WINDOW + 1] {
        let (events, losses) = read(&[(1, one.clone()), (2, vec![0; size])], usize::MAX);
        assert_eq!((events, losses), (vec![1], vec![]), "{size}");
        for at in [0, 100, 2039, 2040, 4096, WINDOW, WINDOW + 2039, WINDOW + 2040, 3 * WINDOW] {
            if at < size {
                let mut bytes = vec![0; size];
                bytes[at] = 1;
                let (_, losses) = read(&[(1, one.clone()), (2, bytes)], usize::MAX);
                assert_eq!(losses.len(), usize::from(at >= 2040), "{at} of {size}");
            }
        }
    }
}

/// I9: a file that is cut while it is read has less than its size said. Reading comes to an end all the same.
#[test]
fn a_file_that_ends_earlier_than_it_said() {
    let mut one = segment(1, 1);
    for _ in 0..50 {
        note(&mut one, vec![b'x'; 40]);
    }
    let end = usize::try_from(one.end()).unwrap();
    for sealed in [false, true] {
        let mut one = one.clone();
        let mut bytes = if sealed { one.seal().clone().finish(WINDOW) } else { one.finish(WINDOW) };
        bytes[end - 200..end].fill(0xA5);
        for there in (0..4096).step_by(511).chain(4096..end).chain([end + 1, end + WINDOW]) {
            let (events, _) = read(&[(1, bytes.clone())], there);
            let expected: Vec<u64> = (1..).take(events.len()).collect();
            assert_eq!(events, expected, "{there}");
        }
    }
}

#[test]
fn which_names_are_those_of_segments() {
    for number in [1, 9, 10, u64::MAX] {
        assert_eq!(segment_number(&segment_file(number)), Some(number));
    }
    for name in [
        "0.wal",
        "01.wal",
        ".wal",
        "1",
        "1.WAL",
        "+1.wal",
        "-1.wal",
        "1 .wal",
        "x.wal",
        "1.wal.tmp",
        "18446744073709551616.wal",
    ] {
        assert_eq!(segment_number(name), None, "{name}");
    }
}

#[test]
fn kinds_of_losses_have_names_and_what_is_not_known_is_damage() {
    let kinds = [
        (LossKind::Damage, "damage"),
        (LossKind::Torn, "torn"),
        (LossKind::Unsynced, "unsynced"),
        (LossKind::Repaired, "repaired"),
        (LossKind::TooNew, "too-new"),
    ];
    for (kind, name) in kinds {
        assert_eq!((kind.as_str(), LossKind::from_name(name)), (name, kind));
    }
    assert_eq!(LossKind::from_name("anything else"), LossKind::Damage);
}
