//! One attempt: a call of the model, with the tools that it asks for.

use std::sync::Arc;

use tracewal_engine::evidence::Effect;

use super::bounds::{Piece, Pieces};
use super::candidates::lowered;
use super::cause::{Cause, Confidence, Missing};
use super::known::{Facts, Key, Known};
use crate::actions::{Action, OpenActions};
use crate::ids::SpanNo;

/// States from before lifecycle actions began that are kept.
const MARKS: usize = 8;

/// What may have stopped an attempt or a run.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Where it stands in the log, be it explained by an action that began before.
    pub(crate) place: u64,
    pub(crate) cause: Cause,
    pub(crate) confidence: Confidence,
    pub(crate) facts: Facts,
    pub(crate) piece: Piece,
    pub(crate) tool: Option<(Key, Arc<str>, Effect)>,
    pub(crate) http_status: Option<u16>,
    pub(crate) error: Option<&'static str>,
    pub(crate) retryable: Option<bool>,
    pub(crate) action: Option<Arc<Action>>,
    /// An action that is named, and of which nothing else is known.
    pub(crate) action_id: Option<String>,
}

impl Candidate {
    pub(crate) fn new(cause: Cause, confidence: Confidence, facts: Facts, piece: Piece) -> Self {
        Candidate {
            place: piece.seq.unwrap_or(u64::MAX),
            cause,
            confidence,
            facts,
            piece,
            tool: None,
            http_status: None,
            error: None,
            retryable: None,
            action: None,
            action_id: None,
        }
    }

    /// A lifecycle action, where it began.
    pub(crate) fn of_action(action: &Arc<Action>, facts: Facts) -> Self {
        let cause = if action.kind == "user-cancel" { Cause::UserCancel } else { Cause::LocalClose };
        let piece = Piece { seq: Some(action.seq), event: "lifecycle-begun", tool: None, is_anchor: true };
        Candidate {
            action: Some(action.clone()),
            action_id: Some(action.id.clone()),
            ..Candidate::new(cause, lowered(Confidence::High, facts.missing), facts, piece)
        }
    }
}

/// What was known when a lifecycle action began: from the last change before it to the action itself.
#[derive(Clone, Debug)]
struct Mark {
    from: u64,
    upto: u64,
    known: Known,
}

#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// Its number in the run, from 1.
    pub(crate) number: u64,
    pub(crate) id: Option<Box<str>>,
    pub(crate) generation: Option<SpanNo>,
    pub(crate) generation_is_open: bool,
    /// The sequence number of what began it.
    pub(crate) begun: u64,
    /// How many pieces and losses the run had when it began.
    pub(crate) run_pieces: u64,
    pub(crate) run_losses: u64,
    pub(crate) known: Known,
    changed: u64,
    marks: Vec<Mark>,
    pub(crate) strong: Option<Candidate>,
    pub(crate) weak: Option<Candidate>,
    /// It has made progress since evidence said that it starts.
    pub(crate) has_moved: bool,
    /// What comes next begins another attempt of this id.
    pub(crate) is_retried: bool,
    pub(crate) pieces: Pieces,
}

impl Attempt {
    pub(crate) fn new(number: u64, begun: u64, run_pieces: u64, run_losses: u64) -> Self {
        Attempt {
            number,
            id: None,
            generation: None,
            generation_is_open: false,
            begun,
            run_pieces,
            run_losses,
            known: Known::default(),
            changed: begun,
            marks: Vec::new(),
            strong: None,
            weak: None,
            has_moved: false,
            is_retried: false,
            pieces: Pieces::default(),
        }
    }

    /// Before what is known changes at `seq`: keeps what was known when the actions began that did so since the last change.
    pub(crate) fn change(&mut self, seq: u64, actions: &OpenActions) -> &mut Known {
        if let Some(action) = actions.innermost()
            && action.seq > self.changed
        {
            if self.marks.len() >= MARKS {
                // The outermost and the newest are what may be asked for.
                self.marks.remove(1);
            }
            self.marks.push(Mark { from: self.changed, upto: action.seq, known: self.known.clone() });
        }
        self.changed = seq;
        &mut self.known
    }

    /// The facts in front of `place`.
    pub(crate) fn facts_at(&self, place: u64, mut besides: Missing) -> Facts {
        if place < self.begun {
            // It had not begun.
            return Facts::of_nothing(besides);
        }
        if place >= self.changed {
            return self.known.facts(besides);
        }
        match self.marks.iter().find(|mark| (mark.from..=mark.upto).contains(&place)) {
            Some(mark) => mark.known.facts(besides),
            None => {
                besides.add(Missing::ORDERING, true);
                self.known.facts(besides)
            }
        }
    }

    /// What stopped it: the first strong candidate, else the first weak one.
    pub(crate) fn candidate(&self) -> Option<&Candidate> {
        self.strong.as_ref().or(self.weak.as_ref())
    }
}
