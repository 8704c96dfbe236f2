//! An index that lies: whatever is missing, old, damaged or half written of it, listing says what the logs say.
//!
//! The oracle folds every log. `TRACEWAL_SEED` replays the random histories, `TRACEWAL_HISTORIES` sets how many there are.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use support::board::Board;
use support::child::{self, Child, STAGE};
use support::door::Door;
use support::random::Random;
use tempfile::TempDir;
use tracewal::disk::Step;
use tracewal::fold::{FOLD_VERSION, Fold, Summary};
use tracewal::{
    Access, Compaction, Damaged, Listed, Listing, Metadata, Options, Reading, Row, SessionName, Status,
    Store, Tokens, status_of,
};
use tracewal_format::index::{Frame, Frames, Mark};

/// Words of the board.
const STEPS: u64 = 1;
const DIE_AT: u64 = 2;
const LANE: u64 = 3;

fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand).segment_sizes(16 << 10, 32 << 10)
}

fn store() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    (folder, path)
}

fn die() -> ! {
    // SAFETY: ends this process.
    unsafe { libc::raise(libc::SIGKILL) };
    unreachable!()
}

// What is done to a store.

fn begin(store: &Store, id: &str) -> tracewal::Session {
    let session =
        store.session(id).title(format!("about {id}")).prompt("?").start_or_resume().expect("it begins");
    let call = session.generation("chat").model("m").start().unwrap();
    call.end().tokens(Tokens::new(5_u64, 4_u64, 3_u64, 2_u64, 1_u64)).cost(0.25).finish().unwrap();
    session
}

fn complete(store: &Store, id: &str) {
    begin(store, id).complete().unwrap();
}

/// A session that says what it is about at great length.
fn complete_at_length(store: &Store, id: &str) {
    let session = begin(store, id);
    session.append(Metadata { title: Some("x".repeat(20_000).into()), ..Metadata::new() }).unwrap();
    session.complete().unwrap();
}

