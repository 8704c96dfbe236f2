//! What is to be forgotten is gone from every byte of the index; and the index never answers for a log that it was not made of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::ops::ControlFlow;
use std::path::Path;

use tracewal::event::{Note, RunEndReason};
use tracewal::{Compaction, Listed, Listing, Payload, Store};
use tracewal_search::{Hit, Pattern, Quiet, Searcher, forget};

fn open(path: &Path) -> Store {
    tracewal::options_with(Compaction::OnDemand).open(path).unwrap()
}

fn write(store: &Store, id: &str, text: &str) {
    let session = store.session(id).start().unwrap();
    session.append(Note { data: Some(Payload::string(text)), ..Note::new("n") }).unwrap();
    session.close(RunEndReason::Closed).unwrap();
}

fn sessions(store: &Store) -> Vec<Listed> {
    Listing::of(store).unwrap().sessions(store, |_| true).map(Result::unwrap).collect()
}

fn search(store: &Store, text: &str) -> Vec<Hit> {
    let (sessions, pattern) = (sessions(store), Pattern::text(text).unwrap());
    let mut searcher = Searcher::open(store, &sessions, &Quiet).unwrap();
    assert_eq!(searcher.why_not_indexed(), None);
    let found = searcher.find(&pattern);
    let mut hits = Vec::new();
    for session in sessions {
        let mut take = |hit| {
            hits.push(hit);
            ControlFlow::Continue(())
        };
        assert!(searcher.hits(&session.name(), &pattern, &found, &mut take).unwrap().is_continue());
    }
    hits
}

/// Every file of the index, with its bytes.
fn files(store: &Store) -> Vec<(String, Vec<u8>)> {
    let all = std::fs::read_dir(store.path().join("search")).unwrap().map(Result::unwrap);
    all.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

#[test]
fn not_a_byte_of_a_session_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"));
    write(&store, "secret", "the key is ZQXJKVWYPFMBGH");
    write(&store, "harmless", "nothing of interest");
    assert_eq!(search(&store, "zqxjkvwypfmbgh").len(), 1);
    assert!(files(&store).iter().any(|(name, bytes)| name == "sessions.sqlite" && !bytes.is_empty()));
    let secret = store.find("secret").unwrap();
    store.remove(&secret).unwrap();
    forget(&store, &secret).unwrap();
    assert!(
        files(&store).iter().all(|(name, bytes)| name == "lock" && bytes.is_empty()),
        "{:?}",
        files(&store)
    );
    assert!(search(&store, "zqxjkvwypfmbgh").is_empty());
    assert_eq!(search(&store, "of interest").len(), 1, "the others are found as before");
    // Nothing to forget is no error.
    forget(&store, &secret).unwrap();
    forget(&store, &secret).unwrap();
}

#[test]
fn a_text_is_not_in_the_index_even_while_it_can_be_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"));
    write(&store, "secret", &"the key is ZQXJKVWYPFMBGH. ".repeat(2_000));
    assert!(!search(&store, "ZQXJKVWYPFMBGH").is_empty());
    for (name, bytes) in files(&store) {
        for text in ["ZQXJKV", "zqxjkv", "the key is"] {
            let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!found, "{text} in {name}");
        }
    }
}

/// A searcher that has been opened finds what there was, or says that it cannot be read, whatever is forgotten, removed and written meanwhile.
#[test]
fn what_happens_while_something_is_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"));
    for id in ["one", "two", "three"] {
        write(&store, id, &format!("a needle in {id}"));
    }
    let (all, pattern) = (sessions(&store), Pattern::text("needle in").unwrap());
    let mut searcher = Searcher::open(&store, &all, &Quiet).unwrap();
    let found = searcher.find(&pattern);
    let (one, two) = (store.find("one").unwrap(), store.find("two").unwrap());
    forget(&store, &one).unwrap();
    store.remove(&one).unwrap();
    store.remove(&two).unwrap();
    write(&store, "two", "a hay in two");
    search(&store, "hay");
    let hits = |session| {
        let mut hits = 0;
        let mut take = |_| {
            hits += 1;
            ControlFlow::Continue(())
        };
        searcher.hits(session, &pattern, &found, &mut take).map(|_| hits)
    };
    assert!(hits(&one).is_err(), "it is gone");
    assert_eq!(hits(&two).unwrap(), 0, "it is another one");
    assert_eq!(hits(&store.find("three").unwrap()).unwrap(), 1);
}
