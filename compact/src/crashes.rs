//! The crash records of a log: events, and crash slots that no event names.

use tracewal_engine::guard::Guard;
use tracewal_format::event::{Crashed, FoundBy};
use tracewal_format::time::Time;

use crate::actions::Cover;

/// One crash record.
#[derive(Clone, Debug, PartialEq)]
pub struct Crash {
    /// In a few words.
    pub reason: String,
    /// The signal's name.
    pub signal: Option<String>,
    /// Type, message and stack of the exception or panic.
    pub exception: Option<(String, String, Option<String>)>,
    /// The process.
    pub pid: Option<u32>,
    /// When.
    pub time: Time,
    /// Who noticed.
    pub found_by: Option<FoundBy>,
    /// When it was noticed, if that was later.
    pub found_time: Option<Time>,
    /// The run that it is about.
    pub run: u32,
    /// The crash slot of that run that it stands for.
    pub slot: Option<u32>,
    /// The lifecycle action that it names, or that was open.
    pub cover: Option<Cover>,
    /// Its sequence number. `None`: a slot.
    pub seq: Option<u64>,
}

impl Crash {
    pub(crate) fn new(event: &Crashed<'_>, time: Time, run: u32, slot: Option<u32>) -> Self {
        let text = |s: &Option<tracewal_format::event::Str<'_>>| s.as_deref().map(str::to_owned);
        Crash {
            reason: event.reason.clone().into_owned(),
            signal: text(&event.signal),
            exception: event.exception.as_ref().map(|e| {
                let (class, message) = (e.r#type.clone().into_owned(), e.message.clone().into_owned());
                (class, message, text(&e.stack))
            }),
            pid: event.pid,
            time,
            found_by: event.found_by,
            found_time: event.found_time,
            run,
            slot,
            cover: None,
            seq: None,
        }
    }
}

/// The crash records of a log.
#[derive(Debug, Default)]
pub(crate) struct Crashes {
    first: Option<Crash>,
    count: u64,
    slots: Vec<Crash>,
}

impl Crashes {
    pub(crate) fn add(&mut self, crash: Crash) {
        self.count += 1;
        if Guard::FirstCrashStands.is_off() {
            self.first = None;
        }
        self.first.get_or_insert(crash);
    }

    pub(crate) fn add_slot(&mut self, crash: Crash) {
        self.slots.push(crash);
    }

    /// Slots are delivered again at every end of the log, and an event may name them by then.
    pub(crate) fn forget_slots(&mut self) {
        self.slots.clear();
    }

    /// The first one: its reason is the one shown.
    pub(crate) fn first(&self) -> Option<&Crash> {
        self.first.as_ref().or(self.slots.first())
    }

    /// The slots that no event names.
    pub(crate) fn slots(&self) -> &[Crash] {
        &self.slots
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.saturating_add(u64::try_from(self.slots.len()).unwrap_or(u64::MAX))
    }
}
