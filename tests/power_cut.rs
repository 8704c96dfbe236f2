//! Power cuts: real runs of the store are shadowed, and what a disk may hold after a cut at any moment of them is rebuilt, opened
//! and compared with what the run had been told (I2, I3, I4, I6, I7).
//!
//! `TRACEWAL_CUTS` sets the number of cuts, `TRACEWAL_SEED` replays the run that a failure names; `--nocapture` shows the figures.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::as_conversions, clippy::cast_possible_truncation)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use support::image::Image;
use support::log::{Contents, What, names, read};
use support::random::Random;
use support::shadow::{Believes, Shadow};
use support::shadow_cut::Wreck;
use support::shadow_ledger::{Presence, Track};
use support::small_disk::in_memory;
use tracewal::event::{Note, RunEndReason};
use tracewal::{Compaction, Durability, LossKind, Options, Reading, Session, SessionName, Store};

/// Cuts unless the environment says otherwise.
const CUTS: u64 = 3_000;
/// How many cuts are made of one run.
const CUTS_OF_ONE_RUN: u64 = 60;
/// Steps of one run.
const STEPS: u64 = 50;
const SESSIONS: usize = 5;
/// Within how many cuts a disk that lies has to be found out.
const FOUND_WITHIN: u64 = 1_000;

/// Nothing in the background: what changes in the store, the run's thread has changed.
fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand)
        .durability(Durability::Interval(Duration::from_secs(36_000)))
        .segment_sizes(16 << 10, 32 << 10)
}

/// A run that is over, and what it was told.
struct Recorded {
    shadow: Arc<Shadow>,
    moments: usize,
    /// Before the moment at which the store was open; then.
    before: (usize, Vec<Track>),
    tracks: Vec<Track>,
}

impl Recorded {
    fn tracks_at(&self, moment: usize) -> &[Track] {
        if moment < self.before.0 { &self.before.1 } else { &self.tracks }
    }
}

/// A run of the store by one thread, step by step at random, and what it is told.
struct Run {
    base: PathBuf,
    options: Options,
    shadow: Arc<Shadow>,
    store: Option<Store>,
    open: Vec<(usize, Session)>,
    before: (usize, Vec<Track>),
    tracks: Vec<Track>,
    /// Every append is durable.
    always: bool,
    notes: u64,
}

impl Run {
    /// A run on a new store.
    fn begin(base: &Path, believes: Believes, random: &mut Random) -> Self {
        fs::create_dir(base).unwrap();
        let always = random.below(4) == 0;
        let shadow = Arc::new(Shadow::of(base, believes));
        let options = options().plain_writes(random.below(3) == 0).gate(shadow.clone());
        let mut run = Run {
            base: base.to_owned(),
            options,
            shadow,
            store: None,
            open: Vec::new(),
            before: (0, Vec::new()),
            tracks: Vec::new(),
            always,
            notes: 0,
        };
        run.open_store();
        run
    }

