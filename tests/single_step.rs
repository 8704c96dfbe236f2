//! I1 says *at any instruction*: an append, a roll to the next segment and an ending are stepped through one instruction at a time,
//! and whatever a kill there would have left is looked at, and recovered.
//!
//! A kill leaves the files as they are: the mapping's pages are the kernel's. So the child is stopped after each instruction, its
//! store is copied wherever it differs from the copy before, and each copy is opened as the next process would open it.
//! `--nocapture` shows the figures.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use memmap2::Mmap;
use support::board::Board;
use support::child::{self, Child, STAGE};
use support::image::Image;
use support::log::{Contents, What, names, read, read_on, status_in};
use tracewal::disk::{Gate, Step};
use tracewal::event::Note;
use tracewal::{Compaction, Durability, Options, Reading};
use tracewal_format::log::{LogReader, Memory};

/// Words of the board: the thread that is stepped, and what its one call returned.
const THREAD: u64 = 1;
const RETURNED: u64 = 2;
/// The ending has synced the log for the last time.
const LOG_IS_DONE: u64 = 3;
/// Stage: everything is ready for the one call.
const READY: u64 = 2;

/// glibc copies memory in pieces of 16 bytes then, and not of 64: more states between two instructions.
const SMALL_COPIES: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.cpu.hwcaps=-AVX512VL,-AVX512F,-AVX_Fast_Unaligned_Load,-AVX2,-AVX,-ERMS,-FSRM,-SSSE3",
);
/// About how many states are recovered of a call that has more.
const RECOVERIES: usize = 40;

/// Events before the one call.
const BEFORE: usize = 5;
/// More instructions than the longest call takes. On an aarch64 without large-system-extension atomics, a stepped
/// exclusive store never succeeds, and this is what ends the test.
const STEPS_MAX: u64 = 20_000_000;

/// Nothing in the background: what changes in the store, the stepped thread has changed.
fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand)
        .durability(Durability::Interval(Duration::from_secs(3600)))
        .segment_sizes(16 << 10, 64 << 10)
}

fn note(n: usize) -> String {
    format!("event {n}")
}

/// What the one append appends. An event that the first segment has no room for makes the roll.
fn appended(part: &str) -> String {
    match part {
        "append-two-pages" => "x".repeat(4_200),
        "roll" => "y".repeat(8_100),
        _ => "the one".to_owned(),
    }
}

/// Sees when an ending has come to the last sync of the log: its second, behind the seal.
struct Watch {
    board: Board,
    syncs: AtomicU32,
}

impl Watch {
    fn on(board: &Board) -> Self {
        Watch { board: Board::open(board.path()), syncs: AtomicU32::new(0) }
    }
}

impl Gate for Watch {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        if let Step::Sync(path) = step
            && path.extension().is_some_and(|extension| extension == "wal")
            && self.syncs.fetch_add(1, Ordering::Relaxed) == 1
        {
            self.board.set(LOG_IS_DONE, 1);
        }
        Ok(())
    }
}

// The part.

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    let store = options().plain_writes(part.name == "append-written").gate(Arc::new(Watch::on(&part.board)));
    let store = store.open(&part.store).unwrap();
    let session = store.session("s").start().unwrap();
    for n in 0..BEFORE {
        session.append(Note::new(note(n))).unwrap();
    }
    let event = appended(&part.name);
    // SAFETY: calls without pointers. The parent waits for this thread to stop.
    unsafe {
        part.board.set(THREAD, libc::syscall(libc::SYS_gettid).try_into().unwrap());
        assert_eq!(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0), 0, "{}", io::Error::last_os_error());
        part.board.set(STAGE, READY);
        libc::raise(libc::SIGSTOP);
    }
    if part.name == "ending" {
        session.complete().unwrap();
        part.board.set(RETURNED, 1);
    } else {
        let seq = session.append(Note::new(event)).unwrap();
        part.board.set(RETURNED, seq);
    }
    child::wait_for_the_end();
}

#[cfg(target_env = "musl")]
type Request = libc::c_int;
#[cfg(not(target_env = "musl"))]
type Request = libc::c_uint;

/// The thread of the child that is stepped.
struct Stepped {
    thread: libc::pid_t,
}

impl Stepped {
    fn new(child: &mut Child, board: &Board) -> Self {
        child.reach(READY);
        let stepped = Stepped { thread: board.get(THREAD).try_into().unwrap() };
        assert_eq!(stepped.wait(), libc::SIGSTOP);
        stepped
    }

    /// Waits until the thread has stopped, and returns by which signal.
    fn wait(&self) -> i32 {
        let mut status = 0;
        // SAFETY: the status lives through the call.
        let waited = unsafe { libc::waitpid(self.thread, &raw mut status, libc::__WALL) };
        assert_eq!(waited, self.thread, "{}", io::Error::last_os_error());
        assert!(libc::WIFSTOPPED(status), "the child has ended: {status:#x}");
        libc::WSTOPSIG(status)
    }

