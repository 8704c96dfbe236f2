//! From what is known of the runs of a log to the incidents that explain it (SPEC.md section 11.9).

use std::collections::VecDeque;
use std::sync::Arc;

use tracewal_engine::evidence::Effect;
use tracewal_format::event::{EndStatus, Event};

use super::advice::{Aftermath, Recovery, advise};
use super::attempt::{Attempt, Candidate};
use super::bounds::{Piece, shown};
use super::candidates::lowered;
use super::cause::{Cause, Confidence, CrashKind, Missing, Phase};
use super::known::Facts;
use super::privacy::{Says, crash_kind, signal};
use super::story::{Ending, How, Now, Standing, Story};
use crate::actions::{Action, Cover, OpenActions};
use crate::facts::Facts as SpanFacts;
use crate::spans::{Added, Row};
use crate::summary::Crash;

/// Runs whose stories are kept, and recovered incidents that are shown.
const STORIES: usize = 64;
const RECOVERED: usize = 8;

/// Why something stopped, with the evidence that it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Why.
    pub cause: Cause,
    /// Of which kind.
    pub kind: Option<String>,
    /// In which phase. `None`: of no attempt.
    pub phase: Option<Phase>,
    /// How sure that is.
    pub confidence: Confidence,
    /// The run that it is about.
    pub run: u32,
    /// The number of the attempt in the run, from 1.
    pub attempt: Option<u64>,
    /// The sequence number of the record that is the cause. `None`: a crash slot.
    pub seq: Option<u64>,
    /// The tool concerned.
    pub tool: Option<Arc<str>>,
    /// What that tool does.
    pub effect: Option<Effect>,
    /// The provider's answer.
    pub http_status: Option<u16>,
    /// What the error looks like.
    pub error: Option<&'static str>,
    /// The signal of a crash.
    pub signal: Option<String>,
    /// The lifecycle action under which it happened.
    pub action: Option<Arc<Action>>,
    /// The id of that action, also when nothing else is known of it.
    pub action_id: Option<String>,
    /// What had happened by then.
    pub facts: Facts,
    /// What may be done. `None`: it has recovered.
    pub recovery: Option<Recovery>,
    /// The evidence, in the order of the log.
    pub evidence: Vec<Piece>,
    /// How much of it is not shown.
    pub omitted: u64,
}

impl Incident {
    /// Whether nothing is missing of the account.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.facts.missing.is_empty()
    }

    /// Whether it says why.
    pub(crate) fn explains(&self) -> bool {
        let is_unknown = matches!(self.cause, Cause::Unknown | Cause::Crash(CrashKind::Vanished))
            || (self.cause == Cause::LocalClose && self.action.is_none());
        !is_unknown
    }
}

/// The incidents of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incidents {
    /// Why it stopped.
    pub terminal: Option<Incident>,
    /// Why runs behind the one that decides stopped.
    pub later: Vec<Incident>,
    /// What it got over, the newest.
    pub recovered: Vec<Incident>,
    /// What else it got over.
    pub recovered_omitted: u64,
}

/// A crash record that is about a run.
#[derive(Clone, Debug)]
struct RunCrash {
    seq: Option<u64>,
    /// It stands in the run itself.
    is_in_run: bool,
    kind: CrashKind,
    signal: Option<String>,
    cover: Option<Cover>,
}

#[derive(Debug)]
struct Told {
    story: Story,
    crash: Option<RunCrash>,
}

/// What is gathered while a log is read.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    current: Option<Told>,
    past: VecDeque<Told>,
    /// The run that the first crash record is about: it decides, and is not given up.
    crashed: Option<u32>,
    recovered: VecDeque<Incident>,
    recovered_count: u64,
}

impl Gathered {
    /// Run `run` goes on writing. `left` is what covered the run before.
    pub(crate) fn enter_run(&mut self, run: u32, left: Option<Cover>) {
        if let Some(mut told) = self.current.take() {
            told.story.close(left);
            self.past.push_back(told);
        }
        // A run that goes on behind another one is no longer what it was; what it had stopped at stays.
        let again = self.past.iter().position(|told| told.story.run == run);
        let told = again.and_then(|at| self.past.remove(at));
        self.current = Some(told.unwrap_or(Told { story: Story::new(run), crash: None }));
        if self.past.len() > STORIES {
            let given_up = self.past.iter().position(|told| Some(told.story.run) != self.crashed);
            given_up.and_then(|at| self.past.remove(at));
        }
    }