    fn path(&self) -> PathBuf {
        self.base.join("store")
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn open_store(&mut self) {
        let store = self.options.clone().open(self.path()).unwrap();
        assert_eq!(store.health().failed_recoveries, vec![]);
        self.store = Some(store);
    }

    fn step(&mut self, random: &mut Random) {
        let open = self.open.len() as u64;
        let closed = self.closed();
        match random.below(40) {
            0..5 if self.tracks.len() < SESSIONS => self.start(),
            0..22 if open > 0 => self.append(random.below(open) as usize, 1 + random.below(6), random),
            22..25 if open > 0 => self.sync(random.below(open) as usize, random),
            25 | 26 if open > 0 => drop(self.open[random.below(open) as usize].1.flush().unwrap()),
            27 if open > 0 => self.crash(random.below(open) as usize),
            28..31 if open > 0 => self.end(random.below(open) as usize, random),
            31..35 if !closed.is_empty() => self.resume(closed[random.below(closed.len() as u64) as usize]),
            35 if !closed.is_empty() => self.remove(closed[random.below(closed.len() as u64) as usize]),
            36 if !closed.is_empty() => {
                self.damage_and_repair(closed[random.below(closed.len() as u64) as usize], random)
            }
            37 => self.vanish(),
            38 => self.reopen(),
            _ => {}
        }
        self.shadow.moment();
    }

    fn closed(&self) -> Vec<usize> {
        let is_closed =
            |at: &usize| !self.open.iter().any(|(of, _)| of == at) && !self.tracks[*at].is_removed();
        (0..self.tracks.len()).filter(is_closed).collect()
    }

    /// A call that appends `what` (or nothing) and, if it is `durable`, makes everything of the session durable.
    fn call<T>(
        &mut self,
        track: usize,
        what: Option<What>,
        durable: bool,
        call: impl FnOnce(&Self) -> T,
    ) -> T {
        let from = self.shadow.moments();
        if let Some(what) = what {
            self.tracks[track].attempt(from, what);
        }
        let result = call(self);
        let moment = self.shadow.moment();
        if durable {
            self.tracks[track].durable(moment);
        }
        result
    }

    fn start(&mut self) {
        let (at, from) = (self.tracks.len(), self.shadow.moments());
        let session = self.store().session(format!("s{at}")).start().unwrap();
        let mut track = Track::new(session.name().clone());
        track.attempt(from, What::SessionStarted);
        track.attempt(from, What::RunStarted);
        self.tracks.push(track);
        self.open.push((at, session));
    }

    fn append(&mut self, open: usize, count: u64, random: &mut Random) {
        for _ in 0..count {
            let size = [10, 100, 700, 3_000][random.below(4) as usize];
            let text = format!("{:08} {}", self.notes, "x".repeat(random.below(size) as usize));
            self.notes += 1;
            let durable = self.always || random.below(16) == 0;
            let session = self.open[open].1.clone();
            let what = What::Note(text.clone());
            let seq = self.call(self.open[open].0, Some(what), durable, |_| {
                let note = Note::new(text);
                if durable { session.append_durable(note) } else { session.append(note) }.unwrap()
            });
            assert_eq!(seq, self.tracks[self.open[open].0].last_seq());
        }
    }

    fn sync(&mut self, open: usize, random: &mut Random) {
        let session = self.open[open].1.clone();
        if random.below(2) == 0 {
            self.call(self.open[open].0, None, true, |_| session.sync().unwrap());
        } else {
            self.append(open, 1, random);
            self.call(self.open[open].0, None, true, |_| session.sync().unwrap());
        }
    }

    fn crash(&mut self, open: usize) {
        let (at, session) = (self.open[open].0, self.open[open].1.clone());
        let what = What::Crashed(session.run());
        self.call(at, Some(what), true, |_| session.crash("the test says so").unwrap());
        let moment = self.shadow.moment();
        self.tracks[at].crashed(moment);
    }

    fn end(&mut self, open: usize, random: &mut Random) {
        let (at, session) = self.open.remove(open);
        match random.below(3) {
            0 | 1 => {
                let ended = self.call(at, Some(What::SessionEnded), true, |_| session.complete().unwrap());
                assert!(ended.view_error.is_none(), "{ended:?}");
            }
            _ => self.call(at, Some(What::RunEnded(RunEndReason::Closed)), true, |_| drop(session)),
        }
    }

    fn resume(&mut self, track: usize) {
        let id = self.tracks[track].name.id().to_owned();
        let from = self.shadow.moments();
        self.tracks[track].resume(from);
        let session = self.store().session(id).resume().unwrap();
        self.tracks[track].resumed(&session);
        self.open.push((track, session));
    }

    fn remove(&mut self, track: usize) {
        let moments = self.shadow.moments();
        self.tracks[track].removing(moments);
        self.store().remove(&self.tracks[track].name).unwrap();
        let moment = self.shadow.moment();
        self.tracks[track].removed(moment);
    }

    /// One byte of an event is not what it was; then the log is repaired.
    fn damage_and_repair(&mut self, track: usize, random: &mut Random) {
        let session = self.tracks[track].name.clone();
        let folder = self.store().folder(&session);
        let notes: Vec<String> = self.tracks[track].notes().map(|(_, text)| text.to_owned()).collect();
        if notes.is_empty() {
            return;
        }
        let note = &notes[random.below(notes.len() as u64) as usize];
        for name in names(&folder) {
            let bytes = fs::read(folder.join(&name)).unwrap();
            if let Some(at) = bytes.windows(note.len()).position(|window| window == note.as_bytes()) {
                let file = fs::OpenOptions::new().write(true).open(folder.join(&name)).unwrap();
                file.write_all_at(b"#", at as u64).unwrap();
            }
        }
        self.shadow.moment();
        self.shadow.settle(&folder);
        let damaged = read(self.store(), &session, Reading::Whole);
        self.tracks[track].lose(&damaged);
        let repaired = self.store().repair(&session).unwrap();
        assert!(!repaired.losses.is_empty());
        let mended = read(self.store(), &session, Reading::Whole);
        assert!(mended.losses.iter().all(|loss| loss.kind == LossKind::Repaired), "{:?}", mended.losses);
        assert_eq!(mended.events, damaged.events);
    }

    /// The process is gone as by SIGKILL: its memory stays in the files, its lock does not, and another one opens the store.
    fn vanish(&mut self) {
        let own = names(&self.path().join("writers"));
        let own: Vec<_> = own.iter().map(|name| self.path().join("writers").join(name)).collect();
        unlock(&own);
        let open = std::mem::take(&mut self.open);
        let opening = self.shadow.moments();
        for (track, session) in &open {
            self.tracks[*track].vanish(opening, session.run());
        }
        std::mem::forget(self.store.take());
        open.into_iter().for_each(|(_, session)| std::mem::forget(session));
        self.open_store();
        let moment = self.shadow.moment();
        for at in 0..self.tracks.len() {
            self.tracks[at].durable(moment);
            if self.tracks[at].is_removed() {
                continue;
            }
            // I1: nothing that was appended needs a sync to survive this.
            let contents = read(self.store(), &self.tracks[at].name, Reading::Whole);
            self.tracks[at].check(&contents, moment, false).unwrap();
            let (view, _) = view_of(self.store(), &self.tracks[at].name, &contents);
            if view["summary"]["status"] == "crashed" {
                self.tracks[at].crashed(moment);
            }
        }
    }

    fn reopen(&mut self) {
        while !self.open.is_empty() {
            let (at, session) = self.open.remove(0);
            self.call(at, Some(What::RunEnded(RunEndReason::Closed)), true, |_| drop(session));
        }
        self.store = None;
        self.open_store();
    }

    /// The power goes and comes again, and another run goes on with what is left.
    fn reboot(
        self,
        base: &Path,
        believes: Believes,
        random: &mut Random,
    ) -> Result<(Recorded, Self), String> {
        let moment = self.shadow.moment();
        let mut wreck = self.shadow.cut(moment, random);
        wreck.reboot();
        wreck.put(base);
        let shadow = Arc::new(Shadow::of(base, believes));
        let mut left: Vec<Track> = self.tracks.iter().map(|track| track.at(moment)).collect();
        left.iter_mut().filter(|track| !wreck.knows_owner(track.name.name())).for_each(Track::forget);
        let mut next = Run {
            base: base.to_owned(),
            options: self.options.clone().gate(shadow.clone()),
            shadow,
            store: None,
            open: Vec::new(),
            before: (0, Vec::new()),
            tracks: Vec::new(),
            always: self.always,
            notes: self.notes,
        };
        let recorded = self.finish();
        next.open_store();
        let opened = next.shadow.moment();
        for track in &left {
            next.tracks.push(match next.store().find(track.name.id()) {
                Ok(session) => {
                    let contents = read(next.store(), &session, Reading::Whole);
                    track.check(&contents, 0, wreck.knows_owner(session.name()))?;
                    if contents.events.is_empty() {
                        // Bytes without a header: nobody can go on with it.
                        next.tracks.push(Track::gone(session));
                        continue;
                    }
                    let mut track = Track::read_back(session, &contents, opened);
                    let (view, is_current) = view_of(next.store(), &track.name, &contents);
                    if !is_current {
                        track.forget();
                    }
                    if view["summary"]["status"] == "crashed" {
                        track.crashed(opened);
                    }
                    track
                }
                Err(_) if track.presence(0) == Presence::Present => {
                    return Err(format!("{} is gone", track.name.id()));
                }
                Err(_) => Track::gone(track.name.clone()),
            });
        }
        next.before = (opened, left);
        Ok((recorded, next))
    }

    fn finish(self) -> Recorded {
        let moments = self.shadow.moments();
        Recorded { shadow: self.shadow, moments, before: self.before, tracks: self.tracks }
    }
}

/// Gives up the locks that this process holds on these files, as the kernel does when it ends.
fn unlock(files: &[PathBuf]) {
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let entry = entry.unwrap();
        if fs::read_link(entry.path()).is_ok_and(|file| files.contains(&file)) {
            let descriptor = entry.file_name().to_str().unwrap().parse().unwrap();
            // SAFETY: a call without pointers, on a descriptor that nobody closes: its owner is forgotten.
            assert_eq!(unsafe { libc::flock(descriptor, libc::LOCK_UN) }, 0);
        }
    }
}

