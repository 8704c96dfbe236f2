//! Many sessions are open at once; and those of a parent are in the table of its child.

use tracewal::Session;
use tracewal::crash::{Capture, install};

use crate::support::child::Part;
use crate::support::log::views;
use crate::support::words::Lane;
use crate::{NEVER, SESSIONS, assert_poisoned, cut, options, played, segment};

pub(crate) fn cut_one_of_many(part: &Part) {
    let count = part.board.get(SESSIONS);
    let store = options(NEVER).segment_sizes(16 << 10, 16 << 10).open(&part.store).unwrap();
    let session = |n: u64| store.session(format!("s{n}")).start().unwrap();
    let mut sessions: Vec<Session> = (0..count / 2).map(session).collect();
    install(&store, Capture { panics: false, exits: false, ..Capture::default() }).unwrap();
    sessions.extend((count / 2..count).map(session));
    // Places that are given back and taken again.
    for n in 0..100 {
        sessions.swap_remove(n * 3).complete().unwrap();
    }
    sessions.extend((count..count + 100).map(session));
    let texts = Lane::new(0, 2);
    for nth in [0, sessions.len() / 2, sessions.len() - 1] {
        cut(&segment(&store, &sessions[nth]), 4096);
        assert_poisoned(sessions[nth].append(texts.event(0)));
    }
    let refused = sessions.iter().filter(|session| session.append(texts.event(1)).is_err());
    assert_eq!(refused.count(), 3);
    assert_eq!(store.health().poisoned.len(), 3);
    // The rest is for the next process: this has as many sessions as it is about.
    // SAFETY: it does not return.
    unsafe { libc::_exit(0) }
}

#[test]
fn one_of_many_sessions_is_cut() {
    let sessions = std::env::var("TRACEWAL_SESSIONS").map_or(600, |count| count.parse().unwrap());
    let (_folder, _, status) = played("many", sessions);
    assert!(status.success(), "{status}");
}

/// A child has its parent's table. What it maps itself may lie where its parent's mappings lay.
pub(crate) fn cut_in_a_child(part: &Part, is_captured: bool) {
    let store = options(NEVER).segment_sizes(16 << 10, 16 << 10).open(&part.store).unwrap();
    install(&store, Capture { panics: false, exits: false, ..Capture::default() }).unwrap();
    let parents: Vec<Session> = (0..50).map(|n| store.session(format!("p{n}")).start().unwrap()).collect();
    // SAFETY: the child runs code of the test alone, and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let own = options(NEVER).segment_sizes(16 << 10, 16 << 10).open(part.store.join("child")).unwrap();
        if is_captured {
            install(&own, Capture { panics: false, exits: false, ..Capture::default() }).unwrap();
        }
        let sessions: Vec<Session> = (0..50).map(|n| own.session(format!("c{n}")).start().unwrap()).collect();
        for session in &sessions[..25] {
            cut(&segment(&own, session), 4096);
            assert_poisoned(session.append(Lane::new(0, 1).event(0)));
        }
        for session in &sessions[25..] {
            session.append_durable(Lane::new(0, 1).event(0)).unwrap();
        }
        // SAFETY: it does not return.
        unsafe { libc::_exit(0) }
    }
    let mut status = 0;
    // SAFETY: the status lives through the call.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status & 0x7F, if is_captured { 0 } else { libc::SIGBUS }, "how the child ended");
    assert_eq!(status >> 8, 0, "what the child found");
    for session in &parents {
        session.append_durable(Lane::new(0, 1).event(0)).unwrap();
    }
    for session in parents {
        session.complete().unwrap();
    }
}

/// Without a call of its own a child's SIGBUS is what it is anywhere: taking it over is asked for, in each process.
#[test]
fn a_cut_in_a_forked_child() {
    for part in ["fork captured", "fork"] {
        let (folder, _, status) = played(part, 0);
        assert!(status.success(), "{part}: {status}");
        let views = views(&folder.path().join("store"));
        assert_eq!(views.values().filter(|status| *status == "completed").count(), 50, "{part}");
    }
}
