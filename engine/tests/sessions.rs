//! Sessions as an embedder uses them: what is appended is read back, across runs, threads, segments and stores.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use tracewal_engine::{Durability, Error, Log, Options, SegmentFiles, Session, SessionName, Store};
use tracewal_format::event::{Event, Note, SpanKind};
use tracewal_format::json::write_event;
use tracewal_format::log::{Item, Loss, Reading};

fn lines(store: &Store, session: &SessionName) -> (Vec<String>, Vec<Loss>) {
    let mut log: Log = store.read(session, Reading::Whole).unwrap();
    let (mut lines, mut losses) = (Vec::new(), Vec::new());
    while let Some(item) = log.next().unwrap() {
        match item {
            Item::Event(entry) => {
                let mut line = Vec::new();
                write_event(&entry, &mut line);
                lines.push(String::from_utf8(line).unwrap());
            }
            Item::Loss(loss) => losses.push(loss),
            _ => {}
        }
    }
    (lines, losses)
}

fn note(session: &Session, n: usize) -> u64 {
    session.append(Note::new(format!("note {n}"))).unwrap()
}

#[test]
fn what_is_appended_is_read_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for plain in [false, true] {
        let path = folder.path().join(format!("store {plain}"));
        let store = Options::without_views()
            .plain_writes(plain)
            .segment_sizes(16 << 10, 64 << 10)
            .open(&path)
            .unwrap();
        let session = store.session("s").title("a title").start().unwrap();
        for n in 0..5000 {
            assert_eq!(note(&session, n), u64::try_from(n).unwrap() + 3);
        }
        let (live, losses) = lines(&store, session.name());
        assert_eq!((live.len(), losses.len()), (5002, 0));
        let name = session.name().clone();
        let ended = session.complete().unwrap();
        assert_eq!(ended.status.as_str(), "completed");
        let (read, losses) = lines(&store, &name);
        assert_eq!((read.len(), losses), (5003, vec![]));
        assert!(
            read[0].contains("\"type\":\"session-started\"") && read[1].contains("\"type\":\"run-started\"")
        );
        for n in 0..5000 {
            assert!(read[n + 2].contains(&format!("\"note {n}\"")), "{}", read[n + 2]);
        }
        assert!(read[5002].contains("\"status\":\"completed\""));
        assert_eq!(store.verify(&name).unwrap(), vec![]);
        assert!(std::fs::read_dir(store.folder(&name)).unwrap().count() > 3, "it rolled");
    }
}

#[test]
fn a_small_session_takes_little_room_when_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    note(&session, 1);
    let file = store.folder(session.name()).join("1.wal");
    session.complete().unwrap();
    use std::os::unix::fs::MetadataExt;
    assert!(std::fs::metadata(file).unwrap().blocks() * 512 <= 16 << 10);
}

#[test]
fn a_dropped_session_can_be_resumed_and_an_existing_one_is_not_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    let name = session.name().clone();
    note(&session, 1);
    assert!(matches!(store.session("s").start(), Err(Error::Exists { .. })));
    assert!(matches!(store.session("s").resume(), Err(Error::Busy { .. })));
    drop(session);
    let session = store.session("s").resume().unwrap();
    assert_eq!(session.run(), 2);
    note(&session, 2);
    session.complete().unwrap();
    let (read, losses) = lines(&store, &name);
    let types: Vec<&str> =
        read.iter().map(|l| l.split("\"type\":\"").nth(1).unwrap().split('"').next().unwrap()).collect();
    assert_eq!(
        types,
        ["session-started", "run-started", "note", "run-ended", "run-started", "note", "session-ended"]
    );
    assert_eq!(losses, vec![]);
    assert!(matches!(store.session("t").resume(), Err(Error::NotFound { .. })));
}

#[test]
fn two_stores_in_one_process_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let one = Options::without_views().open(folder.path()).unwrap();
    let session = one.session("s").start().unwrap();
    let other = Options::without_views().open(folder.path()).unwrap();
    let Err(Error::Busy { holder, .. }) = other.session("s").resume() else { panic!("not busy") };
    assert_eq!(holder.pid, std::process::id());
    note(&session, 1);
    drop(session);
    let resumed = other.session("s").resume().unwrap();
    assert_eq!(resumed.run(), 2);
}

#[test]
fn sixty_four_threads_on_one_session_and_on_their_own() {
    let folder = tempfile::tempdir().unwrap();
    for plain in [false, true] {
        let path = folder.path().join(format!("store {plain}"));
        let store = Options::without_views()
            .plain_writes(plain)
            .segment_sizes(16 << 10, 256 << 10)
            .open(&path)
            .unwrap();
        let shared = store.session("shared").start().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..64 {
                let (store, shared) = (&store, &shared);
                scope.spawn(move || {
                    let own = store.session(format!("own {thread}")).start().unwrap();
                    for n in 0..100 {
                        shared.append(Note::new(format!("{thread} {n}"))).unwrap();
                        note(&own, n);
                    }
                    own.complete().unwrap();
                });
            }
        });
        let name = shared.name().clone();
        shared.complete().unwrap();
        let (read, losses) = lines(&store, &name);
        assert_eq!((read.len(), losses), (64 * 100 + 3, vec![]));
        for thread in 0..64 {
            let own: Vec<&String> =
                read.iter().filter(|l| l.contains(&format!("\"name\":\"{thread} "))).collect();
            assert_eq!(own.len(), 100);
            for (n, line) in own.iter().enumerate() {
                assert!(line.contains(&format!("\"{thread} {n}\"")), "a thread's events stay in its order");
            }
        }
        assert_eq!(store.sessions().unwrap().len(), 65);
    }
}