    /// On to the next instruction, or to the beginning or end of a system call.
    fn go(&self, request: Request) {
        // SAFETY: no pointers; the thread is stopped and ours.
        let asked = unsafe { libc::ptrace(request, self.thread, 0, 0) };
        assert_eq!(asked, 0, "{}", io::Error::last_os_error());
        assert_eq!(self.wait(), libc::SIGTRAP);
    }

    /// Whether its next instruction is a system call.
    fn is_at_a_call(&self) -> bool {
        // SAFETY: all zeros is a valid set of registers, which the call fills.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        let mut to = libc::iovec { iov_base: (&raw mut registers).cast(), iov_len: size_of_val(&registers) };
        // SAFETY: the thread is stopped and ours; the registers and what points to them live through the calls.
        let word = unsafe {
            let asked = libc::ptrace(libc::PTRACE_GETREGSET, self.thread, libc::NT_PRSTATUS, &raw mut to);
            assert_eq!(asked, 0, "{}", io::Error::last_os_error());
            #[cfg(target_arch = "x86_64")]
            let at = registers.rip;
            #[cfg(target_arch = "aarch64")]
            let at = registers.pc;
            libc::ptrace(libc::PTRACE_PEEKTEXT, self.thread, at, 0)
        };
        #[cfg(target_arch = "x86_64")]
        return word.to_le_bytes()[..2] == [0x0F, 0x05];
        #[cfg(target_arch = "aarch64")]
        return word.to_le_bytes()[..4] == 0xD400_0001_u32.to_le_bytes();
    }

    /// Kills the child, and sees this thread off: a traced thread keeps its process until then.
    fn kill(self, mut child: Child) {
        child.send_kill();
        let mut status = 0;
        // SAFETY: the status lives through the call.
        while unsafe { libc::waitpid(self.thread, &raw mut status, libc::__WALL) } == self.thread
            && !libc::WIFSIGNALED(status)
        {}
        child.kill();
    }
}

/// The segments of the session, mapped, so that looking for a change after every instruction is cheap.
struct Segments {
    store: PathBuf,
    files: Vec<(PathBuf, Mmap, Vec<u8>)>,
}

impl Segments {
    fn new(store: &Path) -> Self {
        let mut files = Vec::new();
        let session = Path::new("sessions/s");
        for name in names(&store.join(session)) {
            let file = File::open(store.join(session).join(&name)).unwrap();
            if file.metadata().unwrap().len() > 0 {
                // SAFETY: the file is changed by the child, and the child is stopped while it is looked at. A child does not
                // shorten a segment.
                let map = unsafe { Mmap::map(&file) }.unwrap();
                let bytes = map.to_vec();
                files.push((session.join(&name), map, bytes));
            }
        }
        Segments { store: store.to_owned(), files }
    }

    /// Puts what has changed into the image; whether anything has.
    fn update(&mut self, image: &mut Image) -> bool {
        let mut changed = false;
        for (name, map, bytes) in &mut self.files {
            if map[..] != bytes[..] {
                bytes.copy_from_slice(map);
                image.put(name, bytes);
                changed = true;
            }
        }
        changed
    }

    /// After a system call anything may have changed.
    fn look_again(&mut self, image: &mut Image) -> bool {
        let now = Image::of(&self.store);
        let changed = now != *image;
        *image = now;
        *self = Segments::new(&self.store);
        changed
    }
}

/// A state of the store between two instructions, and whether the call had returned.
struct State {
    image: Image,
    has_returned: bool,
}

/// Steps a child through its one call. Every state that differs from the one before, and the number of steps.
fn step_through(part: &str, store: &Path, board: &Board) -> (Vec<State>, u64) {
    let mut child = Child::start_with(part, store, board, &[SMALL_COPIES]);
    let stepped = Stepped::new(&mut child, board);
    let mut image = Image::of(store);
    let mut segments = Segments::new(store);
    let mut states = vec![State { image: image.clone(), has_returned: false }];
    let mut steps = 0;
    while board.get(RETURNED) == 0 {
        // What follows the log's last sync stores nothing into it: there only calls change anything.
        let only_calls = board.get(LOG_IS_DONE) != 0;
        let called = only_calls || stepped.is_at_a_call();
        stepped.go(if only_calls { libc::PTRACE_SYSCALL } else { libc::PTRACE_SINGLESTEP });
        steps += 1;
        assert!(steps < STEPS_MAX, "the call does not return");
        if if called { segments.look_again(&mut image) } else { segments.update(&mut image) } {
            states.push(State { image: image.clone(), has_returned: board.get(RETURNED) != 0 });
        }
    }
    segments.look_again(&mut image);
    states.push(State { image, has_returned: true });
    stepped.kill(child);
    (states, steps)
}

