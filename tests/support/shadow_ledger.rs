//! What a run asked for and was told, session by session and moment by moment: what a store has to hold after a power cut.

use std::collections::BTreeSet;

use tracewal::{Loss, LossKind, Session, SessionName};

use super::log::{Contents, Seen, What};
use super::wrong::Wrong;

/// One session, as the run that wrote it knows it. Moments are those of a shadow.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) name: SessionName,
    /// By sequence number, from 1: what was appended, and the moment before which it was not.
    attempted: Vec<(usize, What)>,
    /// From this moment on, everything through this number survives a power cut.
    durable: Vec<(usize, u64)>,
    /// Numbers that the log has said to be lost.
    lost: BTreeSet<u64>,
    /// From this moment on, the view says `crashed`.
    crashed_from: Option<usize>,
    /// When its removal was begun, and when it had returned.
    removed: Option<(usize, Option<usize>)>,
    /// It is what a power cut has left.
    is_inherited: bool,
    /// Its last run, when that has neither an ending nor an owner entry: whoever resumes it writes its crash record first.
    orphan: Option<u32>,
    /// An earlier power cut took its owner entry, and nobody knows that it was open before this number is durable.
    forgotten: Option<u64>,
}

/// What a session has to be at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Nothing of it was said to be durable, or it is being removed.
    Free,
    Present,
    Gone,
}

impl Track {
    pub(crate) fn new(name: SessionName) -> Self {
        Track {
            name,
            attempted: Vec::new(),
            durable: Vec::new(),
            lost: BTreeSet::new(),
            crashed_from: None,
            removed: None,
            is_inherited: false,
            orphan: None,
            forgotten: None,
        }
    }

    /// Of a session as it was read at a moment from which on it is durable.
    pub(crate) fn read_back(name: SessionName, contents: &Contents, moment: usize) -> Self {
        let mut track = Track::new(name);
        track.lost = numbers_lost(contents).collect();
        for seen in &contents.events {
            track.attempted.resize(seen.seq as usize - 1, (moment, What::Other));
            track.attempted.push((moment, seen.what.clone()));
        }
        let last_lost = track.lost.last().map_or(0, |seq| *seq as usize);
        track.attempted.resize(last_lost.max(track.attempted.len()), (moment, What::Other));
        track.durable.push((moment, track.last_seq()));
        let run = contents.events.last().map_or(0, |seen| seen.run);
        track.is_inherited = true;
        if !contents.has_ended(run) {
            track.orphan = Some(run);
            track.forget();
        }
        track
    }

    /// Of a session that is not there.
    pub(crate) fn gone(name: SessionName) -> Self {
        Track { removed: Some((0, None)), ..Track::new(name) }
    }

    /// How it is after a power cut at this moment and before anybody has looked at it.
    pub(crate) fn at(&self, moment: usize) -> Self {
        let mut attempted: Vec<_> = self.attempted[..self.possible(moment)].to_vec();
        attempted.iter_mut().for_each(|(from, _)| *from = 0);
        Track {
            name: self.name.clone(),
            attempted,
            durable: vec![(0, self.required(moment))],
            lost: self.lost.clone(),
            crashed_from: self.crashed_from.filter(|from| *from <= moment).map(|_| 0),
            removed: self.removed.filter(|(from, _)| *from <= moment).map(|(_, done)| (0, done.map(|_| 0))),
            is_inherited: false,
            orphan: None,
            forgotten: None,
        }
    }

    /// A power cut took its owner entry.
    pub(crate) fn forget(&mut self) {
        self.forgotten = Some(u64::MAX);
    }

    /// Whether nobody knows that it was open, if the power goes at this moment.
    pub(crate) fn is_forgotten(&self, moment: usize) -> bool {
        self.forgotten.is_some_and(|until| self.required(moment) < until)
    }

    /// It is about to be resumed.
    pub(crate) fn resume(&mut self, from: usize) {
        if let Some(run) = self.orphan.take() {
            self.attempt(from, What::Crashed(run));
        }
        self.attempt(from, What::RunStarted);
    }