/// What was found in many cuts.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    runs: u64,
    moments: u64,
    cuts: u64,
    sessions: u64,
    /// Sessions that were not durable, and not there.
    absent: u64,
    /// Sessions with events that were reported lost.
    with_losses: u64,
    /// Sessions of which the owner entry was lost, so that nobody knows that their run is over.
    orphans: u64,
    /// Sessions that were not durable, and of which there are bytes and no header.
    unreadable: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.runs += other.runs;
        self.moments += other.moments;
        self.cuts += other.cuts;
        self.sessions += other.sessions;
        self.absent += other.absent;
        self.with_losses += other.with_losses;
        self.orphans += other.orphans;
        self.unreadable += other.unreadable;
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// The power goes at this moment: what is left is put into `folder`, opened, and compared with what the run was told.
fn cut(recorded: &Recorded, moment: usize, random: &mut Random, folder: &Path) -> Result<Tally, String> {
    let mut wreck = recorded.shadow.cut(moment, random);
    let others_boot = random.below(8) > 0;
    if others_boot {
        wreck.reboot();
    }
    let tracks = recorded.tracks_at(moment);
    let said = views_before_recovery(&wreck, tracks, moment)?;
    wreck.put(folder);
    let path = folder.join("store");
    if !path.exists() {
        let durable = tracks.iter().find(|track| track.presence(moment) == Presence::Present);
        return ensure(durable.is_none(), || "the store is gone".to_owned()).map(|()| Tally::default());
    }
    let open = || options().recover(false).open(&path).map_err(|e| format!("it cannot be opened: {e}"));
    let store = open()?;
    let recovered = store.recover().map_err(|e| format!("it cannot be recovered: {e}"))?;
    ensure(recovered.failed.is_empty(), || format!("not recovered: {:?}", recovered.failed))?;
    let mut tally = Tally { cuts: 1, ..Tally::default() };
    for track in tracks {
        let name = track.name.name();
        let known = wreck.knows_owner(name) && !track.is_forgotten(moment);
        check_session(&store, track, moment, others_boot, known, &said, &mut tally)
            .map_err(|e| format!("{name}: {e}; cut at {moment} of {}, {}", recorded.moments, wreck.how()))?;
    }
    for view in names(&path.join("traces")) {
        let Some(name) = view.strip_suffix(".json") else { continue };
        // A view may be durable before its session is; never after it.
        let never_durable =
            tracks.iter().any(|track| track.name.name() == name && track.required(moment) == 0);
        ensure(never_durable || path.join("sessions").join(name).is_dir(), || {
            format!("a view of nothing: {view}")
        })?;
    }
    drop(store);
    check_second_open(&open, &path)?;
    Ok(tally)
}

