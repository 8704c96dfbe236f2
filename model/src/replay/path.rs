//! Walking: choosing the next step of the model, having it taken, and comparing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use stateright::Model;
use tracewal_engine::SegmentFiles;
use tracewal_format::log::{Reading, segment_file};
use tracewal_format::segment::{CLAIM, CLAIMS_AT};

use super::gate::Stop;
use super::observed::{Observed, session};
use super::process::{Answer, Order, Process};
use crate::actor::{Actor, Part, Writer};
use crate::protocol::{Action, Protocol, State};
use crate::step::Step;
use crate::world::{Process as Number, Who};

/// What was walked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Paths.
    pub paths: u64,
    /// Steps of the model.
    pub steps: u64,
    /// How often files and model were compared.
    pub compared: u64,
    /// Processes that were killed on the way; those at the ends of paths apart.
    pub kills: u64,
}

/// The store did what the model does not say.
#[derive(Debug)]
pub struct Failure {
    /// Replays the path.
    pub seed: u64,
    /// The steps up to there.
    pub path: Vec<Action>,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        self.path.iter().try_for_each(|action| writeln!(f, "  {action:?}"))
    }
}

impl std::error::Error for Failure {}

/// Walks one path in an empty folder. The process must have one thread: it forks.
///
/// # Errors
/// What the store did that the model does not say.
pub fn replay(protocol: &Protocol, store: &Path, seed: u64, report: &mut Report) -> Result<(), Failure> {
    let state = protocol.init_states().pop();
    let state =
        state.ok_or_else(|| Failure { seed, path: Vec::new(), what: "there is no beginning".to_owned() })?;
    let mut walk = Walk { protocol, store, state, processes: HashMap::new(), path: Vec::new() };
    let walked = walk.go(&mut Random(seed), report);
    for (_, process) in walk.processes.drain() {
        process.kill();
    }
    let walked = walked.and_then(|()| walk.afterwards());
    report.paths += 1;
    report.compared += 1;
    report.steps += u64::try_from(walk.path.len()).unwrap_or(0);
    walked.map_err(|what| Failure { seed, path: walk.path, what })
}

/// The same seed walks the same path: SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        usize::try_from(z % u64::try_from(n.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}

struct Walk<'p> {
    protocol: &'p Protocol,
    store: &'p Path,
    state: State,
    processes: HashMap<Number, Process>,
    path: Vec<Action>,
}

