//! What happened in one run, as its log goes on: evidence becomes facts about attempts, and candidates (SPEC.md section 11.9).

use std::sync::Arc;

use tracewal_engine::evidence::What;
use tracewal_format::event::Evidence;

use super::attempt::{Attempt, Candidate};
use super::bounds::{Piece, Pieces};
use super::candidates::{candidate_of, is_of_a_tool, is_progress, keep, named};
use super::cause::Missing;
use super::known::{Doing, Facts, Key, Known, Running, tool_label};
use super::lanes::{Lanes, Which};
use super::privacy::Says;
use crate::actions::{Cover, OpenActions};
use crate::ids::SpanNo;
use crate::spans::{NONE, Spans};

/// The longest id, in bytes.
const ID_MAX: usize = 255;

/// What a story is told with.
#[derive(Clone, Copy)]
pub(crate) struct Now<'a> {
    pub(crate) seq: u64,
    pub(crate) actions: &'a OpenActions,
    pub(crate) spans: &'a Spans,
}

/// How a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Completed,
    /// With an error, which says this.
    Failed(Option<Says>),
    RunEnded,
    /// It has only a crash record, or nothing at all.
    Broken,
}

/// How things stood at some place of the log.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// The number of the attempt that was going on.
    pub(crate) attempt: Option<u64>,
    pub(crate) facts: Facts,
    pub(crate) running: Option<Running>,
}

/// Where a run stopped.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) how: How,
    pub(crate) piece: Piece,
    pub(crate) cover: Option<Cover>,
    pub(crate) standing: Standing,
    /// When the covering action began.
    pub(crate) at_action: Option<Standing>,
    /// An attempt was going on that had not completed.
    pub(crate) is_busy: bool,
}

#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) run: u32,
    pub(crate) lanes: Lanes,
    /// What is kept of its attempts when the run is over.
    pub(crate) kept: Vec<Attempt>,
    attempts: u64,
    pub(crate) pieces: Pieces,
    losses: u64,
    pub(crate) ending: Option<Ending>,
}

pub(crate) fn piece(seq: u64, event: &'static str, tool: Option<Arc<str>>, is_anchor: bool) -> Piece {
    Piece { seq: Some(seq), event, tool, is_anchor }
}

impl Story {
    pub(crate) fn new(run: u32) -> Self {
        Story {
            run,
            lanes: Lanes::default(),
            kept: Vec::new(),
            attempts: 0,
            pieces: Pieces::default(),
            losses: 0,
            ending: None,
        }
    }

    /// Events are lost here.
    pub(crate) fn loss(&mut self) {
        self.losses += 1;
    }

    /// A lifecycle action begins or ends.
    pub(crate) fn lifecycle(&mut self, seq: u64, event: &'static str) {
        self.pieces.push(piece(seq, event, None, true));
    }

    pub(crate) fn begin(&mut self, lane: SpanNo, seq: u64) -> Which {
        self.attempts += 1;
        let attempt = Attempt::new(self.attempts, seq, self.pieces.total(), self.losses);
        self.lanes.begin(lane, attempt)
    }

    pub(crate) fn change<'k>(&'k mut self, which: Which, now: &Now<'_>) -> Option<&'k mut Known> {
        self.lanes.touch(which, now.seq);
        Some(self.lanes.get_mut(which)?.change(now.seq, now.actions))
    }

    /// The attempt that goes on and is about this generation.
    pub(crate) fn of_generation(&self, span: SpanNo) -> Option<Which> {
        self.lanes.find(false, |attempt| attempt.generation == Some(span))
    }

    /// The span whose id this is, or that and `#` and more.
    pub(crate) fn span_of_id(id: &str, spans: &Spans) -> Option<SpanNo> {
        let whole = spans.ids.find(id);
        whole.or_else(|| spans.ids.find(id.rsplit_once('#')?.0))
    }