/// I4, I6: each view is one whole document, and says what it may say, before anybody has looked at the store.
fn views_before_recovery(
    wreck: &Wreck,
    tracks: &[Track],
    moment: usize,
) -> Result<BTreeMap<String, String>, String> {
    let mut said = BTreeMap::new();
    for (file, bytes) in wreck.files(Path::new("store/traces")) {
        let Some(name) = file.strip_suffix(".json") else { continue };
        let view: Value =
            serde_json::from_slice(bytes).map_err(|e| format!("the view {file} is no document: {e}"))?;
        said.insert(name.to_owned(), view["summary"]["status"].as_str().unwrap().to_owned());
    }
    for track in tracks.iter().filter(|track| track.must_look_crashed(moment)) {
        let status = said.get(track.name.name());
        ensure(status.is_some_and(|status| status == "crashed"), || {
            format!("{} has a crash record, and its view says {status:?}", track.name.name())
        })?;
    }
    Ok(said)
}

fn check_session(
    store: &Store,
    track: &Track,
    moment: usize,
    others_boot: bool,
    is_known: bool,
    said: &BTreeMap<String, String>,
    tally: &mut Tally,
) -> Result<(), String> {
    let presence = track.presence(moment);
    let Ok(session) = store.find(track.name.id()) else {
        tally.absent += 1;
        ensure(presence != Presence::Present, || "the session is gone".to_owned())?;
        ensure(!store.folder(&track.name).exists(), || "what is left of it has no name".to_owned())?;
        return Ok(());
    };
    tally.sessions += 1;
    ensure(presence != Presence::Gone, || "it was removed and is there".to_owned())?;
    let contents = read(store, &session, Reading::Whole);
    // Where its owner entry was lost nobody has looked at it.
    track.check(&contents, moment, others_boot && is_known)?;
    tally.with_losses += u64::from(contents.losses.iter().any(|loss| loss.missing.is_some()));
    if said.get(track.name.name()).is_some_and(|status| status == "completed") {
        ensure(contents.is_ended(), || "its view said completed, and it has no ending".to_owned())?;
    }
    let run = contents.events.last().map_or(0, |seen| seen.run);
    let (view, is_current) = view_of(store, &session, &contents);
    // Whoever removes a session removes its view first.
    let is_going = view.is_null() && track.is_removed_at(moment);
    if contents.has_ended(run) && (is_current || is_going) {
        return ensure(!store.is_live(&session), || "it is open".to_owned());
    }
    if contents.has_ended(run) && track.was_damaged(&contents) {
        // A byte that the run itself has changed makes another log, and the view is written anew only when the repair is done.
        return Ok(());
    }
    if contents.events.is_empty() && track.required(moment) == 0 {
        // Bytes without a header, of a session that never was: they stay and show as damage.
        tally.unreadable += 1;
        return ensure(!store.is_live(&session), || "it is open".to_owned());
    }
    // Nobody knows that it was open when its owner entry is lost. Then nothing of its last run was durable: neither what the log has of
    // it, nor what a view has that was written before the power went.
    let what = || {
        format!("nobody has ended it, or written its view: {} {}", view["summary"]["status"], contents.end())
    };
    let started = contents.events.iter().find(|seen| seen.run == run).map_or(1, |seen| seen.seq);
    let is_ahead = view["wal"]["lastSeq"].as_u64() > Some(track.required(moment));
    let is_forgotten = !is_known && (is_ahead || started > track.required(moment));
    ensure(is_forgotten || track.is_forgotten(moment), what)?;
    tally.orphans += 1;
    Ok(())
}

