//! Stores that a dead process has left, with logs that are put together by hand, and what is in a log, in words.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tracewal_engine::{Options, SegmentFiles, Store};
use tracewal_format::build::SegmentBuilder;
use tracewal_format::event::{Crashed, Event, FoundBy, Note, RunEndReason, RunEnded};
use tracewal_format::log::{Item, Reading};
use tracewal_format::segment::{Header, Slot, SlotState};
use tracewal_format::time::Time;

pub(crate) const BASE_NS: i64 = 1_773_568_800_000_000_000;
pub(crate) const UID: u128 = 0xAB;
/// A writer that never was, and so does not live.
pub(crate) const DEAD: u128 = 0xDEAD;

pub(crate) fn boot() -> u128 {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    u128::from_str_radix(&id.trim().replace('-', ""), 16).unwrap()
}

pub(crate) fn header(number: u64, first_seq: u64, run: u32, run_first_segment: u64, boot_id: u128) -> Header {
    Header {
        compatible: 0,
        generation: 3,
        session_uid: UID,
        writer: DEAD,
        boot_id,
        number,
        run,
        pid: 4711,
        first_seq,
        salt: 100 + number,
        wall_base_ns: BASE_NS,
        monotonic_base_ns: 77,
        capacity: 0,
        run_first_segment,
        session_id: "s".into(),
    }
}

pub(crate) fn segment(number: u64, first_seq: u64, run: u32, run_first_segment: u64) -> SegmentBuilder {
    SegmentBuilder::new(header(number, first_seq, run, run_first_segment, boot()))
}

pub(crate) fn ms(ms: i64) -> Time {
    Time::from_ns(i128::from(BASE_NS) + i128::from(ms) * 1_000_000)
}

/// Notes that say their number, each a millisecond after the other.
pub(crate) fn notes(segment: &mut SegmentBuilder, count: u64) {
    for _ in 0..count {
        let seq = segment.next_seq();
        segment.event(ms(i64::try_from(seq).unwrap()), &Note::new(format!("note {seq}")).into());
    }
}

pub(crate) fn run_ended() -> Event<'static> {
    RunEnded::new(RunEndReason::Closed).into()
}

pub(crate) fn slot(text: &'static str, signal: i32, state: SlotState, time_ns: i64) -> Slot<'static> {
    Slot {
        found_by: FoundBy::PanicHook,
        state,
        signal,
        signal_code: 0,
        pid: 4712,
        tid: 4713,
        address: 0,
        time_ns,
        last_seq: 2,
        text: text.into(),
    }
}

/// A store that a dead process has left, with one session of these segments.
pub(crate) struct Left(TempDir);

impl Left {
    pub(crate) fn new(segments: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let left = Left(tempfile::tempdir().unwrap());
        drop(Options::without_views().open(left.0.path()).unwrap());
        fs::create_dir(left.session()).unwrap();
        for (number, bytes) in (1..).zip(segments) {
            fs::write(left.session().join(format!("{number}.wal")), bytes).unwrap();
        }
        // It cannot be read: then the last header says whose the session is.
        fs::write(left.owner(), "noise").unwrap();
        left
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn session(&self) -> PathBuf {
        self.path().join("sessions/s")
    }

    pub(crate) fn owner(&self) -> PathBuf {
        self.path().join("owners/s")
    }

    pub(crate) fn open(&self) -> Store {
        Options::without_views().open(self.path()).unwrap()
    }

    /// Gives the session an owner entry that can be read: of a dead writer, on the machine as it was started then.
    pub(crate) fn owned_since(&self, boot: &str) {
        let zeros = "0".repeat(32);
        let text =
            format!("tracewal-owner 1\nwriter {DEAD:032x}\nsession {zeros}\nrun 1\npid 4711\nboot {boot}\n");
        let checksum = tracewal_format::checksum::crc(text.as_bytes());
        fs::write(self.owner(), format!("{text}crc {checksum:08x}\n")).unwrap();
    }

    /// Opens the store, which recovers the session, and says what the log holds now, and its last header.
    pub(crate) fn recovered(&self) -> (Vec<String>, Header) {
        let store = self.open();
        assert_eq!(store.health().failed_recoveries, vec![]);
        (items(&self.session()), last_header(&self.session()))
    }
}

pub(crate) fn last_header(session: &Path) -> Header {
    let log = SegmentFiles::open_log(session, Reading::Whole).unwrap();
    log.headers().last().unwrap().clone()
}

/// Everything that a log holds, each in a few words. Times are in milliseconds from the base.
pub(crate) fn items(session: &Path) -> Vec<String> {
    let mut log = SegmentFiles::open_log(session, Reading::Whole).unwrap();
    let mut items = Vec::new();
    while let Some(item) = log.next().unwrap() {
        items.push(match item {
            Item::Event(entry) => {
                let at = (entry.time.as_ns() - i128::from(BASE_NS)) / 1_000_000;
                let what = match entry.event().unwrap().unwrap() {
                    Event::Note(note) => note.name.into_owned(),
                    Event::Crashed(crashed) => crash(&crashed),
                    other => {
                        Event::NAMES.iter().find(|(kind, _)| *kind == other.kind()).unwrap().1.to_owned()
                    }
                };
                let redacted = if entry.is_redacted() { " (redacted)" } else { "" };
                format!("{} at {at} in {}: {what}{redacted}", entry.seq, entry.run)
            }
            Item::Loss(loss) => format!(
                "lost {:?} {} {} +{} {}{:?}",
                loss.missing.unwrap_or_default(),
                loss.file,
                loss.offset,
                loss.length,
                loss.was.map(|was| format!("was {was}, now ")).unwrap_or_default(),
                loss.kind
            ),
            Item::DurableMark(mark) => format!("mark {mark}"),
            Item::Poison(_) => "poison".to_owned(),
            Item::LogRecord(_) => "log record".to_owned(),
            Item::Slot(slot) => format!("slot {}", slot.slot),
        });
    }
    items
}

pub(crate) fn crash(crashed: &Crashed<'_>) -> String {
    let found = if crashed.found_time.is_some() { "found" } else { "told" };
    format!(
        "crashed: {} signal {:?} run {:?} slot {:?} pid {:?} {found} by {:?}",
        crashed.reason,
        crashed.signal.as_deref().unwrap_or_default(),
        crashed.run.unwrap(),
        crashed.slot,
        crashed.pid.unwrap_or_default(),
        crashed.found_by.unwrap(),
    )
}