    /// The attempt that evidence is about. `None`: the run as a whole.
    fn about(
        &mut self,
        what: Option<What>,
        id: Option<&str>,
        is_candidate: bool,
        now: &Now<'_>,
    ) -> Option<Which> {
        let id = id.filter(|id| (1..=ID_MAX).contains(&id.len()));
        let may_begin = (what.is_some() || is_candidate)
            && !matches!(what, Some(What::Retry | What::Recovery | What::CleanUp));
        let Some(id) = id else {
            return match self.lanes.newest() {
                Some(newest) => Some(self.renewed(newest, what, is_candidate, now)),
                None if what == Some(What::AttemptStarted) => Some(self.started(None, now)),
                None => may_begin.then(|| self.begin(NONE, now.seq)),
            };
        };
        if let Some(known) = self.lanes.find(true, |attempt| attempt.id.as_deref() == Some(id)) {
            return Some(if known.is_current() {
                self.renewed(known, what, is_candidate, now)
            } else {
                known
            });
        }
        if what == Some(What::AttemptStarted) {
            return Some(self.started(Some(id), now));
        }
        if self.lanes.is_over(id) {
            return None;
        }
        // Its start is not known. It may be that of a generation that goes on.
        let mate = Self::span_of_id(id, now.spans).and_then(|span| self.of_generation(span)).or_else(|| {
            let newest = self.lanes.newest()?;
            self.lanes.get(newest).is_some_and(|newest| newest.generation_is_open).then_some(newest)
        });
        if let Some(mate) = mate.filter(|mate| self.lanes.get(*mate).is_some_and(|mate| mate.id.is_none())) {
            self.name(mate, id);
            return Some(mate);
        }
        may_begin.then(|| {
            let begun = self.begin(NONE, now.seq);
            self.name(begun, id);
            begun
        })
    }

    fn name(&mut self, which: Which, id: &str) {
        if let Some(attempt) = self.lanes.get_mut(which) {
            attempt.id = Some(id.into());
        }
    }

    /// The attempt, or the next one of the same id when this one is tried again.
    fn renewed(&mut self, which: Which, what: Option<What>, is_candidate: bool, now: &Now<'_>) -> Which {
        let Some(attempt) = self.lanes.get(which) else { return which };
        let starts = what == Some(What::AttemptStarted);
        let known = &attempt.known;
        // Without an id, a start is another one when something has come of the one before; with an id, when that is over.
        let is_over = known.completed || (attempt.id.is_none() && known.declared && attempt.has_moved);
        let again = (starts && (attempt.strong.is_some() || is_over))
            || (attempt.is_retried && (starts || is_candidate || what.is_some_and(is_progress)));
        if !again {
            return which;
        }
        let (id, generation, open) = (attempt.id.clone(), attempt.generation, attempt.generation_is_open);
        let begun = self.begin(self.lanes.key(which), now.seq);
        if let Some(attempt) = self.lanes.get_mut(begun) {
            (attempt.id, attempt.generation, attempt.generation_is_open) = (id, generation, open);
            // A retry says that it starts.
            (attempt.known.started, attempt.known.declared) = (true, true);
        }
        begun
    }

    /// An attempt starts whose id is not known.
    fn started(&mut self, id: Option<&str>, now: &Now<'_>) -> Which {
        let by_id =
            id.and_then(|id| Self::span_of_id(id, now.spans)).and_then(|span| self.of_generation(span));
        let mate = by_id.or_else(|| {
            let newest = self.lanes.newest()?;
            self.lanes.get(newest).is_some_and(|newest| newest.generation_is_open).then_some(newest)
        });
        let Some((mate, with)) = mate.and_then(|mate| Some((mate, self.lanes.get(mate)?))) else {
            let begun = self.begin(NONE, now.seq);
            id.into_iter().for_each(|id| self.name(begun, id));
            return begun;
        };
        if with.id.is_none() && with.strong.is_none() {
            id.into_iter().for_each(|id| self.name(mate, id));
            return mate;
        }
        let (generation, open) = (with.generation, with.generation_is_open);
        let begun = self.begin(self.lanes.key(mate), now.seq);
        if let Some(attempt) = self.lanes.get_mut(begun) {
            (attempt.generation, attempt.generation_is_open) = (generation, open);
        }
        id.into_iter().for_each(|id| self.name(begun, id));
        begun
    }

