//! Small logs to be damaged: every kind of event and of log record over several segments, with seals, slots, marks and a gap.

use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::{Crashed, Event, FoundBy, Gap, Note};
use tracewal_format::json::parse_event;
use tracewal_format::record;
use tracewal_format::segment::{Header, Slot, SlotState};
use tracewal_format::time::Time;

use super::damage::Sound;

const EVERY_EVENT: &str = include_str!("../../format/tests/every_event.jsonl");
const WALL_BASE_NS: i64 = 1_773_568_800_000_000_000;
pub(crate) const BOOT: u128 = 9;
const PAGE: usize = 4096;

/// The log that is damaged: three segments of a run that crashed, and one of a run that goes on. All files are of whole pages.
pub(crate) fn every_kind() -> Sound {
    of_session(7, 11)
}

/// The same events as those of a session with this uid, in segments with salts from `salt` on.
pub(crate) fn of_session(uid: u128, salt: u64) -> Sound {
    let segment = |number: u64, first_seq, run, run_first_segment| {
        SegmentBuilder::new(Header {
            compatible: 0,
            generation: 0,
            session_uid: uid,
            writer: 8,
            boot_id: BOOT,
            number,
            run,
            pid: 10,
            first_seq,
            salt: salt + number,
            wall_base_ns: WALL_BASE_NS,
            monotonic_base_ns: 0,
            capacity: 0,
            run_first_segment,
            session_id: "damaged".into(),
        })
    };
    // Enough of them to fill some sectors of each segment.
    let lines: Vec<&str> =
        EVERY_EVENT.lines().chain(EVERY_EVENT.lines()).chain(EVERY_EVENT.lines()).collect();
    let (mut lines, mut named) = (lines.iter(), Vec::new());
    let mut add = |segment: &mut SegmentBuilder, count| {
        for line in lines.by_ref().take(count) {
            let (time, event) = parse_event(line).unwrap();
            if let Event::Crashed(Crashed { run, slot: Some(slot), .. }) = event {
                named.push((run.unwrap_or(1), slot, segment.next_seq()));
            }
            segment.event(time.unwrap_or(at(1)), &event);
        }
    };

    let mut one = segment(1, 1, 1, 1);
    add(&mut one, 20);
    one.durable_mark(17);
    add(&mut one, 10);
    one.slot(&slot("named", SlotState::Crash))
        .slot(&slot("", SlotState::Crash))
        .slot(&slot("", SlotState::Pending));
    one.claim().seal();

    let mut two = segment(2, one.next_seq(), 1, 1);
    add(&mut two, 25);
    two.body(at(2), record::POISON, 0, &3_u64.to_le_bytes());
    let first = two.next_seq();
    two.gap(&Gap::new(first, first + 1, "77.wal", 4096_u64, 64_u64, "damage"));
    two.event(Time::from_ns(i128::MAX / 4), &Note::new("far from the base").into());
    add(&mut two, 5);
    two.seal();

    let mut three = segment(3, two.next_seq(), 1, 1);
    add(&mut three, 20);
    three.durable_mark(three.next_seq() - 1);
    add(&mut three, 2);

    let mut four = segment(4, three.next_seq(), 2, 4);
    let of_slot = four.next_seq();
    let crashed =
        Crashed { run: Some(1), slot: Some(0), found_by: Some(FoundBy::Recovery), ..Crashed::new("named") };
    four.event(at(3), &Event::from(crashed));
    add(&mut four, 16);
    four.durable_mark(of_slot);
    add(&mut four, 7);
    named.push((1, 0, of_slot));

    let files = [one, two, three, four].map(|segment| {
        let end = usize::try_from(segment.end()).unwrap();
        // A page of zeros behind the last one that has something.
        let spare = end.next_multiple_of(PAGE) + PAGE - end;
        segment.finish(spare)
    });
    Sound::new((1..).zip(files).collect(), named)
}

fn at(ms: i64) -> Time {
    Time::from_ns(i128::from(WALL_BASE_NS) + i128::from(ms) * 1_000_000)
}

fn slot(text: &'static str, state: SlotState) -> Slot<'static> {
    Slot {
        found_by: FoundBy::Handler,
        state,
        signal: 11,
        signal_code: 1,
        pid: 77,
        tid: 78,
        address: 0xdead,
        time_ns: 5,
        last_seq: 3,
        text: text.into(),
    }
}