impl Walk<'_> {
    fn go(&mut self, random: &mut Random, report: &mut Report) -> Result<(), String> {
        // Some paths stop in the middle, where everybody then dies.
        for _ in 0..5 + random.below(120) {
            let choices = self.choices();
            let Some(action) = choices.get(random.below(choices.len())).copied() else { break };
            match action {
                Action::Take(who, step) => self.take(who, step)?,
                // Rarer than going on.
                Action::Kill(number) if random.below(12) == 0 => {
                    report.kills += 1;
                    self.advance(action)?;
                    if let Some(process) = self.processes.remove(&number) {
                        process.kill();
                    }
                }
                _ => continue,
            }
            report.compared += 1;
            self.compare("after this")?;
        }
        Ok(())
    }

    /// What the model may do next, as far as it can be had from outside.
    fn choices(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        self.protocol.actions(&self.state, &mut actions);
        actions.retain(|action| match action {
            Action::Kill(_) => true,
            Action::Take(who, step) => self.can_be_had(*who, *step),
            _ => false,
        });
        actions
    }

    /// A recovery that sees no owner entry asks for no lock; and it waits for a view's lock behind no door, and not for ever.
    fn can_be_had(&self, who: Who, step: Step) -> bool {
        if step == Step::Rest || self.part(who) != Some(Part::Recoverer) {
            return step != Step::Rest;
        }
        let (world, next) = (&self.state.world, self.actor(who).next);
        let sees_nothing = next == Step::Idle && world.owner.is_none();
        let may_wait = matches!(next, Step::Idle | Step::LockOwner | Step::CommitTail);
        !(sees_nothing || may_wait && world.view_lock.is_some())
    }

    fn actor(&self, who: Who) -> Actor {
        self.state.actors.get(usize::from(who)).copied().unwrap_or_else(Actor::idle)
    }

    fn part(&self, who: Who) -> Option<Part> {
        self.protocol.cast.get(usize::from(who)).map(|member| member.part)
    }

    fn number(&self, who: Who) -> Number {
        self.protocol.cast.get(usize::from(who)).map_or(0, |member| member.process)
    }

    fn advance(&mut self, action: Action) -> Result<(), String> {
        self.path.push(action);
        let next = self.protocol.next_state(&self.state, action);
        self.state = next.ok_or_else(|| format!("the model does not go on by {action:?}"))?;
        Ok(())
    }

    /// Has one step taken, and those behind it that have no door.
    fn take(&mut self, who: Who, step: Step) -> Result<(), String> {
        if step == Step::ClaimSlot {
            self.advance(Action::Take(who, step))?;
            return self.claim_slot().map_err(|e| format!("no slot can be claimed: {e}"));
        }
        let begun = self.order(who, step).map(|order| self.tell(who, order)).transpose()?;
        let answer = match (Stop::of(step), begun) {
            (Some(stop), Some(answer)) if answer != Answer::At(stop) => {
                return Err(format!("{who} should begin with {stop:?} and is {answer:?}"));
            }
            (Some(_), _) => self.tell(who, Order::Go)?,
            (None, begun) => begun.ok_or_else(|| format!("{who} is not told anything to take {step:?}"))?,
        };
        self.advance(Action::Take(who, step))?;
        while let Some(next) = self.runs_on(who) {
            self.advance(Action::Take(who, next))?;
        }
        let next = self.actor(who).next;
        let expected = Stop::of(next).map_or(Answer::Done, Answer::At);
        if answer == expected {
            Ok(())
        } else {
            Err(format!("{who} should be {expected:?} before {next:?} and is {answer:?}"))
        }
    }

    fn tell(&mut self, who: Who, order: Order) -> Result<Answer, String> {
        let failed = |e: io::Error| format!("a process does not answer: {e}");
        let process = match self.processes.entry(self.number(who)) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(Process::begin(self.store).map_err(failed)?),
        };
        process.tell(who, order).map_err(failed)
    }

    /// The actor's next step, if it is taken together with the one before.
    fn runs_on(&self, who: Who) -> Option<Step> {
        match self.actor(who).next {
            Step::Rest | Step::Idle | Step::Open => None,
            Step::Closed => Some(Step::Rest),
            // Asked without a lock first.
            next @ Step::LockOwnerToRelease if self.state.world.is_listed(self.number(who)) => Some(next),
            next => Stop::of(next).is_none().then_some(next),
        }
    }

    /// What a thread is told that has nothing to do yet.
    fn order(&self, who: Who, step: Step) -> Option<Order> {
        match (self.actor(who).next, self.part(who)?, step) {
            (Step::Idle, Part::Writer(Writer { resumes: false, .. }), _) => Some(Order::Start),
            (Step::Idle, Part::Writer(_), _) => Some(Order::Resume),
            (Step::Idle, Part::Materialiser(_), _) => Some(Order::Materialise),
            (Step::Idle, Part::Recoverer, _) => Some(Order::Recover),
            (Step::Idle, Part::Pruner, _) => Some(Order::Prune),
            (Step::Open, _, Step::Append) => Some(Order::Append),
            (Step::Open, _, Step::AppendEnding) => Some(Order::Complete),
            (Step::Open, _, Step::AppendCrash) => Some(Order::Crash),
            (Step::Open, _, Step::Close) => Some(Order::Close),
            _ => None,
        }
    }

    /// What a handler does first: the slot is claimed, which means crashed. The page is the one that it has mapped.
    fn claim_slot(&self) -> io::Result<()> {
        let folder = session(self.store);
        let log = SegmentFiles::open_log(&folder, Reading::Live)?;
        let first = log.headers().last().map_or(1, |header| header.run_first_segment);
        let file = OpenOptions::new().write(true).open(folder.join(segment_file(first)))?;
        file.write_all_at(&CLAIM.to_le_bytes(), CLAIMS_AT)
    }

    fn compare(&self, when: &str) -> Result<(), String> {
        let modelled = Observed::modelled(&self.state.world);
        let observed = Observed::of(self.store).map_err(|e| format!("the store cannot be read: {e}"))?;
        if modelled == observed {
            Ok(())
        } else {
            Err(format!("{when} the store is\n  {observed:?}\nand the model\n  {modelled:?}"))
        }
    }

    /// Everybody has been killed. One process opens the store.
    fn afterwards(&mut self) -> Result<(), String> {
        self.state.world = self.protocol.afterwards(&self.state, false);
        // In a process of its own: threads of a store here would not survive the next fork.
        let mut process = Process::begin(self.store).map_err(|e| format!("no process: {e}"))?;
        let mut answer = process.tell(Who::MAX, Order::Recover);
        while matches!(answer, Ok(Answer::At(_))) {
            answer = process.tell(Who::MAX, Order::Go);
        }
        process.kill();
        self.compare("when all have died and the store has been opened again")
    }
}
