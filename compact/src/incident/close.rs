//! Under which lifecycle action a session ended (SPEC.md section 11.8).

use super::derive::Incident;
use crate::actions::Cover;

/// The record that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseKind {
    /// A crash record.
    Crashed,
    /// The orderly end of the session.
    SessionEnded,
    /// The orderly end of a run, which leaves the session to be resumed.
    RunEnded,
}

impl CloseKind {
    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            CloseKind::Crashed => "crashed",
            CloseKind::SessionEnded => "session-ended",
            CloseKind::RunEnded => "run-ended",
        }
    }
}

/// What explains an ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// A lifecycle action.
    LifecycleAction,
    /// The terminal incident.
    Incident,
    /// Nothing.
    Unknown,
}

impl Provenance {
    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Provenance::LifecycleAction => "lifecycle-action",
            Provenance::Incident => "incident",
            Provenance::Unknown => "unknown_scope_close",
        }
    }
}

/// An ending, and what explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The record that ended it.
    pub kind: CloseKind,
    /// What explains it.
    pub provenance: Provenance,
    /// The action that covers it.
    pub cover: Option<Cover>,
}

impl Close {
    /// Of an ending that interrupts something or stands under an action. `None`: there is nothing to explain.
    pub(crate) fn of(
        kind: CloseKind,
        is_completed: bool,
        cover: Option<Cover>,
        terminal: Option<&Incident>,
    ) -> Option<Self> {
        let is_quiet = is_completed || (kind == CloseKind::RunEnded && terminal.is_none());
        if cover.is_none() && is_quiet {
            return None;
        }
        let provenance = if cover.is_some() {
            Provenance::LifecycleAction
        } else if terminal.is_some_and(Incident::explains) {
            Provenance::Incident
        } else {
            Provenance::Unknown
        };
        Some(Close { kind, provenance, cover })
    }

    /// What there is no word of.
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        let action = self.cover.as_ref().and_then(|cover| cover.action.as_ref());
        let begun = action.is_none().then_some("lifecycle.begunMissing");
        let origin =
            action.is_some_and(|action| action.source.is_none()).then_some("lifecycle.originMissing");
        let orphan = action.is_some_and(|action| action.parent.is_some() && !action.parent_is_known);
        let parent = orphan.then_some("lifecycle.parentMissing");
        // What an incident explains needs no action.
        let is_needed = self.provenance != Provenance::Incident;
        [begun, origin, parent].into_iter().flatten().filter(move |_| is_needed)
    }
}
