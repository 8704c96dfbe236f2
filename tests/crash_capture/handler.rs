//! What a handler may not do, and what may happen inside of it. (That it needs no lock: `tests/locks_held.rs`.)

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI32, Ordering};

use tracewal::Store;

use crate::{Case, handle, null_pointer, open, raise};

/// A thread that may not allocate any more; 0 = none.
static FORBIDDEN: AtomicI32 = AtomicI32::new(0);
const ALLOCATED: i32 = 77;

struct Refusing;

impl Refusing {
    fn ask() {
        let forbidden = FORBIDDEN.load(Ordering::Relaxed);
        // SAFETY: gettid and _exit have no preconditions.
        unsafe {
            if forbidden != 0 && libc::gettid() == forbidden {
                libc::_exit(ALLOCATED);
            }
        }
    }
}

// SAFETY: the system's allocator, behind a question.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::ask();
        // SAFETY: the layout is the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::ask();
        // SAFETY: pointer and layout are the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

pub(crate) fn cases() -> Vec<Case> {
    let no_allocation = |signal: i32, name: &'static str| {
        let play = move |store: &Store| {
            let _session = open(store, "s");
            // SAFETY: gettid has no preconditions.
            FORBIDDEN.store(unsafe { libc::gettid() }, Ordering::Relaxed);
            raise(signal);
        };
        let case = format!("no allocation in the handler of {name}");
        Case::new(case, play, move |seen| seen.killed_by(signal).crashed(name, "handler"))
    };
    vec![
        no_allocation(libc::SIGTERM, "SIGTERM"),
        // (Rust's own handler of SIGSEGV runs behind ours, and allocates nothing where it has nothing to say.)
        no_allocation(libc::SIGSEGV, "SIGSEGV"),
        no_allocation(libc::SIGABRT, "SIGABRT"),
        Case::new("a second fatal signal in a handler", sent_in_handler, |seen| {
            seen.killed_by(libc::SIGBUS).crashed("SIGSEGV", "handler")
        })
        .after(|| handle(libc::SIGSEGV, action(bus_error))),
        Case::new("the same fatal signal in its handler", sent_in_handler, |seen| {
            seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler")
        })
        .after(|| handle(libc::SIGSEGV, action(null_pointer_again))),
        Case::new("a fatal signal in the handler of an orderly one", orderly, |seen| {
            seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler")
        })
        .after(|| handle(libc::SIGTERM, action(null_pointer_again))),
        Case::new("a fatal signal that its handler survives", survived, |seen| {
            // It was recorded before anybody knew.
            seen.exited(0).is("crashed")
        })
        .after(|| handle(libc::SIGSEGV, crate::nothing())),
    ]
}

#[allow(clippy::as_conversions)]
fn action(handler: extern "C" fn(i32)) -> libc::sighandler_t {
    handler as usize
}

extern "C" fn bus_error(_: i32) {
    raise(libc::SIGBUS);
}

extern "C" fn null_pointer_again(_: i32) {
    null_pointer();
}

fn sent_in_handler(store: &Store) {
    let _session = open(store, "s");
    raise(libc::SIGSEGV);
}

fn orderly(store: &Store) {
    let _session = open(store, "s");
    raise(libc::SIGTERM);
}

fn survived(store: &Store) {
    let session = open(store, "s");
    raise(libc::SIGSEGV);
    session.note("after", None).unwrap();
    session.complete().unwrap();
}
