//! A session whose process is gone, with a log that is damaged as the fuzzer says: the store opens, recovery takes nothing away and makes
//! nothing up, the view is whole, a second open changes nothing, and repair keeps what could be read.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use tracewal::{Compaction, Error, Store};
use tracewal_format::log::{Item, LogReader, LogSource, Memory, Reading, segment_file};
use tracewal_fuzz::patched;

/// The events of a log, crash records apart: kind and body by number; and how many crash records there are.
type Events = (BTreeMap<u64, (u8, Vec<u8>)>, usize);

const CRASHED: u8 = 15;

fn events<S: LogSource<Error: std::fmt::Debug>>(mut log: LogReader<S>) -> Events {
    let (mut events, mut crashes) = (BTreeMap::new(), 0);
    while let Some(item) = log.next().expect("the log can be read") {
        match item {
            Item::Event(entry) if entry.kind == CRASHED => crashes += 1,
            Item::Event(entry) => {
                let before = events.insert(entry.seq, (entry.kind, entry.body.to_vec()));
                assert!(before.is_none(), "exactly once");
            }
            _ => {}
        }
    }
    (events, crashes)
}

fn open(path: &Path) -> Store {
    let store = tracewal::options_with(Compaction::OnDemand).open(path).expect("the store opens");
    assert!(store.health().failed_recoveries.is_empty(), "{:?}", store.health().failed_recoveries);
    store
}

/// A folder of this process, where a sync costs nothing if there is such a place.
fn store_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let near = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    near.join(format!("tracewal-fuzz-{}", std::process::id()))
}

fuzz_target!(|bytes: &[u8]| {
    let path = store_folder();
    let session = path.join("sessions/fuzz");
    let _ = fs::remove_dir_all(&path);
    drop(open(&path));
    fs::create_dir(&session).expect("a folder");
    let segments = patched(bytes);
    for (number, bytes) in (1..).zip(&segments) {
        fs::write(session.join(segment_file(number)), bytes).expect("a segment");
    }
    // It cannot be read: then whoever the last segment names had the session open, and that is nobody who lives.
    fs::write(path.join("owners/fuzz"), "?").expect("an owner entry");
    let Ok(log) = LogReader::new(
        Memory::new(vec![(1, segments[0].as_slice()), (2, segments[1].as_slice())]),
        Reading::Whole,
    );
    let (before, _) = events(log);

    let store = open(&path);
    let found = store.sessions().expect("a list");
    let [name] = found.as_slice() else {
        assert!(before.is_empty(), "the session is gone");
        return;
    };
    let (after, crashes) = events(store.read(name, Reading::Whole).expect("a log"));
    assert_eq!(before, after, "recovery takes nothing away and adds crash records alone");
    if !before.is_empty() {
        assert!(crashes > 0, "nobody has ended it");
        let view = fs::read(store.view(name)).expect("a view");
        let view: serde_json::Value = serde_json::from_slice(&view).expect("the view is valid JSON");
        assert_eq!(view["summary"]["status"], "crashed");
    }
    drop(store);

    let store = open(&path);
    assert_eq!(
        events(store.read(name, Reading::Whole).expect("a log")),
        (after.clone(), crashes),
        "once is enough"
    );
    match store.repair(name) {
        Ok(_) => {
            let repaired = events(store.read(name, Reading::Whole).expect("a log"));
            assert_eq!(repaired, (after, crashes), "repair keeps what can be read");
        }
        Err(Error::TooNew { .. }) => {}
        Err(e) => assert!(after.is_empty(), "what can be read can be repaired: {e}"),
    }
    drop(store);
    let _ = fs::remove_dir_all(&path);
});
