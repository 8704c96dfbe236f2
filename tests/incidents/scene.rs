//! What the rows share: stores and sessions to begin with, views to look at, and processes that have died.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use crate::support::board::Board;
use crate::support::child::{Child, QUIET};
use crate::support::door::is_view;
use crate::support::log::names;
use crate::support::trials::folder;
use serde_json::Value;
use tracewal::event::{EndStatus, Event, SessionEnded, Span, SpanKind};
use tracewal::{Compaction, Item, Options, Reading, Session, Store, Time, Tokens};

/// Views at endings, crashes and flushes alone: what is written when is the test's to say.
pub(crate) fn on_demand() -> Options {
    tracewal::options_with(Compaction::OnDemand)
}

/// A session with one finished turn in it.
pub(crate) fn begin(store: &Store, id: &str) -> Session {
    let session = store.session(id).title("an incident").start().unwrap();
    turn(&session);
    session
}

/// A generation that calls a tool.
pub(crate) fn turn(session: &Session) {
    let call = session.generation("chat").model("m").start().unwrap();
    call.text("Let me look.").unwrap();
    call.tool("bash").input("make test").start().unwrap().end().output("1 test failed").finish().unwrap();
    let tokens = Tokens::new(10_u64, 5_u64, 0_u64, 0_u64, 0_u64);
    call.end().tokens(tokens).cost(0.001).finish().unwrap();
}

/// A span that was over before it was reported.
pub(crate) fn span<'a>(name: &'a str, output: &'a str) -> Span<'a> {
    let now = Time::from(std::time::SystemTime::now());
    let mut span = Span::new(name, SpanKind::Tool, name, now, now);
    span.output = Some(output.into());
    span
}

/// A view's file, which is one whole document (I4).
#[track_caller]
pub(crate) fn view_in(path: &Path) -> Value {
    let bytes = fs::read(path).expect("a view");
    serde_json::from_slice(&bytes).expect("the view is one whole document")
}

#[track_caller]
pub(crate) fn view_of(store: &Store, id: &str) -> Value {
    view_in(&store.view(&store.find(id).unwrap()))
}

pub(crate) fn status(view: &Value) -> &str {
    view["summary"]["status"].as_str().unwrap()
}

pub(crate) fn spans_called(view: &Value, prefix: &str) -> usize {
    let spans = view["spans"].as_array().unwrap();
    spans.iter().filter(|span| span["name"].as_str().unwrap().starts_with(prefix)).count()
}

#[track_caller]
pub(crate) fn assert_tidy(store: &Store) {
    let left: Vec<String> =
        names(store.traces()).into_iter().filter(|name| !is_view(Path::new(name))).collect();
    assert_eq!(left, Vec::<String>::new(), "no temporary file is left");
}

pub(crate) fn raise(signal: i32) {
    // SAFETY: a signal to this thread.
    unsafe { libc::raise(signal) };
}

/// Ends this process as SIGKILL does: no handler, no hook, no destructor.
pub(crate) fn die() -> ! {
    raise(libc::SIGKILL);
    unreachable!("SIGKILL was survived");
}

/// A child that plays a part in a store of its own, until it has ended by itself.
pub(crate) struct Died {
    folder: tempfile::TempDir,
    pub(crate) board: Board,
    pub(crate) status: std::process::ExitStatus,
}

impl Died {
    pub(crate) fn of(part: &str) -> Self {
        let folder = folder();
        let board = Board::create(&folder.path().join("board"), 4);
        let child = Child::start_with(part, &folder.path().join("store"), &board, &[QUIET]);
        Died { status: child.wait(), folder, board }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    #[track_caller]
    pub(crate) fn killed_by(self, signal: i32) -> Self {
        assert_eq!(self.status.signal(), Some(signal), "how the process ended: {}", self.status);
        self
    }

    #[track_caller]
    pub(crate) fn exited(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "how the process ended: {}", self.status);
        self
    }

    /// What its one session's view said when nobody had opened the store since.
    pub(crate) fn first_view(&self) -> Value {
        view_in(&self.path().join("traces/s.json"))
    }

    /// What the next process finds.
    pub(crate) fn reopen(&self) -> Store {
        let store = on_demand().open(self.path()).unwrap();
        assert_eq!(store.health().failed_recoveries, vec![]);
        store
    }
}

pub(crate) fn null_pointer() {
    // SAFETY: none; this is the crash.
    unsafe { std::ptr::null_mut::<u32>().wrapping_add(std::hint::black_box(0)).write_volatile(1) };
}

pub(crate) fn completed() -> SessionEnded<'static> {
    SessionEnded::new(EndStatus::Completed)
}

/// What a session's events say, in the order of the log.
pub(crate) fn events<T>(store: &Store, id: &str, pick: impl Fn(&Event<'_>) -> Option<T>) -> Vec<T> {
    let mut log = store.read(&store.find(id).unwrap(), Reading::Whole).unwrap();
    let mut picked = Vec::new();
    while let Some(item) = log.next().unwrap() {
        match item {
            Item::Event(entry) => picked.extend(pick(&entry.event().unwrap().unwrap())),
            Item::Loss(loss) => panic!("{loss:?}"),
            _ => {}
        }
    }
    picked
}
