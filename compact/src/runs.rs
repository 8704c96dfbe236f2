//! The runs of a log, and how each of them ended.

use std::collections::HashMap;

use tracewal_format::event::{EndStatus, Event, RunEndReason};
use tracewal_format::time::Time;

use crate::actions::{Cover, OpenActions};
use crate::ids::at;
use crate::places::Place;

/// The ending record of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    /// Its sequence number.
    pub seq: u64,
    /// When.
    pub time: Time,
    /// How.
    pub status: EndStatus,
    /// The error's text.
    pub error: Option<String>,
    /// The lifecycle action that it names, or that was open.
    pub cover: Option<Cover>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnding {
    /// In disorder, for this reason.
    Crashed(String),
    /// It ended the session.
    SessionEnded(SessionEnd),
    /// It closed in order without ending the session.
    RunEnded(RunEndReason),
}

/// One process that wrote to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub number: u32,
    /// Time of its first event.
    pub started_at: Time,
    /// Time of its last event.
    pub ended_at: Time,
    /// `None`: no ending yet.
    pub ending: Option<RunEnding>,
    /// The process.
    pub pid: Option<u32>,
    /// The machine.
    pub host: Option<String>,
    /// How many events it wrote.
    pub events: u64,
}

/// What is kept of a run while the log is read.
#[derive(Clone, Debug)]
struct Kept {
    run: Run,
    /// Events that are about this run: all but crash records about another one.
    own_events: u64,
    crash: Option<String>,
    /// What a slot says; it stands for nothing once an event names the slot, and then `crash` comes first.
    slot_crash: Option<String>,
    session_end: Option<SessionEnd>,
    run_end: Option<RunEndReason>,
    /// Where its first ending stands.
    ending_at: Option<Place>,
    /// The lifecycle action that was open at `run_end`.
    run_end_cover: Option<Cover>,
    /// The lifecycle action that was open when another run went on.
    cover: Option<Cover>,
}

/// The runs, in the order of their first events.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    kept: Vec<Kept>,
    by_number: HashMap<u32, u32>,
    /// Position of the run with the last event of the embedder.
    last_of_embedder: Option<u32>,
    /// The last position of a run that wrote anything about itself.
    last: u32,
}

impl Runs {
    fn get(&self, position: u32) -> Option<&Kept> {
        self.kept.get(at(position))
    }

    fn get_mut(&mut self, position: u32) -> Option<&mut Kept> {
        self.kept.get_mut(at(position))
    }

    /// How many there are, shown or not.
    pub(crate) fn count_all(&self) -> u32 {
        u32::try_from(self.kept.len()).unwrap_or(u32::MAX)
    }

    fn by_number(&mut self, number: u32) -> Option<&mut Kept> {
        let position = *self.by_number.get(&number)?;
        self.get_mut(position)
    }

    /// Counts an event of run `number`, which may be new, and returns the run's position.
    pub(crate) fn count(&mut self, number: u32, time: Time, is_about_another: bool) -> Option<u32> {
        let position = match self.by_number.get(&number) {
            Some(position) => *position,
            None => {
                let position = u32::try_from(self.kept.len()).ok()?;
                self.kept.push(Kept {
                    run: Run {
                        number,
                        started_at: time,
                        ended_at: time,
                        ending: None,
                        pid: None,
                        host: None,
                        events: 0,
                    },
                    own_events: 0,
                    crash: None,
                    slot_crash: None,
                    session_end: None,
                    run_end: None,
                    ending_at: None,
                    run_end_cover: None,
                    cover: None,
                });
                self.by_number.insert(number, position);
                position
            }
        };
        let kept = self.get_mut(position)?;
        kept.run.events += 1;
        if !is_about_another {
            if kept.own_events == 0 {
                kept.run.started_at = time;
            }
            kept.own_events += 1;
            kept.run.ended_at = time;
            self.last = self.last.max(position);
        }
        Some(position)
    }

    /// Takes in an event of the run at `position`, in front of which these lifecycle actions are open.
    pub(crate) fn add(
        &mut self,
        position: u32,
        (seq, time): (u64, Time),
        event: &Event<'_>,
        actions: &OpenActions,
    ) {
        if event.is_embedders() {
            self.last_of_embedder = Some(position);
        }
        let Some(kept) = self.get_mut(position) else {
            return;
        };
        match event {
            Event::RunStarted(e) => {
                kept.run.pid = Some(e.pid);
                kept.run.host = e.host.as_deref().map(str::to_owned);
            }
            Event::RunEnded(e) => {
                kept.run_end = Some(e.reason);
                kept.run_end_cover = actions.cover(None);
            }
            Event::SessionEnded(e) => {
                kept.session_end = Some(SessionEnd {
                    seq,
                    time,
                    status: e.status,
                    error: e.error.as_deref().map(str::to_owned),
                    cover: actions.cover(e.action_id.as_deref()),
                });
            }
            _ => (),
        }
    }