#[test]
fn durable_appends_from_many_threads_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().durability(Durability::Always).open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for n in 0..20 {
                    let seq = note(&session, n);
                    assert!(session.durable_seq() >= seq);
                }
            });
        }
    });
    let name = session.name().clone();
    session.complete().unwrap();
    let mut log = store.read(&name, Reading::Whole).unwrap();
    while log.next().unwrap().is_some() {}
    assert_eq!(log.durable(), log.next_seq() - 1);
}

#[test]
fn odd_ids_and_two_ids_of_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().open(folder.path()).unwrap();
    let long = "x".repeat(255);
    let ids = ["a/b", "a\\b", "a.b", "a:b", "a_b", "..", "\0\n", "ü", long.as_str(), " ", "~", "-rf"];
    for id in ids {
        store.session(id).start().unwrap().complete().unwrap();
        assert!(matches!(store.session(id).start(), Err(Error::Exists { .. })), "{id:?}");
    }
    for id in ids {
        assert_eq!(store.find(id).unwrap().id(), id);
        store.session(id).resume().unwrap().complete().unwrap();
    }
    assert_eq!(store.sessions().unwrap().len(), ids.len());
    assert!(matches!(store.session("").start(), Err(Error::BadId { len: 0 })));
    assert!(matches!(store.session("x".repeat(256)).start(), Err(Error::BadId { len: 256 })));
}

#[test]
fn an_event_of_64_mib_and_one_byte_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    let text = "x".repeat((64 << 20) + 1);
    let span = session.tool("big").id("big").input(text[1..].to_owned()).start().unwrap();
    let Err(Error::TooLarge { size, limit }) = span.text(&text) else { panic!("it fits") };
    assert_eq!((size, limit), ((64 << 20) + 1, 64 << 20));
    span.ok().unwrap();
    let name = session.name().clone();
    session.complete().unwrap();
    let (read, losses) = lines(&store, &name);
    assert_eq!((read.len(), losses), (5, vec![]));
    assert!(read[2].len() > 64 << 20);
}

#[test]
fn a_reader_follows_a_writer_over_segments_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().segment_sizes(16 << 10, 32 << 10).open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    let path = store.folder(session.name());
    let reader = std::thread::spawn(move || {
        let mut log = SegmentFiles::open_log(&path, Reading::Live).unwrap();
        let mut expected = 1;
        loop {
            while let Some(item) = log.next().unwrap() {
                match item {
                    Item::Event(entry) => {
                        assert_eq!(entry.seq, expected);
                        expected += 1;
                        if let Some(Ok(Event::SessionEnded(_))) = entry.event() {
                            return expected;
                        }
                    }
                    Item::Loss(loss) => panic!("{loss:?}"),
                    _ => {}
                }
            }
            log.refresh().unwrap();
        }
    });
    for n in 0..3000 {
        note(&session, n);
    }
    session.complete().unwrap();
    assert_eq!(reader.join().unwrap(), 3004);
}

#[test]
fn a_span_that_is_dropped_is_closed_as_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    let generation = session.generation("chat").id("g").model("m").start().unwrap();
    drop(generation.child(SpanKind::Tool, "bash").id("t").start().unwrap());
    generation.end().output("done").cost(0.5).finish().unwrap();
    let name = session.name().clone();
    session.fail("no luck").unwrap();
    let (read, _) = lines(&store, &name);
    assert!(read[3].contains("\"parentSpanId\":\"g\""));
    assert!(read[4].contains("\"spanId\":\"t\",\"status\":\"error\",\"statusMessage\":\"interrupted:"));
    assert!(read[6].contains("\"status\":\"error\",\"error\":\"no luck\""));
}

#[test]
fn a_closed_handle_takes_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().open(folder.path()).unwrap();
    let session = store.session("s").start().unwrap();
    let other = session.clone();
    session.complete().unwrap();
    assert!(matches!(other.append(Note::new("late")), Err(Error::Ended { .. })));
    assert!(matches!(other.sync(), Err(Error::Ended { .. })));
}

#[test]
fn a_store_closes_with_its_last_session() {
    let folder = tempfile::tempdir().unwrap();
    let store = Options::without_views().open(folder.path()).unwrap();
    let session = Arc::new(store.session("s").start().unwrap());
    drop(store);
    note(&session, 1);
    drop(session);
    assert_eq!(std::fs::read_dir(folder.path().join("writers")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(folder.path().join("owners")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(folder.path().join("locks")).unwrap().count(), 0);
}
