//! The protocol as a state machine: every actor may take its next step at any time, and any process may be killed between two steps.

use stateright::{Model, Property};

use crate::actor::{Actor, Member, Part, Writer};
use crate::log::Status;
use crate::rules::Rules;
use crate::step::Step;
use crate::world::{Folder, Process, Who, World};
use crate::{materialise, prune, write};

/// Who takes part, and what is kept to.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// The actors.
    pub cast: Vec<Member>,
    /// The rules.
    pub rules: Rules,
    /// Whether processes may be killed.
    pub kills: bool,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What is shared.
    pub world: World,
    /// What each actor is at.
    pub actors: Vec<Actor>,
}

/// A transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// An actor takes a step.
    Take(Who, Step),
    /// A process is killed. A rename that one of its threads had asked for has not happened.
    Kill(Process),
    /// A process is killed. The rename that one of its threads had asked for happens first.
    KillAfterRename(Process),
    /// A rename that a killed process had asked for lands after all.
    LateRenameLands(u8),
    /// It never will.
    LateRenameIsLost(u8),
}

/// The process that recovers when all others have died.
const AFTERWARDS: Process = 7;

impl Protocol {
    fn member(&self, who: Who) -> Member {
        let afterwards = Member { part: Part::Recoverer, process: AFTERWARDS };
        self.cast.get(usize::from(who)).copied().unwrap_or(afterwards)
    }

    /// The steps that an actor may take now.
    fn steps(&self, state: &State, who: Who, me: &Actor) -> Vec<Step> {
        let (world, member) = (&state.world, self.member(who));
        let open_here = world.open.filter(|open| open.process == member.process && open.listed);
        let when = |may: bool, step: Step| if may { vec![step] } else { vec![] };
        match (me.next, member.part) {
            (Step::Rest, _) => vec![],
            (Step::Idle, Part::Writer(writer)) => {
                when(!writer.resumes || world.folder == Folder::There, Step::LockOwner)
                    .into_iter()
                    .filter(|_| world.owner_lock.is_none())
                    .collect()
            }
            (Step::Idle, Part::Syncer) => when(
                open_here.is_some_and(|open| open.leader.is_none() && open.durable < last_event(world)),
                Step::AwaitDurable,
            ),
            (Step::Idle, Part::Handler) => when(open_here.is_some_and(|open| open.placed), Step::ClaimSlot),
            (Step::Idle, Part::Materialiser(_)) => {
                when(world.folder == Folder::There && self.is_free(world), Step::LockView)
            }
            (Step::Idle, Part::Recoverer) if world.is_listed(member.process) => vec![],
            (Step::Idle, Part::Recoverer) => match world.owner_lock {
                None => vec![Step::LockOwner],
                Some(_) => when(!self.rules.recovery_waits, Step::Rest),
            },
            (Step::Idle, Part::Pruner) => {
                when(world.folder == Folder::There && world.view_lock.is_none(), Step::LockView)
            }
            (Step::LockView, _) => when(self.is_free(world), Step::LockView),
            (Step::TryLockView, _) => {
                vec![if self.is_free(world) { Step::LockView } else { Step::Rest }]
            }
            // A closing thread waits for the sync that is under way.
            (Step::SyncSealed, _) => when(world.open.is_none_or(|open| open.leader.is_none()), me.next),
            // A session that is live is not asked about under the lock.
            (Step::LockOwner | Step::LockOwnerToRelease, _) => when(world.owner_lock.is_none(), me.next),
            (Step::AwaitDurable, _) => {
                let may = world.open.is_none_or(|open| open.durable >= me.target || open.leader.is_none());
                when(may, me.next)
            }
            (Step::Open, Part::Writer(writer)) => open_choices(writer, me),
            (Step::Closed, Part::Writer(writer)) => {
                let mut steps = when(writer.panics && world.owner_lock.is_none(), Step::LockOwner);
                steps.push(Step::Rest);
                steps
            }
            (next, _) => vec![next],
        }
    }

    fn is_free(&self, world: &World) -> bool {
        !self.rules.one_materialiser || world.view_lock.is_none()
    }

