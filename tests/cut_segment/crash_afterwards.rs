//! A process whose log has been cut dies of something else.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use tracewal::crash::{Capture, install};
use tracewal::{Reading, Session};

use crate::support::child::Part;
use crate::support::log::{read, views};
use crate::support::seccomp;
use crate::support::words::Lane;
use crate::{NEVER, cut, options, played, segment};

/// Nobody can ask whether a page is there: then it is found out by a signal in the handler.
fn forget_how_to_ask() {
    let invalid = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EINVAL).unwrap();
    seccomp::refuse(libc::SYS_rt_sigprocmask, Some((0, u32::MAX)), invalid);
}

/// Two signals at once, and the frames of a debug build, take more than Rust gives a thread.
fn have_a_large_signal_stack() {
    let memory: &'static mut [u8] = vec![0; 1 << 16].leak();
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    // SAFETY: the memory is nobody else's, for ever.
    assert_eq!(unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) }, 0);
}

/// A process whose log has lost its crash slots dies of something else.
pub(crate) fn cut_and_crash(part: &Part, how: &str) {
    // A core file is of no use to anybody.
    // SAFETY: a limit of this process.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 }) };
    if how == "unasked" {
        forget_how_to_ask();
        have_a_large_signal_stack();
    }
    let store = options(NEVER).open(&part.store).unwrap();
    install(&store, Capture { grace: Duration::from_secs(20), ..Capture::default() }).unwrap();
    let sessions: Vec<Session> =
        ["cut", "s", "cut too", "t"].iter().map(|id| store.session(*id).start().unwrap()).collect();
    for session in &sessions {
        session.append(Lane::new(0, 1).event(0)).unwrap();
    }
    for session in &sessions {
        if session.id().starts_with("cut") {
            cut(&segment(&store, session), 0);
        }
    }
    if how.contains("thread") {
        let small = std::thread::Builder::new().stack_size(64 << 10);
        let _ = small.spawn(crash).unwrap().join();
    }
    crash();
}

fn crash() {
    // SAFETY: none; this is the crash.
    unsafe { std::ptr::null_mut::<u32>().wrapping_add(std::hint::black_box(0)).write_volatile(1) };
}

#[test]
fn a_crash_of_a_process_whose_crash_slots_were_cut_away() {
    for how in ["", "in a thread", "unasked"] {
        let (folder, _, status) = played(&format!("crash {how}"), 0);
        assert_eq!(status.signal(), Some(libc::SIGSEGV), "{how}: {status}");
        let path = folder.path().join("store");
        let first = views(&path);
        let said = |id: &str| first.get(id).map(String::as_str);
        assert_eq!((said("s"), said("t")), (Some("crashed"), Some("crashed")), "{how}");
        let store = options(NEVER).open(&path).unwrap();
        let mut failed: Vec<String> =
            store.health().failed_recoveries.into_iter().map(|(id, _)| id).collect();
        failed.sort();
        assert_eq!(failed, ["cut", "cut too"], "{how}: of which nothing is left");
        for id in ["s", "t"] {
            let contents = read(&store, &store.find(id).unwrap(), Reading::Whole);
            assert_eq!((contents.losses.len(), contents.status()), (0, "crashed"), "{how}");
        }
    }
}
