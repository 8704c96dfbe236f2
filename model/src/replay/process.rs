//! A process of the model: a forked child with a store of its own, whose threads do what they are told.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracewal_compact::{Compaction, options_with};
use tracewal_engine::{Durability, Gate, Session, SessionName, Step as Door, Store};
use tracewal_format::event::{Note, RunEndReason};

use super::gate::Stop;
use crate::world::Who;

/// The session that everything is about.
pub(super) const SESSION: &str = "s";

/// What a thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on from where it has stopped.
    Go = 1,
    Start,
    Resume,
    Append,
    Complete,
    Crash,
    Close,
    Materialise,
    Recover,
    Prune,
}

impl Order {
    const ALL: [Order; 10] = [
        Order::Go,
        Order::Start,
        Order::Resume,
        Order::Append,
        Order::Complete,
        Order::Crash,
        Order::Close,
        Order::Materialise,
        Order::Recover,
        Order::Prune,
    ];

    #[allow(clippy::as_conversions)] // A variant's number.
    fn number(self) -> u8 {
        self as u8
    }

    fn numbered(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.number() == number)
    }
}

/// What a thread has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has stopped.
    At(Stop),
    /// It has done what it was told.
    Done,
}

/// A child, seen from its parent.
pub(super) struct Process {
    pid: libc::pid_t,
    orders: File,
    answers: File,
}

impl Process {
    /// Forks. The parent must have one thread.
    pub(super) fn begin(store: &Path) -> io::Result<Self> {
        let (orders_read, orders_write) = pipe()?;
        let (answers_read, answers_write) = pipe()?;
        // SAFETY: the caller has one thread, so nothing is left half done in the child.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop((orders_write, answers_read));
                obey(store, orders_read, answers_write);
                // SAFETY: without destructors: they are the parent's.
                unsafe { libc::_exit(0) }
            }
            pid => Ok(Process { pid, orders: orders_write, answers: answers_read }),
        }
    }

    /// Tells a thread what to do, and waits until it has stopped, or is done.
    pub(super) fn tell(&mut self, who: Who, order: Order) -> io::Result<Answer> {
        self.orders.write_all(&[who, order.number()])?;
        let mut answer = [0; 2];
        self.answers.read_exact(&mut answer)?;
        let [of, stop] = answer;
        assert_eq!(of, who, "an answer of somebody who was not asked");
        Ok(Stop::numbered(stop).map_or(Answer::Done, Answer::At))
    }

    /// Kills it, and waits until its locks are gone.
    pub(super) fn kill(self) {
        // SAFETY: a child of this process that has not been waited for.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

fn pipe() -> io::Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let [read, write] = ends;
    // SAFETY: two descriptors that were just made, and are nobody else's.
    Ok(unsafe { (File::from_raw_fd(read), File::from_raw_fd(write)) })
}

type Answers = Arc<Mutex<File>>;

fn answer(answers: &Answers, who: Who, stop: u8) {
    // A parent that is gone has no questions.
    let _ = answers.lock().unwrap_or_else(PoisonError::into_inner).write_all(&[who, stop]);
}

thread_local! {
    /// What a thread that plays an actor knows of itself; other threads stop nowhere.
    static ACTOR: RefCell<Option<Acting>> = const { RefCell::new(None) };
}

struct Acting {
    who: Who,
    permits: Receiver<()>,
    answers: Answers,
    prunes: bool,
    /// It has the lock of the view.
    materialises: bool,
    /// It takes the owner lock to remove the entry, and looks at the log first.
    releases: bool,
}

impl Acting {
    /// Whether the model has no step of its own for this.
    fn passes(&mut self, stop: Stop) -> bool {
        match stop {
            Stop::LockView => (self.materialises, self.releases) = (true, false),
            Stop::LockOwner if self.materialises => self.releases = true,
            // The last look is taken together with the owner lock.
            Stop::ReadLog if std::mem::take(&mut self.releases) => return true,
            Stop::ReadLog => return !self.materialises,
            Stop::SyncTraces => return self.prunes,
            _ => {}
        }
        false
    }
}

struct Doorkeeper;

impl Gate for Doorkeeper {
    fn before(&self, step: Door<'_>) -> io::Result<()> {
        let Some(stop) = Stop::at(step) else { return Ok(()) };
        ACTOR.with_borrow_mut(|actor| {
            if let Some(actor) = actor.as_mut()
                && !actor.passes(stop)
            {
                answer(&actor.answers, actor.who, stop.number());
                let _ = actor.permits.recv();
            }
        });
        Ok(())
    }
}

/// The child: does what it is told until it is killed.
fn obey(path: &Path, mut orders: File, answers: File) {
    let answers: Answers = Arc::new(Mutex::new(answers));
    let options = options_with(Compaction::OnDemand)
        .durability(Durability::Interval(Duration::from_secs(3600)))
        .segment_sizes(16 << 10, 16 << 10)
        .recover(false)
        .gate(Arc::new(Doorkeeper));
    let Ok(store) = options.open(path) else { return };
    let session: Arc<Mutex<Option<Session>>> = Arc::default();
    let mut permits: HashMap<Who, Sender<()>> = HashMap::new();
    let mut order = [0; 2];
    while orders.read_exact(&mut order).is_ok() {
        let [who, order] = order;
        match Order::numbered(order) {
            None => return,
            Some(Order::Go) => {
                if let Some(permit) = permits.get(&who) {
                    let _ = permit.send(());
                }
            }
            Some(order) => {
                let (permit, waiting) = channel();
                permits.insert(who, permit);
                let (store, session, answers) = (store.clone(), session.clone(), answers.clone());
                std::thread::spawn(move || {
                    ACTOR.set(Some(Acting {
                        who,
                        permits: waiting,
                        answers: answers.clone(),
                        prunes: order == Order::Prune,
                        materialises: false,
                        releases: false,
                    }));
                    act(order, &store, &session);
                    ACTOR.set(None);
                    answer(&answers, who, 0);
                });
            }
        }
    }
}

fn act(order: Order, store: &Store, session: &Mutex<Option<Session>>) {
    let open = || session.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let keep = |opened: Option<Session>| *session.lock().unwrap_or_else(PoisonError::into_inner) = opened;
    let take = || session.lock().unwrap_or_else(PoisonError::into_inner).take();
    let name: Option<SessionName> = store.find(SESSION).ok();
    // That something is refused is part of the path; what came of it is seen in the files.
    match order {
        Order::Go => {}
        Order::Start => keep(store.session(SESSION).start().ok()),
        Order::Resume => keep(store.session(SESSION).resume().ok()),
        Order::Append => drop(open().map(|session| session.append(Note::new("x")))),
        Order::Crash => drop(open().map(|session| session.crash("x"))),
        Order::Complete => drop(take().map(Session::complete)),
        Order::Close => drop(take().map(|session| session.close(RunEndReason::Closed))),
        Order::Materialise => drop(name.map(|name| store.materialise(&name))),
        Order::Recover => drop(store.recover()),
        Order::Prune => drop(name.map(|name| store.remove(&name))),
    }
}
