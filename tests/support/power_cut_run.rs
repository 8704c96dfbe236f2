//! A run of the store that is shadowed, for power cuts at any moment of it: step by step at random, with what it is told.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracewal::event::{Note, RunEndReason};
use tracewal::{Compaction, Durability, LossKind, Options, Reading, Session, Store};

use super::log::{What, names, read};
use super::power_cuts::view_of;
use super::random::Random;
use super::shadow::{Believes, Shadow};
use super::shadow_ledger::{Presence, Track};
use super::wrong::Wrong;

const SESSIONS: usize = 5;

/// Nothing in the background: what changes in the store, the run's thread has changed.
pub(crate) fn options() -> Options {
    tracewal::options_with(Compaction::OnDemand)
        .durability(Durability::Interval(Duration::from_secs(36_000)))
        .segment_sizes(16 << 10, 32 << 10)
}

/// A run that is over, and what it was told.
pub(crate) struct Recorded {
    pub(crate) shadow: Arc<Shadow>,
    pub(crate) moments: usize,
    /// Before the moment at which the store was open; then.
    pub(crate) before: (usize, Vec<Track>),
    pub(crate) tracks: Vec<Track>,
}

impl Recorded {
    pub(crate) fn tracks_at(&self, moment: usize) -> &[Track] {
        if moment < self.before.0 { &self.before.1 } else { &self.tracks }
    }
}

/// A run of the store by one thread, step by step at random, and what it is told.
pub(crate) struct Run {
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
    pub(crate) fn begin(base: &Path, believes: Believes, random: &mut Random) -> Self {
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

    pub(crate) fn step(&mut self, random: &mut Random) {
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
    pub(crate) fn reboot(
        self,
        base: &Path,
        believes: Believes,
        random: &mut Random,
    ) -> Result<(Recorded, Self), Wrong> {
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
                    return Err(Wrong::Lost(track.required(0), format!("{} is gone", track.name.id())));
                }
                Err(_) => Track::gone(track.name.clone()),
            });
        }
        next.before = (opened, left);
        Ok((recorded, next))
    }

    pub(crate) fn finish(self) -> Recorded {
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