    /// Events are lost here.
    pub(crate) fn loss(&mut self) {
        if let Some(told) = &mut self.current {
            told.story.loss();
        }
    }

    /// An event of the run that was entered.
    pub(crate) fn event(&mut self, event: &Event<'_>, now: &Now<'_>) {
        let Some(told) = &mut self.current else { return };
        let story = &mut told.story;
        let recovered = match event {
            Event::Evidence(e) => story.evidence(e, now),
            Event::LifecycleBegun(_) | Event::LifecycleEnded(_) => {
                story.lifecycle(now.seq, event.name());
                return;
            }
            Event::SessionEnded(e) => {
                let how = match e.status {
                    EndStatus::Completed => How::Completed,
                    EndStatus::Error => How::Failed(e.error.as_deref().and_then(Says::of)),
                };
                story.stop(how, now.seq, event.name(), now.actions.cover(e.action_id.as_deref()))
            }
            Event::RunEnded(_) => story.stop(How::RunEnded, now.seq, event.name(), now.actions.cover(None)),
            _ => return,
        };
        self.add_recovered(recovered);
    }

    /// What an event said about a span.
    pub(crate) fn span(&mut self, added: &Added, facts: &SpanFacts<'_>, row: &Row, now: &Now<'_>) {
        if let Some(told) = &mut self.current {
            let recovered = told.story.span(added, facts, row, now);
            self.add_recovered(recovered);
        }
    }

    /// A crash record, which stands in run `recorded_in`.
    pub(crate) fn crash(&mut self, crash: &Crash, recorded_in: u32) {
        self.crashed.get_or_insert(crash.run);
        let is_in_run = crash.run == recorded_in;
        let told = match &mut self.current {
            Some(told) if told.story.run == crash.run => Some(told),
            _ => self.past.iter_mut().find(|told| told.story.run == crash.run),
        };
        let Some(told) = told else { return };
        let run_crash = RunCrash::of(crash, is_in_run);
        if let (true, Some(seq)) = (is_in_run, crash.seq) {
            told.story.stop(How::Broken, seq, "crashed", run_crash.cover.clone());
        }
        told.crash.get_or_insert(run_crash);
    }

    fn add_recovered(&mut self, attempts: Vec<Attempt>) {
        for attempt in attempts {
            let Some(told) = &self.current else { return };
            let Some(candidate) = attempt.candidate() else { continue };
            let incident = told.story.incident(candidate, Some(&attempt), true, None);
            self.recovered_count += 1;
            self.recovered.push_back(incident);
            if self.recovered.len() > RECOVERED {
                self.recovered.pop_front();
            }
        }
    }

    /// The incidents. `first`: the first crash record. `slots`: the crash slots that no event names. `deciding`: the run that decides the
    /// status. `cut_short`: whether spans were interrupted at the end of a run.
    pub(crate) fn incidents(
        &self,
        first: Option<&Crash>,
        slots: &[Crash],
        deciding: Option<u32>,
        open: &OpenActions,
        cut_short: impl Fn(u32) -> bool,
    ) -> Incidents {
        let mut found = Incidents {
            recovered: self.recovered.iter().cloned().collect(),
            recovered_omitted: self.recovered_count,
            ..Incidents::default()
        };
        let Some(deciding) = deciding else { return found.counted() };
        let mut behind = false;
        for told in self.past.iter().chain(&self.current) {
            let run = told.story.run;
            let slot = slots.iter().find(|slot| slot.run == run).map(|slot| RunCrash::of(slot, false));
            let is_current = self.current.as_ref().is_some_and(|current| current.story.run == run);
            let cover = if is_current { open.cover(None) } else { None };
            let incident = told.story.terminal(told.crash.as_ref().or(slot.as_ref()), cover, cut_short(run));
            if run == deciding {
                (found.terminal, behind) = (incident, true);
            } else if behind {
                found.later.extend(incident);
            } else if let Some(incident) = incident {
                found.recovered_omitted += 1;
                found.recovered.push(Incident { recovery: None, ..incident });
            }
        }
        if !behind {
            // Nothing is left of the run but what its crash record says.
            let crash = first.map(|crash| RunCrash::of(crash, false));
            found.terminal = Story::new(deciding).terminal(crash.as_ref(), None, false);
        }
        found.counted()
    }
}