    /// It has been resumed. Of a run that an earlier power cut took but for a segment without an event, nothing was known until now;
    /// it has got its crash record.
    pub(crate) fn resumed(&mut self, session: &Session) {
        if self.is_inherited && session.last_seq() == self.last_seq() + 1 {
            let (from, _) = self.attempted[self.attempted.len() - 1];
            self.attempted.insert(self.attempted.len() - 1, (from, What::Crashed(session.run() - 1)));
        }
        assert_eq!(session.last_seq(), self.last_seq());
        self.is_inherited = false;
        self.forgotten = self.forgotten.map(|_| self.last_seq());
    }

    /// The process that had it open is gone, and somebody is about to find out.
    pub(crate) fn vanish(&mut self, from: usize, run: u32) {
        if !self.attempted.iter().any(|(_, what)| *what == What::Crashed(run)) {
            self.attempt(from, What::Crashed(run));
        }
    }

    /// Something is about to be appended.
    pub(crate) fn attempt(&mut self, from: usize, what: What) {
        self.attempted.push((from, what));
    }

    /// Everything is durable from this moment on.
    pub(crate) fn durable(&mut self, moment: usize) {
        self.durable.push((moment, self.last_seq()));
    }

    pub(crate) fn crashed(&mut self, moment: usize) {
        self.crashed_from.get_or_insert(moment);
    }

    pub(crate) fn removing(&mut self, moment: usize) {
        self.removed = Some((moment, None));
    }

    pub(crate) fn removed(&mut self, moment: usize) {
        if let Some((_, done)) = &mut self.removed {
            *done = Some(moment);
        }
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.removed.is_some()
    }

    /// Whether its removal has begun at this moment.
    pub(crate) fn is_removed_at(&self, moment: usize) -> bool {
        self.removed.is_some_and(|(from, _)| from <= moment)
    }

    /// What a test has damaged, and the log says so.
    pub(crate) fn lose(&mut self, contents: &Contents) {
        self.lost.extend(numbers_lost(contents));
    }

    /// Whether the log shows damage that a test has done.
    pub(crate) fn was_damaged(&self, contents: &Contents) -> bool {
        let by_test = |loss: &Loss| {
            loss.kind != LossKind::Unsynced
                && loss.missing.is_some_and(|(first, _)| self.lost.contains(&first))
        };
        contents.losses.iter().any(by_test)
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.attempted.len() as u64
    }

    pub(crate) fn notes(&self) -> impl Iterator<Item = (u64, &str)> {
        (1..).zip(&self.attempted).filter_map(|(seq, (_, what))| match what {
            What::Note(text) if !self.lost.contains(&seq) => Some((seq, text.as_str())),
            _ => None,
        })
    }

    fn possible(&self, moment: usize) -> usize {
        self.attempted.partition_point(|(from, _)| *from <= moment)
    }

    /// Up to which number everything survives a power cut at this moment.
    pub(crate) fn required(&self, moment: usize) -> u64 {
        self.durable.iter().filter(|(from, _)| *from <= moment).map(|(_, seq)| *seq).max().unwrap_or(0)
    }

    pub(crate) fn presence(&self, moment: usize) -> Presence {
        match self.removed {
            Some((_, Some(done))) if done <= moment => Presence::Gone,
            _ if self.is_removed_at(moment) => Presence::Free,
            _ if self.required(moment) == 0 => Presence::Free,
            _ => Presence::Present,
        }
    }

    /// I6: whether its view says `crashed` after a power cut at this moment, without anybody's help.
    pub(crate) fn must_look_crashed(&self, moment: usize) -> bool {
        self.crashed_from.is_some_and(|from| from <= moment) && self.presence(moment) == Presence::Present
    }

