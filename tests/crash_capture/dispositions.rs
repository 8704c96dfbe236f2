//! Orderly signals: where their disposition was the default they end the process, and are a crash; where the program handles them itself
//! they count only if the run then dies without an ending; where they were ignored they are nothing.

use std::sync::atomic::{AtomicI32, Ordering};

use tracewal::Store;

use crate::{Case, ORDERLY, handle, keep, nothing, open, raise};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (signal, name) in ORDERLY {
        let sent = move |store: &Store| {
            let _session = open(store, "s");
            raise(signal);
            unreachable!("the signal was survived");
        };
        let survived = move |store: &Store| {
            let session = open(store, "s");
            raise(signal);
            session.note("after", None).unwrap();
            session.complete().unwrap();
        };
        let then_killed = move |store: &Store| {
            keep(open(store, "s"));
            raise(signal);
            raise(libc::SIGKILL);
        };
        cases.extend([
            Case::new(name, sent, move |seen| seen.killed_by(signal).crashed(name, "handler").records(1))
                .like_without(),
            Case::new(format!("{name} in a thread"), in_thread(signal), move |seen| {
                seen.killed_by(signal).crashed(name, "handler").records(1)
            }),
            Case::new(format!("a handled {name} that is survived"), survived, |seen| {
                seen.exited(0).is("completed").has(r#""name":"after""#).records(0)
            })
            .after(move || handle(signal, nothing()))
            .like_without(),
            Case::new(format!("a handled {name} before SIGKILL"), then_killed, move |seen| {
                seen.killed_by(libc::SIGKILL).recovered(name, "recovery").records(1)
            })
            .after(move || handle(signal, nothing()))
            .like_without(),
            Case::new(format!("an ignored {name}"), survived, |seen| {
                seen.exited(0).is("completed").records(0)
            })
            .after(move || handle(signal, libc::SIG_IGN))
            .like_without(),
            Case::new(format!("an ignored {name} before SIGKILL"), then_killed, |seen| {
                seen.killed_by(libc::SIGKILL).recovered("process vanished", "recovery").records(1)
            })
            .after(move || handle(signal, libc::SIG_IGN)),
        ]);
    }
    cases.extend([
        Case::new("a handled SIGINT again and again, then SIGTERM", again_and_again, |seen| {
            seen.killed_by(libc::SIGTERM).crashed("SIGTERM", "handler")
        })
        .after(|| handle(libc::SIGINT, nothing())),
        Case::new("a handler for one signal alone", twice, |seen| {
            seen.killed_by(libc::SIGTERM).crashed("SIGTERM", "handler").has(r#""name":"between""#)
        })
        .after(|| install(libc::SIGTERM, nothing(), libc::SA_RESETHAND))
        .like_without(),
        Case::new(
            "a handler that needs a stack",
            |store| survive(store, libc::SIGTERM),
            |seen| seen.exited(0).is("completed").records(0),
        )
        .after(|| install(libc::SIGTERM, action(use_stack), 0))
        .like_without(),
        Case::new(
            "a handler that counts on not being called twice",
            |store| survive(store, libc::SIGINT),
            |seen| seen.exited(0).is("completed").records(0),
        )
        .after(|| install(libc::SIGINT, action(not_twice), 0))
        .like_without(),
        Case::new("a handler that exits", exits_in_handler, |seen| {
            seen.exited(7).recovered("SIGTERM", "recovery").records(1)
        })
        .after(install_exiting_handler)
        .like_without(),
        Case::new("a handler that is told who sent it", told_who, |seen| seen.exited(0).is("completed"))
            .after(install_asking_handler)
            .like_without(),
    ]);
    cases
}

fn in_thread(signal: i32) -> impl Fn(&Store) {
    move |store| {
        let _session = open(store, "s");
        let small = std::thread::Builder::new().stack_size(16 << 10);
        let _ = small.spawn(move || raise(signal)).unwrap().join();
        unreachable!("the signal was survived");
    }
}

/// It takes no more slots than two, and leaves room for what is not survived.
fn again_and_again(store: &Store) {
    let _session = open(store, "s");
    for _ in 0..100 {
        raise(libc::SIGINT);
    }
    raise(libc::SIGTERM);
}

extern "C" fn exit(_: i32) {
    // SAFETY: async-signal-safe, and does not return.
    unsafe { libc::_exit(7) };
}

#[allow(clippy::as_conversions)]
fn action(handler: extern "C" fn(i32)) -> libc::sighandler_t {
    handler as usize
}

fn install(signal: i32, handler: libc::sighandler_t, flags: i32) {
    // SAFETY: all zeros is a valid action with an empty mask; the handlers here are async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &raw const action, std::ptr::null_mut()), 0);
    }
}

fn survive(store: &Store, signal: i32) {
    let session = open(store, "s");
    raise(signal);
    session.complete().unwrap();
}

fn twice(store: &Store) {
    let session = open(store, "s");
    raise(libc::SIGTERM);
    session.note("between", None).unwrap();
    raise(libc::SIGTERM);
    unreachable!("the second one was survived");
}

/// More than a thread's stack for signals has.
extern "C" fn use_stack(_: i32) {
    let mut much = std::hint::black_box([0_u8; 64 << 10]);
    much.iter_mut().for_each(|byte| *byte = 1);
    std::hint::black_box(much);
}

/// It sends itself another one, which has to wait.
extern "C" fn not_twice(signal: i32) {
    static INSIDE: AtomicI32 = AtomicI32::new(0);
    static CALLS: AtomicI32 = AtomicI32::new(0);
    if INSIDE.swap(1, Ordering::AcqRel) == 1 {
        // SAFETY: does not return.
        unsafe { libc::_exit(9) };
    }
    if CALLS.fetch_add(1, Ordering::AcqRel) == 0 {
        raise(signal);
    }
    INSIDE.store(0, Ordering::Release);
}

fn install_exiting_handler() {
    handle(libc::SIGTERM, action(exit));
}

fn exits_in_handler(store: &Store) {
    keep(open(store, "s"));
    raise(libc::SIGTERM);
}

static TOLD: AtomicI32 = AtomicI32::new(0);

extern "C" fn ask(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: installed with SA_SIGINFO; of a signal that was sent it has the sender.
    TOLD.store(unsafe { (*info).si_pid() }, Ordering::Release);
}

fn install_asking_handler() {
    #[allow(clippy::as_conversions)]
    install(libc::SIGHUP, ask as *const () as usize, libc::SA_SIGINFO);
}

fn told_who(store: &Store) {
    let session = open(store, "s");
    raise(libc::SIGHUP);
    assert_eq!(TOLD.load(Ordering::Acquire), i32::try_from(std::process::id()).unwrap());
    session.complete().unwrap();
}
