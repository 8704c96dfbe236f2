//! Power cuts: what a disk may hold after a cut at any moment of a run is put together, opened, and compared with what the run had been
//! told (I2, I3, I4, I6, I7).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tracewal::{Reading, SessionName, Store};

use super::image::Image;
use super::log::{Contents, names, read};
use super::power_cut_run::{Recorded, Run, options};
use super::random::Random;
use super::shadow::Believes;
use super::shadow_cut::Wreck;
use super::shadow_ledger::{Presence, Track};
use super::small_disk::in_memory;
use super::wrong::{Wrong, ensure, ensure_status};

/// How many cuts are made of one run.
const CUTS_OF_ONE_RUN: u64 = 60;
/// Steps of one run.
const STEPS: u64 = 50;

/// What was found in many cuts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) moments: u64,
    pub(crate) cuts: u64,
    pub(crate) sessions: u64,
    /// Sessions that were not durable, and not there.
    pub(crate) absent: u64,
    /// Sessions with events that were reported lost.
    pub(crate) with_losses: u64,
    /// Sessions of which the owner entry was lost, so that nobody knows that their run is over.
    pub(crate) orphans: u64,
    /// Sessions that were not durable, and of which there are bytes and no header.
    pub(crate) unreadable: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
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

/// The power goes at this moment: what is left is put into `folder`, opened, and compared with what the run was told.
pub(crate) fn cut(
    recorded: &Recorded,
    moment: usize,
    random: &mut Random,
    folder: &Path,
) -> Result<Tally, Wrong> {
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
        return match durable {
            Some(track) => Err(Wrong::Lost(track.required(moment), "the store is gone".to_owned())),
            None => Ok(Tally::default()),
        };
    }
    let open = || options().recover(false).open(&path).map_err(|e| format!("it cannot be opened: {e}"));
    let store = open()?;
    let recovered = store.recover().map_err(|e| format!("it cannot be recovered: {e}"))?;
    ensure(recovered.failed.is_empty(), || format!("not recovered: {:?}", recovered.failed))?;
    let mut tally = Tally { cuts: 1, ..Tally::default() };
    for track in tracks {
        let name = track.name.name();
        let known = wreck.knows_owner(name) && !track.is_forgotten(moment);
        check_session(&store, track, moment, others_boot, known, &said, &mut tally).map_err(|wrong| {
            let cut = |what: &str| {
                format!("{name}: {what}; cut at {moment} of {}, {}", recorded.moments, wreck.how())
            };
            wrong.about(cut)
        })?;
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
pub(crate) fn views_before_recovery(
    wreck: &Wreck,
    tracks: &[Track],
    moment: usize,
) -> Result<BTreeMap<String, String>, Wrong> {
    let mut said = BTreeMap::new();
    for (file, bytes) in wreck.files(Path::new("store/traces")) {
        let Some(name) = file.strip_suffix(".json") else { continue };
        let view: Value =
            serde_json::from_slice(bytes).map_err(|e| format!("the view {file} is no document: {e}"))?;
        said.insert(name.to_owned(), view["summary"]["status"].as_str().unwrap().to_owned());
    }
    for track in tracks.iter().filter(|track| track.must_look_crashed(moment)) {
        let status = said.get(track.name.name());
        ensure_status(status.is_some_and(|status| status == "crashed"), || {
            format!("{} has a crash record, and its view says {status:?}", track.name.name())
        })?;
    }
    Ok(said)
}

pub(crate) fn check_session(
    store: &Store,
    track: &Track,
    moment: usize,
    others_boot: bool,
    is_known: bool,
    said: &BTreeMap<String, String>,
    tally: &mut Tally,
) -> Result<(), Wrong> {
    let presence = track.presence(moment);
    let Ok(session) = store.find(track.name.id()) else {
        tally.absent += 1;
        if presence == Presence::Present {
            return Err(Wrong::Lost(track.required(moment), "the session is gone".to_owned()));
        }
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
        ensure_status(contents.is_ended(), || "its view said completed, and it has no ending".to_owned())?;
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
    ensure_status(is_forgotten || track.is_forgotten(moment), what)?;
    tally.orphans += 1;
    Ok(())
}

/// A session's view, `null` if it has none, and whether it says what the log says.
pub(crate) fn view_of(store: &Store, session: &SessionName, contents: &Contents) -> (Value, bool) {
    let last = contents.events.last().map_or(0, |seen| seen.seq);
    let view = fs::read(store.view(session))
        .map_or(Value::Null, |view| serde_json::from_slice(&view).unwrap_or_default());
    let is_current = view["summary"]["status"] == contents.status_by_table()
        && view["wal"]["lastSeq"].as_u64() >= Some(last);
    (view, is_current)
}

/// Recovery leaves nothing to be done.
pub(crate) fn check_second_open(open: &dyn Fn() -> Result<Store, String>, path: &Path) -> Result<(), Wrong> {
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
pub(crate) fn cuts_of_run(seed: u64, believes: Believes, tally: &mut Tally) -> Result<(), Wrong> {
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
