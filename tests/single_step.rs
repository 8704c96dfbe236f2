//! I1 says *at any instruction*: an append, a roll to the next segment and an ending are stepped through one instruction at a time,
//! and whatever a kill there would have left is looked at, and recovered.
//!
//! A kill leaves the files as they are: the mapping's pages are the kernel's. So the child is stopped after each instruction, its
//! store is copied wherever it differs from the copy before, and each copy is opened as the next process would open it.
//! `--nocapture` shows the figures.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memmap2::Mmap;
use support::board::Board;
use support::child::{self, Child, Part, STAGE};
use support::image::Image;
use support::log::{What, look, names, read, status_in, views};
use tracewal::event::Note;
use tracewal::{Compaction, Durability, Options, Reading};

/// Words of the board: the thread that is stepped, and what its one call returned.
const THREAD: u64 = 1;
const RETURNED: u64 = 2;
/// Stage: everything is ready for the one call.
const READY: u64 = 2;

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

/// What the one append appends. A roll is made by an event that the first segment has no room for.
fn appended(part: &str) -> String {
    match part {
        "append-two-pages" => "x".repeat(5000),
        "roll" => "y".repeat(10_000),
        _ => "the one".to_owned(),
    }
}

// The part.

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    let plain = part.name == "append-written";
    let store = options().plain_writes(plain).open(&part.store).unwrap();
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

    /// One instruction, or one system call.
    fn step(&self) {
        // SAFETY: no pointers; the thread is stopped and ours.
        let asked = unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, self.thread, 0, 0) };
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
        child.kill_and_leave();
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
    let mut child = Child::start(part, store, board);
    let stepped = Stepped::new(&mut child, board);
    let mut image = Image::of(store);
    let mut segments = Segments::new(store);
    let mut states = vec![State { image: image.clone(), has_returned: false }];
    let mut steps = 0;
    while board.get(RETURNED) == 0 {
        let called = stepped.is_at_a_call();
        stepped.step();
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

/// Recovers every state that a kill within the call may leave, and checks it.
fn step(part: &str) {
    let folder = scratch();
    let board = Board::create(&folder.path().join("board"), 0);
    let (states, steps) = step_through(part, &folder.path().join("store"), &board);
    let copy = folder.path().join("copy");
    let expected: Vec<String> = (0..BEFORE).map(note).collect();
    let one = (part != "ending").then(|| appended(part));
    let mut seen = HashSet::new();
    let (mut with, mut without) = (0, 0);
    for (at, state) in states.iter().enumerate() {
        state.image.restore(&copy);
        let what = format!("{part}: state {at} of {}", states.len());
        let found = check_as_left(&copy, &what);
        let recovered = check_recovered(&copy, &what);
        for contents in [&found, &recovered] {
            let (before, rest) = contents.notes.split_at(BEFORE.min(contents.notes.len()));
            assert_eq!(before, expected, "{what}: what was there before");
            assert!(rest.iter().eq(one.iter()) || rest.is_empty(), "{what}: {rest:?}");
            let is_there = if one.is_some() { !rest.is_empty() } else { contents.is_ended };
            assert!(is_there || !state.has_returned, "{what}: acknowledged, and gone");
        }
        assert_eq!(found.notes, recovered.notes, "{what}: recovery keeps what can be read");
        assert_eq!(found.is_ended, recovered.is_ended, "{what}");
        let is_there = recovered.notes.len() > BEFORE || recovered.is_ended;
        *if is_there { &mut with } else { &mut without } += 1;
        seen.insert((recovered.notes.len(), recovered.is_ended, recovered.status));
    }
    assert!(with > 0 && without > 0, "the call was not stepped through: {seen:?}");
    println!(
        "{part}: {steps} instructions, {} states, each read and recovered; {without} without the event, {with} with it",
        states.len()
    );
}

/// What is read of a store.
struct Found {
    notes: Vec<String>,
    is_ended: bool,
    status: String,
}

/// The store as the kill left it, read without recovery.
fn check_as_left(path: &Path, what: &str) -> Found {
    let store = look(path);
    let session = store.find("s").unwrap();
    let contents = read(&store, &session, Reading::Whole);
    assert_eq!(contents.losses, vec![], "{what}: a kill is no damage");
    // I4, I6: whatever view is there is whole, and says that the session has ended only when that is durable.
    for status in views(path).values() {
        let ending = contents.events.iter().find(|seen| seen.what == What::SessionEnded);
        let is_durable = ending.is_some_and(|seen| seen.seq <= contents.durable);
        assert!(status != "completed" || is_durable, "{what}: {status} before it is durable");
    }
    Found {
        notes: contents.notes().into_iter().map(str::to_owned).collect(),
        is_ended: contents.is_ended(),
        status: contents.status().to_owned(),
    }
}

/// The store as the next process gets it.
fn check_recovered(path: &Path, what: &str) -> Found {
    let store = options().open(path).unwrap();
    assert_eq!(store.health().failed_recoveries, vec![], "{what}");
    let session = store.find("s").unwrap();
    let contents = read(&store, &session, Reading::Whole);
    contents.check_endings();
    assert_eq!(contents.losses, vec![], "{what}");
    let view = fs::read(store.view(&session)).unwrap_or_else(|e| panic!("{what}: no view: {e}"));
    assert_eq!(status_in(&view), contents.status(), "{what}");
    assert_ne!(contents.status(), "running", "{what}");
    assert_eq!(names(&path.join("owners")), Vec::<String>::new(), "{what}");
    Found {
        notes: contents.notes().into_iter().map(str::to_owned).collect(),
        is_ended: contents.is_ended(),
        status: contents.status().to_owned(),
    }
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
fn killed_at_any_instruction_of_an_ending() {
    step("ending");
}