    /// I2, I3: what a recovered log may hold after a power cut at this moment. `others_boot`: the log was written before this boot,
    /// as far as its readers can see.
    pub(crate) fn check(&self, contents: &Contents, moment: usize, others_boot: bool) -> Result<(), Wrong> {
        let possible = &self.attempted[..self.possible(moment)];
        let required = self.required(moment);
        let reported: BTreeSet<u64> = numbers_lost(contents).collect();
        let mut next = 1;
        for (place, seen) in contents.events.iter().enumerate() {
            if seen.seq < next {
                return Err(Wrong::Duplicated(1, format!("event {} comes behind {}", seen.seq, next - 1)));
            }
            if let Some(silent) = (next..seen.seq).find(|seq| !reported.contains(seq)) {
                return Err(Wrong::Lost(1, format!("event {silent} is missing and not reported")));
            }
            next = seen.seq + 1;
            let appended = usize::try_from(seen.seq - 1).ok().and_then(|at| possible.get(at));
            if appended.is_some_and(|(_, what)| *what == seen.what) && !reported.contains(&seen.seq) {
                continue;
            }
            let is_recoverys = place + 1 == contents.events.len()
                && seen.what == What::Crashed(seen.run)
                && !contents.events[..place].iter().any(|before| before.ends(seen.run));
            if !is_recoverys {
                return Err(format!("event {} was never appended: {:?}", seen.seq, seen.what).into());
            }
            if seen.seq <= required {
                let what =
                    format!("durable event {} is gone; recovery's crash record has its number", seen.seq);
                return Err(Wrong::Lost(1, what));
            }
        }
        let gone = (next..=required).filter(|seq| !self.lost.contains(seq)).count() as u64;
        if gone > 0 {
            let what = format!("durable through {required}, and the log ends at {}", next - 1);
            return Err(Wrong::Lost(gone, what));
        }
        for loss in &contents.losses {
            let Some((first, last)) = loss.missing else { continue };
            let new: Vec<u64> = (first..=last).filter(|seq| !self.lost.contains(seq)).collect();
            if let Some(seq) = new.iter().find(|seq| **seq <= required) {
                return Err(Wrong::Lost(1, format!("durable event {seq} is lost: {loss:?}")));
            }
            // A segment that is not there or has no header left cannot say of which boot it was.
            let can_tell = others_boot && loss.offset > 0;
            if can_tell && !new.is_empty() && loss.kind != LossKind::Unsynced {
                return Err(format!("what a power cut took is called something else: {loss:?}").into());
            }
        }
        Ok(())
    }
}

impl Seen {
    fn ends(&self, run: u32) -> bool {
        match self.what {
            What::Crashed(about) => about == run,
            What::RunEnded(_) | What::SessionEnded => self.run == run,
            _ => false,
        }
    }
}

impl Contents {
    /// Its last events and its losses, in a few words.
    pub(crate) fn end(&self) -> String {
        let kind = |seen: &Seen| match &seen.what {
            What::Note(_) => format!("{} note in run {}", seen.seq, seen.run),
            what => format!("{} {what:?} in run {}", seen.seq, seen.run),
        };
        let last: Vec<String> = self.events.iter().rev().take(4).rev().map(kind).collect();
        format!("... {last:?}, durable {}, lost {:?}", self.durable, self.losses)
    }

    /// The status by the table of SPEC.md section 11.1, for sessions that end with `completed` when they end.
    pub(crate) fn status_by_table(&self) -> &'static str {
        let counts =
            |seen: &&Seen| !matches!(seen.what, What::RunStarted | What::RunEnded(_) | What::Crashed(_));
        let last = self.events.iter().rev().find(counts).map(|seen| seen.run);
        let has_ended = |seen: &Seen| seen.what == What::SessionEnded && Some(seen.run) == last;
        if self.is_crashed() {
            "crashed"
        } else if self.events.iter().any(has_ended) {
            "completed"
        } else {
            "running"
        }
    }

    /// Whether a run has an ending or a crash record.
    pub(crate) fn has_ended(&self, run: u32) -> bool {
        self.events.iter().any(|seen| seen.ends(run))
    }
}

fn numbers_lost(contents: &Contents) -> impl Iterator<Item = u64> {
    contents.losses.iter().filter_map(|loss| loss.missing).flat_map(|(first, last)| first..=last)
}
