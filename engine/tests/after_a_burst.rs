//! A burst is appended into huge pages, of which a sync writes whole ones; what comes once in a while after it must not.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use tracewal_engine::{Durability, Options, Session};
use tracewal_format::event::{Note, Payload};

const EVENTS: u64 = 48;

/// Bytes that this process has made dirty, as the kernel counts them: a page that is dirty already is not counted again.
fn dirtied() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap();
    line.parse().unwrap()
}

/// Half a megabyte each, so that it is a burst on a busy machine too.
fn burst(session: &Session, megabytes: usize) {
    let text = format!("\"{}\"", "x".repeat((512 << 10) - 2));
    for _ in 0..2 * megabytes {
        session.append(Note { data: Some(Payload::json(&text)), ..Note::new("burst") }).unwrap();
    }
}

#[test]
fn small_events_after_a_burst_write_small_pages() {
    // Of the file system of the build, which has blocks: that of /tmp may be memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let never = Durability::Interval(Duration::from_secs(3600));
    let store = Options::without_views().durability(never).open(folder.path()).unwrap();
    let session = store.session("burst").start().unwrap();
    for round in 0..3 {
        burst(&session, 48);
        session.sync().unwrap();
        // The first sync behind the burst finds out.
        session.append(Note::new("the first")).unwrap();
        session.sync().unwrap();
        let before = dirtied();
        for _ in 0..EVENTS {
            session.append(Note::new("small")).unwrap();
            session.sync().unwrap();
        }
        let each = (dirtied() - before) / EVENTS;
        println!("round {round}: {each} bytes of an event that is synced");
        assert!(each < 64 << 10, "{each} bytes for each event in round {round}");
    }
    session.complete().unwrap();
}