    /// A crash record says that run `number` crashed. A run without any event has nothing that could be closed.
    pub(crate) fn crashed(&mut self, number: u32, reason: &str) {
        if let Some(kept) = self.by_number(number) {
            kept.crash.get_or_insert_with(|| reason.to_owned());
        }
    }

    /// So does a crash slot.
    pub(crate) fn crashed_by_slot(&mut self, number: u32, reason: &str) {
        if let Some(kept) = self.by_number(number) {
            kept.slot_crash.get_or_insert_with(|| reason.to_owned());
        }
    }

    /// Whether run `number` has an ending or a crash record.
    pub(crate) fn has_ended(&self, number: u32) -> bool {
        let position = self.by_number.get(&number);
        position.and_then(|position| self.get(*position)).is_some_and(|kept| ending(kept).is_some())
    }

    /// The lifecycle action that was open when the run's last event was written.
    pub(crate) fn cover_of(&self, number: u32) -> Option<&Cover> {
        self.get(*self.by_number.get(&number)?)?.cover.as_ref()
    }

    pub(crate) fn set_cover(&mut self, number: u32, cover: Option<Cover>) {
        if let Some(kept) = self.by_number(number) {
            kept.cover = cover;
        }
    }

    /// The run that decides how the session stands, if no crash record does.
    pub(crate) fn deciding(&self) -> Option<u32> {
        let of_embedder = self.last_of_embedder.filter(|_| self.session_end().is_some());
        Some(self.get(of_embedder.unwrap_or(self.last))?.run.number)
    }

    /// Whether the session was left in order, to be resumed, by its last run, and what covered that.
    pub(crate) fn left(&self) -> Option<Option<&Cover>> {
        let kept = self.get(self.last)?;
        let is_left =
            self.last_of_embedder == Some(self.last) && matches!(ending(kept), Some(Ending::RunEnded));
        is_left.then_some(kept.run_end_cover.as_ref())
    }

    /// The run at `position` has an ending at this place.
    pub(crate) fn ended_at(&mut self, position: u32, place: Option<Place>) {
        if let Some(kept) = self.get_mut(position) {
            kept.ending_at = kept.ending_at.or(place);
        }
    }

    /// Where the first ending of the run at `position` stands.
    pub(crate) fn ending_at(&self, position: u32) -> Option<Place> {
        self.get(position)?.ending_at
    }

    /// The position of run `number`.
    pub(crate) fn position(&self, number: u32) -> Option<u32> {
        self.by_number.get(&number).copied()
    }

    /// The ending that decides, if no crash record does: the last one of the last run with an event of the embedder (I5).
    pub(crate) fn session_end(&self) -> Option<&SessionEnd> {
        self.get(self.last_of_embedder?)?.session_end.as_ref()
    }

    /// When and why the open spans of a run were closed. `None`: it is still going on.
    pub(crate) fn interruption(&self, position: u32) -> Option<(Time, &str)> {
        let kept = self.get(position)?;
        let reason = match ending(kept) {
            Some(Ending::Crashed(reason)) => reason,
            Some(Ending::SessionEnded) => "session ended",
            Some(Ending::RunEnded) => "run ended",
            None if position < self.last => "unknown",
            None => return None,
        };
        Some((kept.run.ended_at, reason))
    }

    /// The runs as they are shown: without those that did nothing but record the crash of another.
    pub(crate) fn shown(&self) -> Vec<Run> {
        self.kept
            .iter()
            .filter(|kept| kept.own_events > 0)
            .map(|kept| Run {
                ending: match ending(kept) {
                    Some(Ending::Crashed(reason)) => Some(RunEnding::Crashed(reason.to_owned())),
                    Some(Ending::SessionEnded) => kept.session_end.clone().map(RunEnding::SessionEnded),
                    Some(Ending::RunEnded) => kept.run_end.map(RunEnding::RunEnded),
                    None => None,
                },
                ..kept.run.clone()
            })
            .collect()
    }
}

enum Ending<'a> {
    Crashed(&'a str),
    SessionEnded,
    RunEnded,
}

/// A crash outranks the end of the session, which outranks the mere end of the run.
fn ending(kept: &Kept) -> Option<Ending<'_>> {
    let crash = kept.crash.as_deref().or(kept.slot_crash.as_deref());
    crash
        .map(Ending::Crashed)
        .or(kept.session_end.as_ref().map(|_| Ending::SessionEnded))
        .or(kept.run_end.map(|_| Ending::RunEnded))
}