    /// Takes in a piece of evidence. Returns attempts that have recovered by it.
    pub(crate) fn evidence(&mut self, e: &Evidence<'_>, now: &Now<'_>) -> Vec<Attempt> {
        let what = What::from_name(&e.event);
        let from_clean_up = what == Some(What::CleanUp) || e.source == What::CleanUp.as_str();
        let named = named(e, what, from_clean_up);
        let is_anchor = named.is_some() || from_clean_up;
        let name = what.map_or("other", What::as_str);
        let tool = e.tool.as_deref().map(tool_label);
        let piece = piece(now.seq, name, tool, is_anchor);
        if self.ending.is_some() {
            // It comes too late to say anything; it is listed.
            let id = e.attempt_id.as_deref();
            let known = id.and_then(|id| self.lanes.find(true, |attempt| attempt.id.as_deref() == Some(id)));
            match known.and_then(|which| self.lanes.get_mut(which)) {
                Some(attempt) => attempt.pieces.push(piece),
                None => self.pieces.push(piece),
            }
            return Vec::new();
        }
        let Some(which) = self.about(what, e.attempt_id.as_deref(), named.is_some(), now) else {
            self.pieces.push(piece);
            return Vec::new();
        };
        if what == Some(What::Recovery) {
            return self.recovered(which, piece, now);
        }
        let besides = self.besides(which);
        let Some(attempt) = self.lanes.get_mut(which) else { return Vec::new() };
        // Judged in front of what it changes: a tool that fails has run until then.
        let mut facts = attempt.known.facts(besides);
        let known = attempt.change(now.seq, now.actions);
        known.evidenced |= what.is_some_and(|what| what != What::CleanUp);
        let ran = match what {
            Some(What::AttemptStarted) => {
                (known.started, known.declared) = (true, true);
                None
            }
            Some(What::AttemptCompleted) => {
                (known.completed, known.progress) = (true, true);
                None
            }
            Some(What::ProviderProgress) => {
                known.progress = true;
                None
            }
            Some(What::VisibleOutput) => {
                known.show(e.output);
                None
            }
            Some(what) if is_of_a_tool(what) => {
                // What clean-up says of a tool is no progress.
                known.progress |= !from_clean_up && named.is_none();
                known.tool(what, e.tool.as_deref(), Doing::of(e.effect.as_deref()))
            }
            _ => None,
        };
        attempt.is_retried |= what == Some(What::Retry);
        attempt.has_moved &= what != Some(What::AttemptStarted);
        if let Some(named) = named {
            let after = attempt.known.facts(besides);
            // What the evidence itself shows to be missing counts, but for the tool that it ends.
            facts.missing = if ran.is_some() { facts.missing } else { after.missing };
            if !named.cause.is_of_a_tool() || ran.is_some() {
                let candidate = candidate_of(&named, e, facts, piece.clone(), ran.as_ref());
                keep(attempt, candidate, named.is_strong, now, besides);
            }
        }
        attempt.pieces.push(piece);
        let is_progress = what.is_some_and(is_progress) && !from_clean_up;
        let of_tool = what.filter(|what| is_of_a_tool(*what)).map(|_| Key::named(e.tool.as_deref()));
        if !is_progress {
            return Vec::new();
        }
        if what == Some(What::AttemptCompleted) {
            self.recovers(which)
        } else {
            self.progress(which, of_tool.as_ref())
        }
    }

    /// What is missing of every account of this attempt.
    pub(crate) fn besides(&self, which: Which) -> Missing {
        let mut missing = Missing::default();
        missing.add(Missing::ATTEMPTS, self.lanes.omitted);
        let lost = self.lanes.get(which).is_some_and(|attempt| self.losses > attempt.run_losses);
        missing.add(Missing::ORDERING, lost);
        missing
    }

    /// An attempt makes progress: what failed before it in its lane has recovered.
    pub(crate) fn progress(&mut self, which: Which, of_tool: Option<&Key>) -> Vec<Attempt> {
        let Some(attempt) = self.lanes.get_mut(which) else { return Vec::new() };
        attempt.has_moved = true;
        if attempt.strong.is_some() || !which.is_current() {
            return Vec::new();
        }
        let about_it = |weak: &Candidate| match (&weak.tool, of_tool) {
            (Some((key, ..)), Some(of)) => key == of,
            (Some(_), None) => false,
            (None, _) => true,
        };
        attempt.weak = attempt.weak.take().filter(about_it);
        self.recovers(which)
    }

