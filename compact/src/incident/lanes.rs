//! The attempts of a run, side by side in lanes: which one something is about, and which have recovered (SPEC.md section 11.9).

use std::collections::VecDeque;

use super::attempt::Attempt;
use crate::ids::SpanNo;
use crate::spans::NONE;

const LANES: usize = 64;
/// Attempts of a lane that wait to be known as recovered: the first and the newest.
const WAITING: usize = 8;
/// Ids of attempts that are over, by which late evidence is known.
const OVER: usize = 64;

/// The attempts of one lane.
#[derive(Debug)]
struct Lane {
    key: SpanNo,
    current: Attempt,
    waiting: Vec<Attempt>,
    /// When something was last said of it.
    touched: u64,
}

/// Where an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Which {
    lane: usize,
    /// `None`: the lane's current one.
    waiting: Option<usize>,
}

impl Which {
    /// It goes on.
    pub(crate) fn is_current(self) -> bool {
        self.waiting.is_none()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    over: VecDeque<Box<str>>,
    /// Something was given up.
    pub(crate) omitted: bool,
}

impl Lanes {
    pub(crate) fn get(&self, which: Which) -> Option<&Attempt> {
        let lane = self.lanes.get(which.lane)?;
        which.waiting.map_or(Some(&lane.current), |at| lane.waiting.get(at))
    }

    pub(crate) fn get_mut(&mut self, which: Which) -> Option<&mut Attempt> {
        let lane = self.lanes.get_mut(which.lane)?;
        which.waiting.map_or(Some(&mut lane.current), |at| lane.waiting.get_mut(at))
    }

    pub(crate) fn touch(&mut self, which: Which, seq: u64) {
        if let Some(lane) = self.lanes.get_mut(which.lane) {
            lane.touched = seq;
        }
    }

    pub(crate) fn key(&self, which: Which) -> SpanNo {
        self.lanes.get(which.lane).map_or(NONE, |lane| lane.key)
    }

    /// Those that go on.
    pub(crate) fn current(&self) -> impl Iterator<Item = (Which, &Attempt)> {
        let which = |lane| Which { lane, waiting: None };
        self.lanes.iter().enumerate().map(move |(at, lane)| (which(at), &lane.current))
    }

    /// Those that go on or wait.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Attempt> {
        self.lanes.iter().flat_map(|lane| std::iter::once(&lane.current).chain(&lane.waiting))
    }

    /// The one that was begun last.
    pub(crate) fn newest(&self) -> Option<Which> {
        self.current().max_by_key(|(_, attempt)| attempt.number).map(|(which, _)| which)
    }

    /// The newest one of which this holds, among those that go on and, if that is asked for, those that wait.
    pub(crate) fn find(&self, with_waiting: bool, of: impl Fn(&Attempt) -> bool) -> Option<Which> {
        let mut found: Option<(u64, Which)> = None;
        for (at, lane) in self.lanes.iter().enumerate() {
            let waiting: &[Attempt] = if with_waiting { &lane.waiting } else { &[] };
            let waiting = waiting.iter().enumerate().map(|(n, attempt)| (Some(n), attempt));
            for (waiting, attempt) in std::iter::once((None, &lane.current)).chain(waiting) {
                if of(attempt) && found.is_none_or(|(number, _)| attempt.number > number) {
                    found = Some((attempt.number, Which { lane: at, waiting }));
                }
            }
        }
        found.map(|(_, which)| which)
    }

    /// An id of an attempt that neither goes on nor waits.
    pub(crate) fn is_over(&self, id: &str) -> bool {
        self.over.iter().any(|over| **over == *id)
    }

    /// An attempt takes the place of the one that goes on in its lane.
    pub(crate) fn begin(&mut self, key: SpanNo, attempt: Attempt) -> Which {
        let touched = attempt.begun;
        if let Some(at) = self.lanes.iter().position(|lane| lane.key == key) {
            if let Some(lane) = self.lanes.get_mut(at) {
                lane.touched = touched;
                let before = std::mem::replace(&mut lane.current, attempt);
                self.supersede(at, before);
            }
            return Which { lane: at, waiting: None };
        }
        if self.lanes.len() >= LANES
            && let Some(oldest) =
                (0..self.lanes.len()).min_by_key(|at| self.lanes.get(*at).map(|l| l.touched))
        {
            self.omitted = true;
            let lane = self.lanes.swap_remove(oldest);
            self.forget(&lane.current);
            lane.waiting.iter().for_each(|attempt| self.forget(attempt));
        }
        self.lanes.push(Lane { key, current: attempt, waiting: Vec::new(), touched });
        Which { lane: self.lanes.len() - 1, waiting: None }
    }

    fn supersede(&mut self, at: usize, mut before: Attempt) {
        // A tool that failed is what models read every day. A call of the model that failed is not.
        before.weak = before.weak.take().filter(|weak| weak.tool.is_none());
        if before.candidate().is_none() {
            self.forget(&before);
            return;
        }
        let Some(lane) = self.lanes.get_mut(at) else { return };
        lane.waiting.push(before);
        if lane.waiting.len() > WAITING {
            let given_up = lane.waiting.remove(1);
            self.omitted = true;
            self.forget(&given_up);
        }
    }

    fn forget(&mut self, attempt: &Attempt) {
        if let Some(id) = &attempt.id {
            self.over.push_back(id.clone());
            if self.over.len() > OVER {
                self.over.pop_front();
            }
        }
    }

    /// All that wait in a lane have recovered. The oldest first.
    pub(crate) fn recover_waiting(&mut self, which: Which) -> Vec<Attempt> {
        let Some(lane) = self.lanes.get_mut(which.lane) else { return Vec::new() };
        let recovered = std::mem::take(&mut lane.waiting);
        recovered.iter().for_each(|attempt| self.forget(attempt));
        recovered
    }

    pub(crate) fn has_waiting(&self, which: Which) -> bool {
        self.lanes.get(which.lane).is_some_and(|lane| !lane.waiting.is_empty())
    }

    /// Everywhere. The oldest first.
    pub(crate) fn recover_all_waiting(&mut self) -> Vec<Attempt> {
        let lanes = 0..self.lanes.len();
        let mut recovered: Vec<Attempt> =
            lanes.flat_map(|lane| self.recover_waiting(Which { lane, waiting: None })).collect();
        recovered.sort_by_key(|attempt| attempt.number);
        recovered
    }

    /// The run is over: of its attempts only these are still asked for.
    pub(crate) fn keep_only(&mut self, wanted: impl Fn(&Attempt) -> bool) -> Vec<Attempt> {
        let lanes = std::mem::take(&mut self.lanes);
        let all = lanes.into_iter().flat_map(|lane| std::iter::once(lane.current).chain(lane.waiting));
        all.filter(wanted).collect()
    }
}