/// A session's view, `null` if it has none, and whether it says what the log says.
fn view_of(store: &Store, session: &SessionName, contents: &Contents) -> (Value, bool) {
    let last = contents.events.last().map_or(0, |seen| seen.seq);
    let view = fs::read(store.view(session))
        .map_or(Value::Null, |view| serde_json::from_slice(&view).unwrap_or_default());
    let is_current = view["summary"]["status"] == contents.status_by_table()
        && view["wal"]["lastSeq"].as_u64() >= Some(last);
    (view, is_current)
}

/// Recovery leaves nothing to be done.
fn check_second_open(open: &dyn Fn() -> Result<Store, String>, path: &Path) -> Result<(), String> {
    let before = Image::of(path);
    let store = open()?;
    let again = store.recover().map_err(|e| e.to_string())?;
    ensure(again.sessions.is_empty() && again.failed.is_empty(), || format!("recovered again: {again:?}"))?;
    drop(store);
    let after = Image::of(path);
    ensure(before == after, || {
        format!("a second open changed something: {:?} {:?}", before.names(), after.names())
    })
}

/// Cuts of one run, and of one that goes on where a cut has left it. How many there were before one that broke a promise.
fn cuts_of_run(seed: u64, believes: Believes, tally: &mut Tally) -> Result<(), String> {
    let random = &mut Random::seeded(seed);
    let folder = in_memory();
    let mut run = Run::begin(&folder.path().join("one"), believes, random);
    let steps = 5 + random.below(STEPS);
    for _ in 0..steps {
        run.step(random);
    }
    let (first, mut second) = run.reboot(&folder.path().join("two"), believes, random)?;
    for _ in 0..steps / 4 {
        second.step(random);
    }
    for (recorded, cuts) in [(first, CUTS_OF_ONE_RUN * 2 / 3), (second.finish(), CUTS_OF_ONE_RUN / 3)] {
        tally.runs += 1;
        tally.moments += recorded.moments as u64;
        for _ in 0..cuts {
            let moment = random.below(recorded.moments as u64) as usize;
            tally.cuts += 1;
            let found = cut(&recorded, moment, random, &folder.path().join("cut"))?;
            tally.add(Tally { cuts: 0, ..found });
        }
    }
    Ok(())
}

