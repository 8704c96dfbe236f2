//! The actors: threads of processes, each with a part to play, and what each remembers.

use crate::log::{Look, Run};
use crate::step::Step;
use crate::world::Process;

/// What an actor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Opens the session and writes to it.
    Writer(Writer),
    /// Syncs in the background.
    Syncer,
    /// A signal handler.
    Handler,
    /// Materialises, so many times: the compactor, the watcher of a dying process, or a command.
    Materialiser(u8),
    /// Opens the store, which recovers what dead writers left.
    Recoverer,
    /// Removes the session.
    Pruner,
}

/// What a writer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Writer {
    /// It resumes the session; else it starts it.
    pub resumes: bool,
    /// Events that it may append.
    pub appends: u8,
    /// It may record a crash, and go on.
    pub crashes: bool,
    /// It may be closed by a panic of which the process then dies.
    pub panics: bool,
}

/// An actor's part and process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// What it does.
    pub part: Part,
    /// Of which process it is a thread.
    pub process: Process,
}

/// What an actor remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The step that it takes next.
    pub next: Step,
    /// Where it goes on when it has materialised.
    pub then: Step,
    /// Where it goes on when what it waits for is durable.
    pub when_durable: Step,
    /// Where it goes on when it has given up the owner lock.
    pub when_unlocked: Step,
    /// What it has seen of the log.
    pub look: Look,
    /// What the view shows that it has written.
    pub wrote: Option<Look>,
    /// A crash had been recorded when it last looked.
    pub crash_was_there: bool,
    /// The session was live when it asked.
    pub live: bool,
    /// What it could not do leaves the view as it is.
    pub failed: bool,
    /// The run that it opens, or has to record the crash of.
    pub run: Option<Run>,
    /// It has taken the session over from somebody who had died.
    pub took_over: bool,
    /// Nobody has died since it began.
    pub undisturbed: bool,
    /// Records up to which it waits to be durable.
    pub target: u8,
    /// Records that its sync covers.
    pub covered: u8,
    /// How often it has done what it may do a number of times.
    pub times: u8,
    /// It has appended an ending.
    pub ended: bool,
    /// It has recorded a crash.
    pub crashed: bool,
}

impl Actor {
    /// Before anything is done.
    #[must_use]
    pub fn idle() -> Self {
        Actor {
            next: Step::Idle,
            then: Step::Rest,
            when_durable: Step::Rest,
            when_unlocked: Step::Rest,
            look: Look::default(),
            wrote: None,
            crash_was_there: false,
            live: false,
            failed: false,
            run: None,
            took_over: false,
            undisturbed: true,
            target: 0,
            covered: 0,
            times: 0,
            ended: false,
            crashed: false,
        }
    }

    /// It does nothing any more, and what it remembers does not matter.
    #[must_use]
    pub fn resting() -> Self {
        Actor { next: Step::Rest, ..Actor::idle() }
    }

    /// Whether it is in the middle of something.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        matches!(self.next, Step::Rest | Step::Idle)
    }

    /// Whether nothing happens unless somebody wants it.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.is_at_rest() || matches!(self.next, Step::Open | Step::Closed)
    }

    /// Begins to materialise, and goes on with `then`.
    #[must_use]
    pub fn materialise(self, then: Step) -> Self {
        Actor { next: Step::LockView, then, ..self }
    }
}
