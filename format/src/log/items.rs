//! What reading a log delivers.

use crate::event::{Event, Malformed};
use crate::record;
use crate::segment::{Slot, invalid_slot_event};
use crate::time::Time;

/// What kind of loss it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// Bytes are not what they were.
    Damage,
    /// An append that was cut off; nothing acknowledged is missing.
    Torn,
    /// A power cut took what had not been synced.
    Unsynced,
    /// A loss that repair has recorded.
    Repaired,
    /// A newer version wrote it.
    TooNew,
}

impl LossKind {
    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LossKind::Damage => "damage",
            LossKind::Torn => "torn",
            LossKind::Unsynced => "unsynced",
            LossKind::Repaired => "repaired",
            LossKind::TooNew => "too-new",
        }
    }

    /// The kind with this name; a name that is not known is damage.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "torn" => LossKind::Torn,
            "unsynced" => LossKind::Unsynced,
            "repaired" => LossKind::Repaired,
            "too-new" => LossKind::TooNew,
            _ => LossKind::Damage,
        }
    }
}

/// What is lost, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The segment's file name.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
    /// What kind of loss.
    pub kind: LossKind,
    /// What kind it was before it was repaired.
    pub was: Option<String>,
    /// The first and last missing sequence number, when any is known to be missing.
    pub missing: Option<(u64, u64)>,
}

/// One event of the log.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Number of the segment it is in.
    pub segment: u64,
    /// Offset of its record in that segment.
    pub offset: u64,
    /// The run that wrote it.
    pub run: u32,
    /// Its sequence number.
    pub seq: u64,
    /// When.
    pub time: Time,
    /// Its kind's number.
    pub kind: u8,
    /// The record's flags.
    pub flags: u8,
    /// The event's bytes.
    pub body: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The event. `None`: of a kind that this version does not know.
    #[must_use]
    #[inline]
    pub fn event(&self) -> Option<Result<Event<'a>, Malformed>> {
        Event::decode(self.kind, self.body)
    }

    /// Whether the event has been replaced by redaction.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.flags & record::REDACTED != 0
    }
}

/// A crash slot that was claimed and that no event names.
#[derive(Clone, Debug)]
pub struct SlotEntry {
    /// The run that it belongs to.
    pub run: u32,
    /// Its number, from 0.
    pub slot: u32,
    /// When.
    pub time: Time,
    /// What it says. `None`: claimed, but not valid.
    pub content: Option<Slot<'static>>,
}

impl SlotEntry {
    /// The event that it stands for.
    #[must_use]
    pub fn event(&self) -> Event<'static> {
        self.content.as_ref().map_or_else(invalid_slot_event, Slot::event)
    }
}

/// What reading delivers.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    /// An event.
    Event(Entry<'a>),
    /// Everything up to this sequence number had been synced.
    DurableMark(u64),
    /// A sync failed: what follows this sequence number was not proved durable.
    Poison(u64),
    /// A record of the log itself that this version does not know.
    LogRecord(Entry<'a>),
    /// Something is lost here.
    Loss(Loss),
    /// A crash slot, behind the last record.
    Slot(SlotEntry),
}

/// Whether the log is being written while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The end of the last segment is the end for now; [`LogReader::refresh`](super::LogReader::refresh) looks again.
    Live,
    /// Everything is there; what is wrong at the end is reported.
    Whole,
}