/// A folder in memory where there is one: hundreds of stores are recovered.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let in_memory = || tempfile::tempdir_in(memory);
    if memory.is_dir() { in_memory().or_else(|_| tempfile::tempdir()) } else { tempfile::tempdir() }.unwrap()
}

/// What a test expects of every state.
struct Expected {
    part: String,
    before: Vec<String>,
    /// The one event; `None`: the session's ending.
    one: Option<String>,
}

impl Expected {
    fn of(part: &str) -> Self {
        let one = (part != "ending").then(|| appended(part));
        Expected { part: part.to_owned(), before: (0..BEFORE).map(note).collect(), one }
    }

    /// Everything before the call, and its event completely or not at all; whether it is there.
    fn check(&self, contents: &Contents, what: &str) -> bool {
        let notes = contents.notes();
        let (before, rest) = notes.split_at(BEFORE.min(notes.len()));
        assert_eq!(before, self.before, "{what}: what was there before");
        assert!(rest.is_empty() || rest.iter().eq(self.one.iter()), "{what}: {rest:?} was never appended");
        assert_eq!(contents.losses, vec![], "{what}: a kill is no damage");
        if self.one.is_some() { !rest.is_empty() } else { contents.is_ended() }
    }

    /// The store as the kill left it.
    fn check_as_left(&self, state: &State, what: &str) -> Contents {
        let number = |name: &str| name.strip_suffix(".wal").and_then(|number| number.parse().ok());
        let segments = state.image.files("sessions/s").filter_map(|(name, file)| Some((number(name)?, file)));
        let Ok(mut log) = LogReader::new(Memory::new(segments.collect()), Reading::Whole);
        let contents = read_on(&mut log);
        let is_there = self.check(&contents, what);
        assert!(is_there || !state.has_returned, "{what}: acknowledged, and gone");
        // I4, I6: whatever view is there is whole, and says that the session has ended only when that is durable.
        if let Some(view) = state.image.file("traces/s.json") {
            let ending = contents.events.iter().find(|seen| seen.what == What::SessionEnded);
            let is_durable = ending.is_some_and(|seen| seen.seq <= contents.durable);
            assert!(status_in(view) != "completed" || is_durable, "{what}: completed before it is durable");
        }
        contents
    }

    /// The store as the next process gets it.
    fn check_recovered(&self, path: &Path, left: &Contents, what: &str) -> bool {
        let store = options().open(path).unwrap();
        assert_eq!(store.health().failed_recoveries, vec![], "{what}");
        let session = store.find("s").unwrap();
        let contents = read(&store, &session, Reading::Whole);
        let is_there = self.check(&contents, what);
        contents.check_endings();
        assert_eq!(contents.notes(), left.notes(), "{what}: recovery keeps what can be read");
        assert_eq!(contents.is_ended(), left.is_ended(), "{what}");
        let view = fs::read(store.view(&session)).unwrap_or_else(|e| panic!("{what}: no view: {e}"));
        assert_eq!(status_in(&view), contents.status(), "{what}");
        assert_ne!(contents.status(), "running", "{what}");
        assert_eq!(names(&path.join("owners")), Vec::<String>::new(), "{what}");
        is_there
    }
}

/// Reads every state that a kill within the call may leave, and recovers those of which reading, files or names differ from the
/// state before, with some of the others.
fn step(part: &str) {
    let folder = scratch();
    let board = Board::create(&folder.path().join("board"), 0);
    let (states, steps) = step_through(part, &folder.path().join("store"), &board);
    let copy = folder.path().join("copy");
    let expected = Expected::of(part);
    let stride = (states.len() / RECOVERIES).max(1);
    let mut before: Option<(&State, Contents)> = None;
    let (mut recovered, mut with) = (0, 0);
    for (at, state) in states.iter().enumerate() {
        let what = format!("{}: state {at} of {}", expected.part, states.len());
        let left = expected.check_as_left(state, &what);
        let is_new = before.as_ref().is_none_or(|(before, contents)| {
            *contents != left || before.image.names() != state.image.names()
        });
        if is_new || at % stride == 0 || at + 2 * RECOVERIES > states.len() {
            state.image.restore(&copy);
            with += usize::from(expected.check_recovered(&copy, &left, &what));
            recovered += 1;
        }
        before = Some((state, left));
    }
    assert!(0 < with && with < recovered, "the call was not stepped through");
    println!(
        "{part}: {steps} steps, {} states, all read, {recovered} recovered: {} without what was appended, {with} with it",
        states.len(),
        recovered - with
    );
}

#[test]
fn killed_at_any_instruction_of_an_append() {
    step("append");
}

#[test]
fn killed_at_any_instruction_of_an_append_across_pages() {
    step("append-two-pages");
}

#[test]
fn killed_at_any_call_of_an_append_that_is_written() {
    step("append-written");
}

#[test]
fn killed_at_any_instruction_of_a_roll() {
    step("roll");
}

#[test]
fn killed_at_any_instruction_of_an_ending_and_any_call_of_its_view() {
    step("ending");
}
