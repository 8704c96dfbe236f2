//! Fatal signals: by instructions and sent, in any thread.

use std::os::fd::AsRawFd as _;

use tracewal::crash::install;
use tracewal::{Session, Store};

use crate::{Case, FATAL, STORE, keep, null_pointer, open, patient, raise, seccomp};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("a null pointer", in_main(null_pointer), |seen| {
            seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler").has(r#""signal":"SIGSEGV""#)
        })
        .like_without(),
        Case::new("a null pointer with plain writes", null_pointer_plain, |seen| {
            seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler")
        }),
        Case::new("a null pointer in a thread of another language", null_pointer_in_c_thread, |seen| {
            seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler")
        }),
        Case::new("a null pointer in two threads at once", two_threads, |seen| {
            seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler")
        }),
        // The kernel ends who blocks what cannot wait.
        Case::new("a null pointer with its signal blocked", blocked, |seen| {
            seen.killed_by(libc::SIGSEGV).recovered("process vanished", "recovery")
        }),
        Case::new("a stack overflow", in_main(overflow), |seen| {
            seen.killed_by(libc::SIGABRT).crashed("SIGSEGV", "handler")
        }),
        Case::new("a stack overflow in a thread", in_small_thread(overflow), |seen| {
            seen.killed_by(libc::SIGABRT).crashed("SIGSEGV", "handler")
        }),
        Case::new("a mapping of the program's own that is cut", in_main(own_mapping), |seen| {
            seen.killed_by(libc::SIGBUS).crashed("SIGBUS", "handler")
        })
        .like_without(),
        Case::new(
            "a mapping of the program's own that is cut, in a thread",
            in_small_thread(own_mapping),
            |seen| seen.killed_by(libc::SIGBUS).crashed("SIGBUS", "handler"),
        ),
        Case::new("a system call that is forbidden", in_main(forbidden_call), |seen| {
            seen.killed_by(libc::SIGSYS).crashed("SIGSYS", "handler")
        })
        .like_without(),
        Case::new("abort", in_main(|| std::process::abort()), |seen| {
            seen.killed_by(libc::SIGABRT).crashed("SIGABRT", "handler")
        })
        .like_without(),
        Case::new("abort in a thread", in_small_thread(|| std::process::abort()), |seen| {
            seen.killed_by(libc::SIGABRT).crashed("SIGABRT", "handler")
        }),
        Case::new("fifty sessions", fifty_sessions, |seen| {
            seen.killed_by(libc::SIGTERM).crashed("SIGTERM", "handler")
        }),
        Case::new("two stores, and sessions that were open before", two_stores, |seen| {
            seen.killed_by(libc::SIGSEGV).crashed("SIGSEGV", "handler")
        }),
        Case::new("a session that was closed before", closed_before, |seen| {
            seen.killed_by(libc::SIGSEGV).is("completed").records(0)
        }),
    ];
    #[cfg(target_arch = "x86_64")]
    cases.extend([
        Case::new("an instruction that there is not", in_main(no_instruction), |seen| {
            seen.killed_by(libc::SIGILL).crashed("SIGILL", "handler")
        })
        .like_without(),
        Case::new("a division by zero", in_main(division), |seen| {
            seen.killed_by(libc::SIGFPE).crashed("SIGFPE", "handler")
        })
        .like_without(),
        Case::new("a breakpoint without a debugger", in_main(breakpoint), |seen| {
            seen.killed_by(libc::SIGTRAP).crashed("SIGTRAP", "handler")
        })
        .like_without(),
    ]);
    for (signal, name) in FATAL {
        let sent = Case::new(name, in_main(move || raise(signal)), move |seen| {
            seen.killed_by(signal).crashed(name, "handler").records(1)
        });
        // Rust's own handler survives the first of these two that is sent, and not caused by an instruction: a crash is on record by then.
        let is_survived = matches!(signal, libc::SIGSEGV | libc::SIGBUS);
        cases.push(if is_survived { sent } else { sent.like_without() });
        let in_thread = format!("{name} in a thread with a small stack");
        cases.push(Case::new(in_thread, in_small_thread(move || raise(signal)), move |seen| {
            seen.killed_by(signal).crashed(name, "handler").records(1)
        }));
    }
    cases
}