fn session(path: &Path, id: &str) -> PathBuf {
    path.join("sessions").join(id)
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

/// Changes the body of the last event but one of a session that has ended.
fn damage(path: &Path, id: &str) {
    let file = session(path, id).join("1.wal");
    let bytes = fs::read(&file).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    flip(&file, last - 70);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

// What listing says, and the oracle.

fn list(store: &Store) -> Vec<Listed> {
    list_with(store, &Listing::of(store).unwrap())
        .or_else(|Damaged| list_with(store, &Listing::thorough(store).unwrap()))
        .unwrap()
}

fn list_with(store: &Store, listing: &Listing) -> Result<Vec<Listed>, Damaged> {
    listing.sessions(store, |_| true).collect()
}

fn folded(store: &Store, session: &SessionName) -> Summary {
    let live = store.is_live(session);
    let mut log = store.read(session, if live { Reading::Live } else { Reading::Whole }).unwrap();
    Fold::of(&mut log).unwrap().summary().clone()
}

fn is_row_of(row: &Row, summary: &Summary) {
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_ref().map(ToString::to_string);
    let tokens = &summary.tokens;
    assert_eq!(
        (status_of(row), row.started_at, row.ended_at, &row.error, row.is_unreadable),
        (summary.status, summary.started_at, summary.ended_at, &summary.error, summary.session_id.is_empty())
    );
    assert_eq!(
        (row.tokens, row.cost, row.generations, row.tool_calls, row.spans),
        (
            [tokens.input, tokens.output, tokens.reasoning, tokens.cache_read, tokens.cache_write],
            summary.total_cost,
            summary.generations,
            summary.tool_calls,
            summary.spans
        )
    );
    assert_eq!(
        (row.events, row.last_seq, row.generation, &row.losses),
        (summary.events, summary.last_seq, summary.generation, &summary.losses)
    );
    assert_eq!(
        (&row.title, &row.model, &row.agent),
        (&text(&summary.metadata.title), &text(&summary.metadata.model), &text(&summary.metadata.agent))
    );
}

/// Compares with every log, and returns how many sessions were not folded.
#[track_caller]
fn is_right(store: &Store) -> usize {
    let mut expected: Vec<_> = store
        .sessions()
        .unwrap()
        .into_iter()
        .map(|session| {
            let summary = folded(store, &session);
            let known = !summary.session_id.is_empty();
            (known.then_some(summary.started_at), session, summary)
        })
        .collect();
    expected.sort_by(|a, b| (b.0, b.1.name()).cmp(&(a.0, a.1.name())));
    let listed = list(store);
    let ids = |names: Vec<SessionName>| names.iter().map(|name| name.id().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        ids(listed.iter().map(Listed::name).collect()),
        ids(expected.iter().map(|(_, name, _)| name.clone()).collect())
    );
    let mut rows = 0;
    for (listed, (_, name, summary)) in listed.iter().zip(&expected) {
        assert_eq!(&listed.name(), name);
        if let Listed::Row(row) = listed {
            is_row_of(row, summary);
            assert!(!store.is_live(name));
            rows += 1;
        }
    }
    rows
}

/// A store opened for reading, and for writing.
fn both(path: &Path) -> (Store, Store) {
    (options().access(Access::Read).open(path).unwrap(), options().open(path).unwrap())
}

/// The same, through a store that has just been opened for reading, and then through one that may write.
#[track_caller]
fn is_right_again(path: &Path) -> usize {
    is_right(&options().access(Access::Read).open(path).unwrap());
    is_right(&options().open(path).unwrap())
}

fn index_files(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(path.join("index")).into_iter().flatten();
    files.map(|file| file.unwrap().path()).map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

/// Puts the index back as it was.
fn put_back(path: &Path, files: &[(PathBuf, Vec<u8>)]) {
    let _ = fs::remove_dir_all(path.join("index"));
    fs::create_dir(path.join("index")).unwrap();
    files.iter().for_each(|(file, bytes)| fs::write(file, bytes).unwrap());
}

/// Says that the index was complete, as if the folder of sessions had been left alone for long enough.
fn mark(store: &Store) {
    let index = store.index();
    if index.snapshot().base() == 0 {
        index.merge().unwrap();
    }
    let base = index.snapshot().base();
    index.add(&Frame::Mark(Mark { base, ..index.mark(FOLD_VERSION).unwrap() }));
}

#[test]
fn every_kind_of_session_is_answered_from_the_index_once_it_is_closed() {
    let (_folder, path) = store();
    let store = options().open(&path).unwrap();
    complete(&store, "a/b");
    begin(&store, "failed").fail("no").unwrap();
    begin(&store, "crashed").crash("oh").unwrap();
    drop(begin(&store, "closed"));
    complete(&store, "again");
    complete(&store, "again");
    complete_at_length(&store, "long");
    let live = begin(&store, "live");
    // The one that is open, and the one that says too much.
    assert_eq!(is_right(&store), 5);
    store.index().merge().unwrap();
    assert_eq!(is_right(&store), 5);
    mark(&store);
    assert_eq!(is_right(&store), 5);
    live.complete().unwrap();
    assert_eq!(is_right(&store), 6);
}

#[test]
fn a_complete_index_is_believed_and_no_log_is_opened() {
    let (_folder, path) = store();
    let read = Arc::new(AtomicU64::new(0));
    let counting = read.clone();
    let gate = Door::new(move |step| {
        counting.fetch_add(u64::from(matches!(step, Step::Read(_))), Ordering::Relaxed);
        Ok(())
    });
    let store = options().gate(gate).open(&path).unwrap();
    for n in 0..10 {
        complete(&store, &n.to_string());
    }
    mark(&store);
    read.store(0, Ordering::Relaxed);
    assert!(list(&store).iter().all(|listed| matches!(listed, Listed::Row(_))));
    let crashed = Listing::of(&store).unwrap();
    assert_eq!(crashed.sessions(&store, |status| status == Status::Crashed).count(), 0);
    // Also when names come and go by hand, and after the machine was started again.
    copy(&session(&path, "3"), &session(&path, "copied"));
    fs::remove_dir_all(session(&path, "4")).unwrap();
    assert_eq!(list(&store).len(), 10);
    assert_eq!(read.load(Ordering::Relaxed), 1, "only the one that was copied in");
    Listing::thorough(&store).unwrap();
    assert_eq!(read.load(Ordering::Relaxed), 1);
    Listing::fresh(&store).unwrap();
    assert_eq!(read.load(Ordering::Relaxed), 11);
}

/// What was found out once is not told again: listing does not make the index grow.
#[test]
fn listing_again_adds_nothing() {
    let (_folder, path) = small();
    let store = options().open(&path).unwrap();
    copy(&session(&path, "one"), &session(&path, "copied"));
    fs::remove_dir_all(session(&path, "two")).unwrap();
    store.remove(&store.find("three").unwrap()).unwrap();
    let _live = begin(&store, "live");
    is_right(&store);
    let told = index_files(&path);
    for _ in 0..3 {
        is_right(&store);
        assert_eq!(index_files(&path), told);
    }
    store.index().merge().unwrap();
    is_right(&store);
    assert_eq!(fs::metadata(path.join("index/tail")).map_or(0, |tail| tail.len()), 0);
}

#[test]
fn random_histories_are_listed_as_the_logs_say() {
    let mut random = Random::named("histories");
    let histories = std::env::var("TRACEWAL_HISTORIES").map_or(12, |count| count.parse().unwrap());
    for _ in 0..histories {
        let (_folder, path) = store();
        let store = options().open(&path).unwrap();
        let silent = Options::without_views().open(&path).unwrap();
        let mut live = Vec::new();
        for step in 0..40 {
            let id = format!("s{}", random.below(8));
            let found = store.find(&id).ok();
            let closed = found.clone().filter(|session| !store.is_live(session));
            match (random.below(14), found, closed) {
                (0..4, Some(_), None) => live.retain(|session: &tracewal::Session| session.id() != id),
                (0 | 1, ..) => complete(&store, &id),
                (2, ..) => begin(&store, &id).crash("oh").unwrap(),
                (3, ..) => live.push(begin(&store, &id)),
                (4, Some(_), Some(_)) => complete(&silent, &id),
                (5, _, Some(session)) => store.remove(&session).unwrap(),
                (6, _, Some(session)) => {
                    damage(&path, session.name());
                }
                (7, _, Some(session)) => drop(store.repair(&session)),
                (8, _, Some(_)) => {
                    let copied = session(&path, &format!("c{step}"));
                    copy(&session(&path, &id), &copied);
                }
                (9, _, Some(_)) => fs::remove_dir_all(session(&path, &id)).unwrap(),
                (10, _, Some(session)) => drop(store.materialise(&session).unwrap()),
                (11, ..) => store.index().merge().unwrap(),
                (12, ..) => {
                    is_right(&store);
                    mark(&store);
                }
                _ => {}
            }
            // Not after every step: what was not asked for is not repaired by asking.
            if random.below(3) == 0 {
                is_right(&store);
            }
        }
        is_right(&store);
        drop(live);
        is_right_again(&path);
    }
}

/// A store of four sessions, two of them merged, and a mark behind each part.
fn small() -> (TempDir, PathBuf) {
    let (folder, path) = store();
    let store = options().open(&path).unwrap();
    complete(&store, "one");
    begin(&store, "two").crash("oh").unwrap();
    mark(&store);
    store.index().merge().unwrap();
    complete(&store, "three");
    complete(&store, "one");
    mark(&store);
    drop(store);
    is_right_again(&path);
    (folder, path)
}

#[test]
fn an_index_with_any_byte_changed_says_what_the_logs_say() {
    let (_folder, path) = small();
    let whole = index_files(&path);
    assert_eq!(whole.len(), 2, "base and tail");
    let (read, write) = both(&path);
    for (file, bytes) in &whole {
        for at in 0..bytes.len() {
            put_back(&path, &whole);
            flip(file, at);
            is_right(&read);
            is_right(&write);
        }
    }
}

#[test]
fn an_index_that_is_cut_says_what_the_logs_say() {
    let (_folder, path) = small();
    let whole = index_files(&path);
    let (read, write) = both(&path);
    for (file, bytes) in &whole {
        for len in 0..bytes.len() {
            put_back(&path, &whole);
            fs::write(file, &bytes[..len]).unwrap();
            is_right(&read);
            is_right(&write);
        }
        put_back(&path, &whole);
        fs::remove_file(file).unwrap();
        is_right_again(&path);
    }
    fs::remove_dir_all(path.join("index")).unwrap();
    assert_eq!(is_right_again(&path), 3);
    // What is no index at all, as large as it may be.
    let huge = fs::File::create(path.join("index/tail.old")).unwrap();
    huge.set_len(1 << 40).unwrap();
    fs::write(path.join("index/base"), "{}").unwrap();
    assert_eq!(is_right_again(&path), 3);
    assert!(!path.join("index/tail.old").exists(), "it goes when somebody may write");
}

/// What is shown is compared with the files, and who came or went with the folder: so also an index of an earlier time is found out.
#[test]
fn an_index_of_an_earlier_time_says_what_the_logs_say() {
    let (_folder, path) = small();
    let earlier = index_files(&path);
    let store = options().open(&path).unwrap();
    begin(&store, "two").complete().unwrap();
    begin(&store, "three").crash("late").unwrap();
    complete(&store, "four");
    store.remove(&store.find("one").unwrap()).unwrap();
    put_back(&path, &earlier);
    is_right_again(&path);
    put_back(&path, &earlier);
    assert_eq!(is_right(&store), 3);
}

/// A power cut takes any of what was not synced: here the newest record, and keeps the mark.
#[test]
fn after_a_power_cut_every_folder_is_compared() {
    let (_folder, path) = store();
    let store = options().open(&path).unwrap();
    complete(&store, "s");
    mark(&store);
    let before = fs::read(path.join("index/tail")).unwrap();
    begin(&store, "s").crash("oh").unwrap();
    let crashed = |store: &Store| {
        let listing = Listing::of(store).unwrap();
        listing.sessions(store, |status| status == Status::Crashed).count()
    };
    assert_eq!(crashed(&store), 1);
    let of_another_boot: Vec<u8> = Frames::new(&before)
        .flat_map(|frame| match frame {
            Frame::Mark(mark) => Frame::Mark(Mark { boot_id: 7, ..mark }).encode(),
            frame => frame.encode(),
        })
        .collect();
    fs::write(path.join("index/tail"), of_another_boot).unwrap();
    assert_eq!(crashed(&store), 1, "also where only what has crashed is asked for");
    is_right_again(&path);
}

#[test]
fn a_store_that_is_only_read_is_left_as_it_is() {
    let (_folder, path) = small();
    for keep in [true, false] {
        if !keep {
            fs::remove_dir_all(path.join("index")).unwrap();
        }
        let before = index_files(&path);
        let store = options().access(Access::Read).open(&path).unwrap();
        assert_eq!(is_right(&store), if keep { 3 } else { 0 });
        let _ = store.index().merge();
        store.index().clear();
        Listing::fresh(&store).unwrap();
        assert_eq!(index_files(&path), before);
    }
}

#[test]
fn a_disk_that_takes_nothing_for_the_index_is_no_error_of_the_session() {
    let (_folder, path) = small();
    let failing = Arc::new(AtomicU64::new(0));
    let asked = failing.clone();
    let gate = Door::new(move |step| {
        let (Step::Write(path) | Step::Create(path) | Step::Rename(_, path) | Step::Remove(path)) = step
        else {
            return Ok(());
        };
        let fails = match asked.load(Ordering::Relaxed) {
            // Everything, or all but removing.
            1 => true,
            2 => !matches!(step, Step::Remove(_)),
            _ => false,
        };
        let is_index = path.parent().is_some_and(|folder| folder.ends_with("index"));
        if fails && is_index { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    });
    let store = options().gate(gate).open(&path).unwrap();
    for how in [1, 2, 0] {
        failing.store(how, Ordering::Relaxed);
        complete(&store, "one");
        complete(&store, &format!("new {how}"));
        let _ = store.index().merge();
        is_right(&store);
    }
    assert_eq!(is_right(&store), 6);
    assert!(!path.join("index/base.tmp").exists());
}

/// Ends sessions, merges and lists, and dies before the step that the board names.
fn die_at_a_step(path: &Path, board: Board) {
    let gate = Door::new(move |_: Step<'_>| {
        let step = board.get(STEPS);
        if step == board.get(DIE_AT) {
            die();
        }
        board.set(STEPS, step + 1);
        Ok(())
    });
    let store = options().gate(gate).open(path).unwrap();
    complete(&store, "one");
    store.index().merge().unwrap();
    begin(&store, "two").fail("no").unwrap();
    complete(&store, "new");
    store.index().merge().unwrap();
    list(&store);
    store.remove(&store.find("three").unwrap()).unwrap();
    complete(&Options::without_views().open(path).unwrap(), "two");
    list(&store);
}

#[test]
fn killed_before_any_step_it_says_what_the_logs_say() {
    let folder = tempfile::tempdir().unwrap();
    let board = Board::create(&folder.path().join("board"), 1);
    for step in 0.. {
        let (_folder, path) = small();
        board.set(STEPS, 0);
        board.set(DIE_AT, step);
        let status = Child::start("die at a step", &path, &board).wait();
        // First as it was left, for whoever may only read.
        is_right_again(&path);
        let rows = is_right_again(&path);
        if status.success() {
            assert!(step > 100, "{step} steps");
            assert_eq!(rows, 3);
            return;
        }
    }
}

#[test]
fn several_processes_tell_and_merge_at_once() {
    const CHILDREN: u64 = 3;
    let (folder, path) = small();
    let boards: Vec<Board> =
        (0..CHILDREN).map(|n| Board::create(&folder.path().join(format!("board{n}")), 1)).collect();
    let mut children: Vec<Child> = boards
        .iter()
        .zip(0..)
        .map(|(board, n)| {
            board.set(LANE, n);
            Child::start("end and merge", &path, board)
        })
        .collect();
    let store = options().open(&path).unwrap();
    // The first dies in the middle of it, and the others go on to their end.
    let first = children.remove(0);
    while boards[0].get(STEPS) < 10 {
        store.index().merge().unwrap();
        list(&store);
        assert_eq!(boards[0].get(STAGE), 1);
    }
    first.kill();
    for child in children {
        assert!(child.wait().success());
    }
    store.recover().unwrap();
    let sessions = u64::try_from(is_right(&store)).unwrap();
    let begun: u64 = boards[0].get(STEPS);
    assert!(sessions >= 3 + begun + (CHILDREN - 1) * 40, "{sessions}");
    is_right_again(&path);
}

fn end_and_merge(path: &Path, board: &Board) {
    let store = options().open(path).unwrap();
    for n in 0..if board.get(LANE) == 0 { u64::MAX } else { 40 } {
        complete(&store, &format!("{}-{n}", board.get(LANE)));
        board.set(STEPS, n + 1);
        if n % 3 == 0 {
            store.index().merge().unwrap();
        }
    }
}

#[test]
fn child_entry() {
    let Some(part) = child::part() else { return };
    match part.name.as_str() {
        "die at a step" => die_at_a_step(&part.store, part.board),
        "end and merge" => end_and_merge(&part.store, &part.board),
        other => panic!("no part is called {other}"),
    }
}

/// A store with many sessions is opened without listing them: half-made ones are looked for when somebody has died.
#[test]
fn half_made_sessions_are_looked_for_when_a_writer_died() {
    let (folder, path) = small();
    let half_made = session(&path, &format!(".new-{:032x}-0", 7));
    fs::create_dir(&half_made).unwrap();
    drop(options().open(&path).unwrap());
    assert!(half_made.exists(), "nobody has died");
    options().open(&path).unwrap().recover().unwrap();
    assert!(!half_made.exists(), "asked to, it looks");
    fs::create_dir(&half_made).unwrap();
    let board = Board::create(&folder.path().join("board"), 1);
    let killed = Child::start("end and merge", &path, &board);
    while board.get(STEPS) == 0 {
        std::thread::yield_now();
    }
    killed.kill();
    drop(options().open(&path).unwrap());
    assert!(!half_made.exists(), "somebody has died");
}