impl Incidents {
    /// With the newest recovered ones alone, and the number of the others.
    fn counted(mut self) -> Self {
        let shown = self.recovered.len().min(RECOVERED);
        self.recovered.drain(..self.recovered.len() - shown);
        self.recovered_omitted = self.recovered_omitted.saturating_sub(u64::try_from(shown).unwrap_or(0));
        self
    }
}

impl RunCrash {
    fn of(crash: &Crash, is_in_run: bool) -> Self {
        RunCrash {
            seq: crash.seq,
            is_in_run,
            kind: crash_kind(crash),
            signal: signal(crash.signal.as_deref().unwrap_or(&crash.reason)).map(str::to_owned),
            cover: crash.cover.clone(),
        }
    }
}

impl Story {
    /// Why the run stopped. `cover`: what is open in it now, if it is the one that is being read.
    fn terminal(&self, crash: Option<&RunCrash>, cover: Option<Cover>, cut_short: bool) -> Option<Incident> {
        let nothing = || {
            let piece = Piece { seq: None, event: "crashed", tool: None, is_anchor: true };
            self.ending(How::Broken, piece, cover)
        };
        let ending = match &self.ending {
            Some(ending) => ending.clone(),
            None if crash.is_some() => nothing(),
            None => return None,
        };
        let is_completed = ending.how == How::Completed;
        if crash.is_none() && (is_completed || ending.how == How::Broken) {
            return None;
        }
        let strong = self.attempts().filter_map(|attempt| Some((attempt.strong.as_ref()?, attempt.number)));
        let weak = self.attempts().filter(|attempt| attempt.strong.is_none());
        let weak = weak.filter_map(|attempt| Some((attempt.weak.as_ref()?, attempt.number)));
        let of_ending = ending.cover.as_ref().filter(|_| !is_completed);
        let of_crash = crash.and_then(|crash| crash.cover.as_ref());
        let covered = |cover| self.covered(cover, &ending, crash);
        // What broke under an action is explained by it already: it counts where it was begun, and an ending behind it changes nothing.
        let (candidate, attempt) = first(strong)
            .or_else(|| of_ending.map(covered))
            .or_else(|| of_crash.map(covered))
            .or_else(|| Some((crashed(crash?, &ending.standing), ending.standing.attempt)))
            .or_else(|| first(weak))
            .or_else(|| unexplained(&ending, cut_short))?;
        let attempt = attempt.and_then(|number| self.attempts().find(|attempt| attempt.number == number));
        let mut incident = self.incident(&candidate, attempt, false, crash);
        if let (Cause::Crash(_), Some(crash)) = (incident.cause, crash) {
            incident.signal.clone_from(&crash.signal);
        }
        Some(incident)
    }

    /// The action that covers an ending, as a candidate.
    fn covered(&self, cover: &Cover, ending: &Ending, crash: Option<&RunCrash>) -> (Candidate, Option<u64>) {
        let is_the_endings = ending.cover.as_ref() == Some(cover);
        match &cover.action {
            Some(action) => {
                let standing = match &ending.at_action {
                    Some(standing) if is_the_endings => standing.clone(),
                    // It began behind the ending: nothing changed since.
                    _ => ending.standing.clone(),
                };
                (Candidate::of_action(action, standing.facts), standing.attempt)
            }
            None => {
                // It is named, and was not open: it counts where it is named.
                let mut standing = ending.standing.clone();
                standing.facts.missing.add(Missing::ACTION, true);
                let seq = if is_the_endings { ending.piece.seq } else { crash.and_then(|crash| crash.seq) };
                let event = if is_the_endings { ending.piece.event } else { "crashed" };
                let piece = Piece { seq, event, tool: None, is_anchor: true };
                let confidence = lowered(Confidence::Medium, standing.facts.missing);
                let candidate = Candidate::new(Cause::LocalClose, confidence, standing.facts, piece);
                (Candidate { action_id: Some(cover.id.clone()), ..candidate }, standing.attempt)
            }
        }
    }