    /// Takes a step of an actor.
    pub fn take(&self, world: &mut World, who: Who, me: &mut Actor, step: Step) {
        let Member { part, process } = self.member(who);
        let rules = &self.rules;
        match (step, part) {
            (Step::Rest, _) => me.next = Step::Rest,
            (Step::ClaimSlot, _) => {
                if let Some(open) = world.open {
                    world.log.claim_slot(open.run);
                }
                me.next = Step::Rest;
            }
            (
                Step::LockView | Step::LockOwner | Step::AskToPrune | Step::RemoveView | Step::MoveToTrash,
                Part::Pruner,
            ) => {
                prune::take(step, world, rules, who, process, me);
            }
            (Step::RemoveOwnerOfNone, _) => {
                world.owner = None;
                me.next = Step::UnlockOwner;
            }
            (Step::LockView, Part::Materialiser(times)) if me.next == Step::Idle => {
                me.times += 1;
                me.then = if me.times < times { Step::Idle } else { Step::Rest };
                materialise::take(step, world, rules, who, process, me);
            }
            (Step::AwaitDurable, Part::Syncer) if me.next == Step::Idle => {
                (me.target, me.when_durable) = (last_event(world), Step::Idle);
                write::take_syncing(step, world, rules, who, process, me);
            }
            (
                Step::LockOwner
                | Step::AskOwner
                | Step::AskOwnerOfClosed
                | Step::Survey
                | Step::OwnFirst
                | Step::CommitTail
                | Step::WriteOwner
                | Step::PutFolder
                | Step::BeginRun
                | Step::AppendRunStarted
                | Step::Enlist
                | Step::UnlockOwner,
                _,
            ) => write::take_opening(step, world, rules, who, process, part, me),
            (
                Step::Append
                | Step::AppendEnding
                | Step::AppendCrash
                | Step::Close
                | Step::AppendRunEnded
                | Step::CloseSegment
                | Step::SyncSealed
                | Step::LeavePlace
                | Step::Strike,
                _,
            ) => write::take_writing(step, world, me),
            (
                Step::AwaitDurable
                | Step::Cover
                | Step::SyncFiles
                | Step::AppendMark
                | Step::StoreDurable
                | Step::StandDown,
                _,
            ) => write::take_syncing(step, world, rules, who, process, me),
            _ => materialise::take(step, world, rules, who, process, me),
        }
        world.attended |= me.undisturbed
            && match part {
                Part::Recoverer => me.next == Step::Rest,
                Part::Writer(writer) => writer.resumes && me.next == Step::Open,
                _ => false,
            };
        match me.next {
            Step::Rest => *me = Actor::resting(),
            Step::Idle => *me = Actor { times: me.times, ..Actor::idle() },
            _ => {}
        }
    }

    /// Kills a process: its locks are free, and what it had in memory is gone.
    fn kill(&self, state: &mut State, process: Process, renames: bool) {
        let world = &mut state.world;
        world.dead |= 1 << process;
        world.view_by = world.view_by.filter(|by| *by != process);
        world.attended = false;
        for (who, me) in (0..).zip(state.actors.iter_mut()) {
            me.undisturbed = me.next == Step::Idle;
            if self.member(who).process != process {
                continue;
            }
            if me.next == Step::EndRename {
                let name = if self.rules.own_temporary_name { who + 1 } else { 0 };
                if self.rules.renames_outlive_processes {
                    world.late.push(name);
                } else if renames {
                    world.rename(name);
                }
            }
            for lock in [&mut world.view_lock, &mut world.owner_lock] {
                if *lock == Some(who) {
                    *lock = None;
                }
            }
            *me = Actor::resting();
        }
        if world.open.is_some_and(|open| open.process == process) {
            world.open = None;
        }
    }

    fn is_renaming(&self, state: &State, process: Process) -> bool {
        let mut actors = (0..).zip(&state.actors);
        actors.any(|(who, me)| self.member(who).process == process && me.next == Step::EndRename)
    }

    /// Everybody dies here, and one process opens the store, undisturbed.
    #[must_use]
    pub fn afterwards(&self, state: &State, renames: bool) -> World {
        let mut state = state.clone();
        for process in self.processes() {
            self.kill(&mut state, process, renames);
        }
        for name in std::mem::take(&mut state.world.late) {
            if renames {
                state.world.rename(name);
            }
        }
        let who = Who::try_from(self.cast.len()).unwrap_or(Who::MAX);
        let mut me = Actor::idle();
        // More steps than recovery has: a protocol with a rule taken away may go round for ever.
        for _ in 0..100 {
            let Some(step) = self.steps(&state, who, &me).first().copied() else { break };
            self.take(&mut state.world, who, &mut me, step);
        }
        state.world
    }

    fn processes(&self) -> Vec<Process> {
        let mut processes: Vec<Process> = self.cast.iter().map(|member| member.process).collect();
        processes.sort_unstable();
        processes.dedup();
        processes
    }
}

fn last_event(world: &World) -> u8 {
    world.log.behind_last_event()
}