/// Runs, each shadowed and cut, until there have been so many cuts, or one has broken a promise: then what, and after how many.
fn cuts(name: &str, wanted: u64, believes: Believes) -> (Tally, Option<String>) {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let first: u64 = std::env::var("TRACEWAL_SEED").map_or_else(|_| clock(), |seed| seed.parse().unwrap());
    println!("{name}: TRACEWAL_SEED={first}");
    let (next, total, broken) = (AtomicU64::new(0), Mutex::new(Tally::default()), Mutex::new(None));
    let work = || {
        loop {
            let seed = first + next.fetch_add(1, Ordering::Relaxed);
            if total.lock().unwrap().cuts >= wanted || broken.lock().unwrap().is_some() {
                return;
            }
            let mut tally = Tally::default();
            let result = catch_unwind(AssertUnwindSafe(|| cuts_of_run(seed, believes, &mut tally)));
            total.lock().unwrap().add(tally);
            let result = result.unwrap_or_else(|_| Err("a panic".to_owned()));
            if let Err(what) = result {
                broken.lock().unwrap().get_or_insert(format!("{what} (TRACEWAL_SEED={seed})"));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(8) {
            scope.spawn(work);
        }
    });
    (total.into_inner().unwrap(), broken.into_inner().unwrap())
}

#[test]
fn whatever_a_power_cut_leaves_is_what_the_run_was_told_and_nothing_else() {
    let wanted = std::env::var("TRACEWAL_CUTS").map_or(CUTS, |cuts| cuts.parse().unwrap());
    let begun = Instant::now();
    let (tally, broken) = cuts("power cuts", wanted, Believes::Everything);
    println!("{tally:?} in {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(broken, None);
    assert!(tally.with_losses > 0 && tally.absent > 0, "cuts that lose nothing test nothing: {tally:?}");
}

/// Disks that lie, or an engine that forgets a sync. (An owner entry that was not synced is not missed: where it cannot be read, the
/// writer counts as dead, which after a power cut it is.)
const LIES: [(&str, Believes); 8] = [
    ("segments", Believes::NoFile(".wal")),
    ("recovered segments", Believes::NoFile(".wal.tmp")),
    ("views before they are renamed", Believes::NoFile(".json.tmp")),
    ("the folder of a session", Believes::NoFolder("s0")),
    ("the folder of sessions", Believes::NoFolder("sessions")),
    ("the folder of owner entries", Believes::NoFolder("owners")),
    ("the folder of views", Believes::NoFolder("traces")),
    ("the store's own folder", Believes::NoFolder("store")),
];

#[test]
fn a_disk_that_lies_about_any_sync_is_found_out() {
    for (what, believes) in LIES {
        let (tally, broken) = cuts(what, FOUND_WITHIN, believes);
        println!("no sync of {what}: {} cuts, {broken:?}", tally.cuts);
        assert!(broken.is_some(), "no sync of {what}: not found out in {} cuts", tally.cuts);
    }
}