    /// What is told of a candidate.
    fn incident(
        &self,
        candidate: &Candidate,
        attempt: Option<&Attempt>,
        has_recovered: bool,
        crash: Option<&RunCrash>,
    ) -> Incident {
        let since = attempt.map_or(0, |attempt| attempt.begun);
        let of_run = self.pieces.total() - attempt.map_or(0, |attempt| attempt.run_pieces);
        // A slot, a record in another run, and an action from before the attempt are told besides.
        let is_elsewhere =
            matches!(candidate.cause, Cause::Crash(_)) && crash.is_some_and(|crash| !crash.is_in_run);
        let besides = candidate.piece.seq.is_none_or(|seq| seq < since) || is_elsewhere;
        let (evidence, omitted) = shown(
            Some(&candidate.piece),
            attempt.map(|attempt| &attempt.pieces),
            &self.pieces,
            since,
            of_run.saturating_add(u64::from(besides)),
        );
        let is_of_run = matches!(candidate.cause, Cause::LocalClose | Cause::Crash(_) | Cause::Unknown)
            || candidate.action.is_some();
        let mut aftermath = Aftermath::default();
        let going_on = self.attempts().filter(|_| is_of_run).chain(attempt);
        for known in going_on.map(|attempt| &attempt.known) {
            aftermath.add(known.text || known.reasoning, known.side_effect());
        }
        let kind = match (candidate.cause, &candidate.action) {
            (Cause::LocalClose, Some(action)) => Some(action.kind.clone()),
            (Cause::LocalClose, None) => Some("unknown".to_owned()),
            (cause, _) => cause.kind().map(str::to_owned),
        };
        let covered = crash.filter(|_| matches!(candidate.cause, Cause::Crash(_)));
        let cover = covered.and_then(|crash| crash.cover.as_ref());
        let (tool, effect) = match &candidate.tool {
            Some((_, label, effect)) if candidate.cause.is_of_a_tool() => {
                (Some(label.clone()), Some(*effect))
            }
            _ => (None, None),
        };
        Incident {
            cause: candidate.cause,
            kind,
            phase: attempt.map(|_| candidate.facts.phase),
            confidence: candidate.confidence,
            run: self.run,
            attempt: attempt.map(|attempt| attempt.number),
            seq: candidate.piece.seq,
            tool,
            effect,
            http_status: candidate.http_status,
            error: candidate.error,
            signal: None,
            action: candidate.action.clone().or_else(|| cover.and_then(|cover| cover.action.clone())),
            action_id: candidate.action_id.clone().or(cover.map(|cover| cover.id.clone())),
            facts: candidate.facts,
            recovery: (!has_recovered)
                .then(|| advise(candidate.cause, candidate.retryable, &candidate.facts, aftermath)),
            evidence,
            omitted,
        }
    }
}

/// The candidate that stands first in the log.
fn first<'a>(candidates: impl Iterator<Item = (&'a Candidate, u64)>) -> Option<(Candidate, Option<u64>)> {
    let first = candidates.min_by_key(|(candidate, _)| candidate.place);
    first.map(|(candidate, attempt)| (candidate.clone(), Some(attempt)))
}

fn crashed(crash: &RunCrash, standing: &Standing) -> Candidate {
    let is_vanished = crash.kind == CrashKind::Vanished;
    let mut facts = standing.facts;
    facts.missing.add(Missing::SIGNAL, is_vanished);
    let confidence = if is_vanished { Confidence::Medium } else { Confidence::High };
    let piece = Piece { seq: crash.seq, event: "crashed", tool: None, is_anchor: true };
    Candidate::new(Cause::Crash(crash.kind), lowered(confidence, facts.missing), facts, piece)
}

/// What is left to say of an ending for which there is no candidate.
fn unexplained(ending: &Ending, cut_short: bool) -> Option<(Candidate, Option<u64>)> {
    let standing = &ending.standing;
    let mut facts = standing.facts;
    let of = |cause, confidence, facts: Facts| {
        Candidate::new(cause, lowered(confidence, facts.missing), facts, ending.piece.clone())
    };
    let candidate = match (ending.how, &standing.running) {
        (How::Failed(says), _) if Says::cause(says) != Cause::Unknown => {
            Candidate { error: Some(Says::shown(says)), ..of(Says::cause(says), Confidence::Low, facts) }
        }
        (How::Failed(_), Some(running)) => Candidate {
            tool: Some((running.key.clone(), running.label.clone(), running.effect)),
            ..of(Cause::ToolInterrupted, Confidence::Medium, facts)
        },
        (How::Failed(_), None) => of(Cause::Unknown, Confidence::Low, facts),
        (How::RunEnded, _) if cut_short || ending.is_busy => {
            facts.missing.add(Missing::ACTION, true);
            of(Cause::LocalClose, Confidence::Low, facts)
        }
        _ => return None,
    };
    Some((candidate, standing.attempt))
}