fn open_choices(writer: Writer, me: &Actor) -> Vec<Step> {
    let mut steps = vec![Step::AppendEnding, Step::Close];
    if me.times < writer.appends {
        steps.push(Step::Append);
    }
    if writer.crashes && !me.crashed {
        steps.push(Step::AppendCrash);
    }
    steps
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { world: World::empty(), actors: vec![Actor::idle(); self.cast.len()] }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (who, me) in (0..).zip(&state.actors) {
            actions.extend(self.steps(state, who, me).into_iter().map(|step| Action::Take(who, step)));
        }
        for name in &state.world.late {
            actions.extend([Action::LateRenameLands(*name), Action::LateRenameIsLost(*name)]);
        }
        if !self.kills {
            return;
        }
        for process in self.processes() {
            let busy = (0..)
                .zip(&state.actors)
                .any(|(who, me)| self.member(who).process == process && !me.is_at_rest());
            if !state.world.is_dead(process) && busy {
                actions.push(Action::Kill(process));
                if !self.rules.renames_outlive_processes && self.is_renaming(state, process) {
                    actions.push(Action::KillAfterRename(process));
                }
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut state = state.clone();
        match action {
            Action::Take(who, step) => {
                let mut me = *state.actors.get(usize::from(who))?;
                self.take(&mut state.world, who, &mut me, step);
                *state.actors.get_mut(usize::from(who))? = me;
            }
            Action::Kill(process) => self.kill(&mut state, process, false),
            Action::KillAfterRename(process) => self.kill(&mut state, process, true),
            Action::LateRenameLands(name) | Action::LateRenameIsLost(name) => {
                let at = state.world.late.iter().position(|late| *late == name)?;
                state.world.late.remove(at);
                if matches!(action, Action::LateRenameLands(_)) {
                    state.world.rename(name);
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("I4: the view is absent or one whole, synced document", |_, state: &State| {
                state.world.view.is_none_or(|view| view.shows.is_some() && view.synced)
            }),
            Property::always(
                "I6: completed is shown when the ending is durable, not before",
                |_, state: &State| {
                    let World { log, view, .. } = &state.world;
                    let shows = view.and_then(|view| view.shows);
                    shows.is_none_or(|shows| {
                        log.status(shows) != Status::Completed || log.ending_is_durable(shows)
                    })
                },
            ),
            Property::always("I6: who has seen a crash leaves a view that says so", |_, state: &State| {
                !state.world.broken.gave_up_wrong
            }),
            Property::always(
                "I6: a view that says crashed never says anything else again",
                |_, state: &State| !state.world.broken.turned_back,
            ),
            Property::always("one writer at a time", |_, state: &State| !state.world.broken.intruded),
            Property::always("a session without an owner entry has its last view", |_, state: &State| {
                let world = &state.world;
                let owned = world.owner.is_some() || world.folder != Folder::There;
                owned || world.view_is_right() || (world.view.is_none() && world.view_removed)
            }),
            Property::always("a session that is gone has no view, nor a part of one", |_, state: &State| {
                let World { folder, view, temporaries, .. } = &state.world;
                *folder != Folder::Gone || (view.is_none() && temporaries.is_empty())
            }),
            Property::always("when all is quiet nothing is left to be done", |_, state: &State| {
                is_settled(state)
            }),
            Property::always(
                "whoever dies where, the next open makes it right",
                |protocol: &Protocol, state: &State| {
                    let renames: &[bool] = if state.actors.iter().any(|me| me.next == Step::EndRename)
                        || !state.world.late.is_empty()
                    {
                        &[false, true]
                    } else {
                        &[false]
                    };
                    renames.iter().all(|renames| is_right(&protocol.afterwards(state, *renames)))
                },
            ),
            Property::sometimes("a view says completed", |_, state: &State| {
                state.world.view_status() == Some(Status::Completed)
            }),
            Property::sometimes("a view says crashed", |_, state: &State| {
                state.world.view_status() == Some(Status::Crashed)
            }),
        ]
    }
}

/// Nobody is at anything. Then the owner entry is gone and the view is right, except that a session may be open, and a dead owner waits for
/// the next open. In any case, when the store has been attended to since the last death, nobody dead owns the session, and a crash shows.
fn is_settled(state: &State) -> bool {
    let world = &state.world;
    if !state.actors.iter().all(Actor::is_waiting) || !world.late.is_empty() {
        return true;
    }
    let owner_is_dead = world.owner.is_some_and(|(writer, _)| world.is_dead(writer));
    let shows_crash = world.view_status() == Some(Status::Crashed) || !world.log.has_crash_record();
    if world.attended && world.folder == Folder::There && (owner_is_dead || !shows_crash) {
        return false;
    }
    owner_is_dead || world.open.is_some() || is_right(world)
}

fn is_right(world: &World) -> bool {
    let locks = world.view_lock.is_none() && world.owner_lock.is_none();
    let view = match world.folder {
        Folder::There => world.view_is_right() || (world.view.is_none() && world.view_removed),
        Folder::Absent | Folder::Gone => world.view.is_none(),
    };
    locks && view && world.owner.is_none()
}