fn in_main(die: impl Fn()) -> impl Fn(&Store) {
    move |store| {
        let _session = open(store, "s");
        die();
        unreachable!("it was survived");
    }
}

/// In a thread whose stack is as small as Rust makes one.
fn in_small_thread(die: impl Fn() + Clone + Send + 'static) -> impl Fn(&Store) {
    move |store| {
        let _session = open(store, "s");
        let small = std::thread::Builder::new().stack_size(16 << 10);
        let _ = small.spawn(die.clone()).unwrap().join();
        unreachable!("it was survived");
    }
}

fn null_pointer_plain(_: &Store) {
    let path = std::env::var(STORE).unwrap();
    let store = tracewal::options().plain_writes(true).open(path).unwrap();
    install(&store, patient()).unwrap();
    in_main(null_pointer)(&store);
}

/// It has no stack for signals, and the handler runs on its own.
fn null_pointer_in_c_thread(store: &Store) {
    extern "C" fn run(_: *mut libc::c_void) -> *mut libc::c_void {
        null_pointer();
        std::ptr::null_mut()
    }
    let _session = open(store, "s");
    // SAFETY: the thread runs a function of this program, and is waited for.
    unsafe {
        let mut thread = std::mem::zeroed();
        libc::pthread_create(&raw mut thread, std::ptr::null(), run, std::ptr::null_mut());
        libc::pthread_join(thread, std::ptr::null_mut());
    }
}

fn two_threads(store: &Store) {
    let _session = open(store, "s");
    let together = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                together.wait();
                null_pointer();
            });
        }
    });
}

fn blocked(store: &Store) {
    let _session = open(store, "s");
    // SAFETY: all zeros is a valid set, which the calls fill and read.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
    null_pointer();
}

fn overflow() {
    fn deeper(n: u64) -> u64 {
        let frame = std::hint::black_box([n; 128]);
        if n == u64::MAX { 0 } else { deeper(n + 1) + frame[7] }
    }
    std::process::exit(i32::try_from(deeper(0) % 2).unwrap());
}

fn own_mapping() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(8192).unwrap();
    let map = memmap2::MmapOptions::new().len(8192).map_raw(&file).unwrap();
    // SAFETY: a call on an open descriptor.
    unsafe { libc::ftruncate(file.as_raw_fd(), 4096) };
    // SAFETY: none; this is the crash.
    unsafe { map.as_mut_ptr().add(4096).write_volatile(1) };
}

fn forbidden_call() {
    seccomp::refuse(libc::SYS_getppid, None, libc::SECCOMP_RET_TRAP);
    // SAFETY: getppid has no preconditions.
    unsafe { libc::getppid() };
}

#[cfg(target_arch = "x86_64")]
fn no_instruction() {
    // SAFETY: none; this is the crash.
    unsafe { std::arch::asm!("ud2") };
}

#[cfg(target_arch = "x86_64")]
fn division() {
    // SAFETY: none; this is the crash.
    unsafe {
        std::arch::asm!("div {}", in(reg) std::hint::black_box(0_u64), inout("rax") 1_u64 => _, inout("rdx") 0_u64 => _)
    };
}

#[cfg(target_arch = "x86_64")]
fn breakpoint() {
    // SAFETY: none; this is the crash.
    unsafe { std::arch::asm!("int3") };
}

fn fifty_sessions(store: &Store) {
    let sessions: Vec<Session> =
        (0..49).map(|n| open(store, &format!("s{n}"))).chain([open(store, "s")]).collect();
    raise(libc::SIGTERM);
    drop(sessions);
}

fn two_stores(store: &Store) {
    let path = std::env::var(STORE).unwrap();
    let other = tracewal::open(&path).unwrap();
    keep(open(&other, "s"));
    keep(open(store, "t"));
    install(&other, patient()).unwrap();
    keep(open(&other, "u"));
    null_pointer();
}

fn closed_before(store: &Store) {
    open(store, "s").complete().unwrap();
    null_pointer();
}