    /// What waits in the lane of an attempt that goes well has recovered.
    pub(crate) fn recovers(&mut self, which: Which) -> Vec<Attempt> {
        let goes_well = self.lanes.get(which).is_some_and(|attempt| attempt.strong.is_none());
        if goes_well && which.is_current() && self.lanes.has_waiting(which) {
            self.lanes.recover_waiting(which)
        } else {
            Vec::new()
        }
    }

    fn recovered(&mut self, which: Which, piece: Piece, now: &Now<'_>) -> Vec<Attempt> {
        let mut recovered = self.lanes.recover_waiting(which);
        let Some(attempt) = self.lanes.get_mut(which) else {
            self.pieces.push(piece);
            return recovered;
        };
        attempt.change(now.seq, now.actions).evidenced = true;
        attempt.pieces.push(piece);
        if attempt.candidate().is_some() {
            recovered.push(attempt.clone());
            (attempt.strong, attempt.weak) = (None, None);
        }
        recovered
    }

    /// How things stood at a place of the log.
    fn standing(&self, place: u64) -> Standing {
        let before = self.lanes.all().filter(|attempt| attempt.begun <= place);
        let attempt = before.max_by_key(|attempt| attempt.number);
        let mut besides = Missing::default();
        besides.add(Missing::ATTEMPTS, self.lanes.omitted);
        let lost = attempt.map_or(self.losses > 0, |attempt| self.losses > attempt.run_losses);
        besides.add(Missing::ORDERING, lost);
        Standing {
            attempt: attempt.map(|attempt| attempt.number),
            facts: attempt.map_or(Facts::of_nothing(besides), |attempt| attempt.facts_at(place, besides)),
            running: attempt.and_then(|attempt| attempt.known.running()),
        }
    }

    pub(crate) fn ending(&self, how: How, piece: Piece, cover: Option<Cover>) -> Ending {
        let action = cover.as_ref().and_then(|cover| cover.action.as_ref());
        Ending {
            how,
            standing: self.standing(u64::MAX),
            at_action: action.map(|action| self.standing(action.seq)),
            is_busy: self.lanes.current().any(|(_, attempt)| attempt.known.is_unfinished()),
            piece,
            cover,
        }
    }

    /// The run stops, unless it has already. Returns attempts that have recovered by that.
    pub(crate) fn stop(
        &mut self,
        how: How,
        seq: u64,
        event: &'static str,
        cover: Option<Cover>,
    ) -> Vec<Attempt> {
        let piece = piece(seq, event, None, true);
        self.pieces.push(piece.clone());
        if self.ending.is_some() {
            return Vec::new();
        }
        let mut recovered = Vec::new();
        if how == How::Completed {
            recovered = self.lanes.recover_all_waiting();
            for which in self.lanes.current().map(|(which, _)| which).collect::<Vec<_>>() {
                if let Some(attempt) = self.lanes.get_mut(which) {
                    attempt.weak = attempt.weak.take().filter(|weak| weak.tool.is_none());
                    if attempt.candidate().is_some() {
                        recovered.push(attempt.clone());
                    }
                    (attempt.strong, attempt.weak) = (None, None);
                }
            }
        }
        self.ending = Some(self.ending(how, piece, cover));
        recovered
    }

    /// Another run goes on: of this one is kept what its incident needs.
    pub(crate) fn close(&mut self, cover: Option<Cover>) {
        if self.ending.is_none() {
            let nothing = Piece { seq: None, event: "crashed", tool: None, is_anchor: true };
            self.ending = Some(self.ending(How::Broken, nothing, cover));
        }
        let candidates = || self.lanes.all().filter_map(|attempt| Some((attempt.candidate()?, attempt)));
        let first = |is_strong: bool| {
            let of = candidates().filter(|(_, attempt)| attempt.strong.is_some() == is_strong);
            of.min_by_key(|(candidate, _)| candidate.place).map(|(_, attempt)| attempt.number)
        };
        let standing = self.ending.iter().flat_map(|ending| {
            [ending.standing.attempt, ending.at_action.as_ref().and_then(|standing| standing.attempt)]
        });
        let wanted: Vec<u64> = [first(true), first(false)].into_iter().chain(standing).flatten().collect();
        self.kept = self.lanes.keep_only(|attempt| wanted.contains(&attempt.number));
    }

    /// The attempts of which something is still known.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.lanes.all().chain(&self.kept)
    }
}
