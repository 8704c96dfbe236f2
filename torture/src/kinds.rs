//! What a store is tortured with, and one round of each.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use tracewal::Reading;
use tracewal_model::casts;
use tracewal_model::replay::{Report, replay};
use tracewal_model::rules::Rules;

use crate::support::damage::{Sound, corrupt};
use crate::support::damage_log::every_kind;
use crate::support::faults::{Fault, a_full_disk};
use crate::support::image::Image;
use crate::support::kills::{LOOPS, options};
use crate::support::log::{Contents, What, names, read, views};
use crate::support::power_cuts::{self, cuts_of_run};
use crate::support::random::Random;
use crate::support::shadow::Believes;
use crate::support::small_disk::{self, in_memory};
use crate::support::wal::Files;
use crate::support::wrong::{Wrong, ensure, ensure_status};

/// Whether small disks can be mounted here, as far as is known.
static CAN_MOUNT: AtomicBool = AtomicBool::new(true);

/// Corruptions of one log.
const CORRUPTIONS: u64 = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Random paths of the protocol's model, walked by real processes.
    Model,
    /// A child appends with 1, 2 or 8 threads, and is killed.
    Kills,
    /// What a disk may hold after a power cut is rebuilt and opened.
    Cuts,
    /// Steps at the door to the disk fail; disks are full.
    Faults,
    /// A log with every kind of event is corrupted.
    Damage,
    /// The log of a child that was killed is corrupted, read, and recovered.
    Flips,
}

/// A round in which nothing was wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) tried: u64,
    pub(crate) survived: u64,
}

impl Kind {
    /// In the order in which they have their turn: the model's processes are forks, of a process that has had no thread yet.
    pub(crate) fn all() -> Vec<Self> {
        Kind::value_variants().to_vec()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Model => "model",
            Kind::Kills => "kills",
            Kind::Cuts => "cuts",
            Kind::Faults => "faults",
            Kind::Damage => "damage",
            Kind::Flips => "flips",
        }
    }

    /// What is counted as tried.
    pub(crate) fn tried(self) -> &'static str {
        match self {
            Kind::Model => "paths,",
            Kind::Kills => "kills,",
            Kind::Cuts => "cuts,",
            Kind::Faults => "failures,",
            Kind::Damage | Kind::Flips => "damaged logs,",
        }
    }

    /// What is counted as survived.
    pub(crate) fn survived(self) -> &'static str {
        match self {
            Kind::Model => "states as they should,",
            Kind::Cuts => "sessions survived,",
            Kind::Kills | Kind::Faults | Kind::Damage | Kind::Flips => "events survived,",
        }
    }

    /// One round. The seed says which.
    pub(crate) fn round(self, seed: u64) -> Result<Round, Wrong> {
        let random = &mut Random::seeded(seed);
        match self {
            Kind::Model => path(seed),
            Kind::Kills => kill(random),
            Kind::Cuts => cuts(seed),
            Kind::Faults => fault(random),
            Kind::Damage => damage(random),
            Kind::Flips => flips(random),
        }
    }
}

fn path(seed: u64) -> Result<Round, Wrong> {
    let (casts, folder, mut report) = (casts::replayed(), in_memory(), Report::default());
    let cast = &casts[seed as usize % casts.len()];
    replay(&cast.with(Rules::default()), folder.path(), seed, &mut report)
        .map_err(|failure| failure.to_string())?;
    Ok(Round { tried: report.paths, survived: report.compared })
}

fn kill(random: &mut Random) -> Result<Round, Wrong> {
    let case = LOOPS[random.below(LOOPS.len() as u64) as usize];
    let folder = in_memory();
    let board = case.kill(folder.path(), &[], random);
    let survived = case
        .check(folder.path(), &board)
        .map_err(|wrong| wrong.about(|what| format!("{}: {what}", case.name)))?;
    Ok(Round { tried: 1, survived })
}

fn cuts(seed: u64) -> Result<Round, Wrong> {
    let mut tally = power_cuts::Tally::default();
    cuts_of_run(seed, Believes::Everything, &mut tally)?;
    Ok(Round { tried: tally.cuts, survived: tally.sessions })
}

fn fault(random: &mut Random) -> Result<Round, Wrong> {
    if random.below(16) == 0 && CAN_MOUNT.load(Ordering::Relaxed) {
        let kind = if random.below(2) == 0 { small_disk::Kind::Tmpfs } else { small_disk::Kind::Ext4 };
        match a_full_disk(kind) {
            Some(survived) => return Ok(Round { tried: 1, survived }),
            None => CAN_MOUNT.store(false, Ordering::Relaxed),
        }
    }
    // One error, or a disk that is full for a while.
    let (error, steps) = match random.below(3) {
        0 => (libc::EIO, 1),
        1 => (libc::EIO, 1 + random.below(4)),
        _ => (libc::ENOSPC, 1 + random.below(40)),
    };
    let fault = Fault { plain: random.below(2) == 0, failing: random.below(150), steps, error };
    // With fewer steps than that nothing has failed.
    let survived = fault.check()?;
    Ok(Round { tried: u64::from(survived.is_some()), survived: survived.unwrap_or(0) })
}

fn damage(random: &mut Random) -> Result<Round, Wrong> {
    let sound = every_kind();
    let mut survived = 0;
    for _ in 0..CORRUPTIONS {
        survived += sound.judge(&corrupt(&sound, random))?.shown;
    }
    Ok(Round { tried: CORRUPTIONS, survived })
}

fn flips(random: &mut Random) -> Result<Round, Wrong> {
    // A record that is written with a call may be there by half, and looks like one to who does not check it.
    let cases: Vec<_> = LOOPS.iter().filter(|case| !case.is_written).collect();
    let case = cases[random.below(cases.len() as u64) as usize];
    let folder = in_memory();
    case.kill(folder.path(), &[], random);
    let store = folder.path().join("store");
    let (left, sound) = (Image::of(&store), Sound::new(segments(&store), Vec::new()));
    sound.judge(&sound.files)?;
    let mut survived = 0;
    for n in 0..CORRUPTIONS {
        let damaged = corrupt(&sound, random);
        let verdict = sound.judge(&damaged)?;
        survived += verdict.shown;
        if n % 10 == 0 {
            left.restore(&store);
            for (number, bytes) in &damaged {
                fs::write(store.join(format!("sessions/s/{number}.wal")), bytes)
                    .map_err(|e| e.to_string())?;
            }
            recovered(&store, verdict.shown, verdict.reported)?;
        }
    }
    Ok(Round { tried: CORRUPTIONS, survived })
}

fn segments(store: &Path) -> Files {
    let folder = store.join("sessions/s");
    let number = |name: &String| name.strip_suffix(".wal").and_then(|number| number.parse().ok());
    let names = names(&folder).into_iter().filter_map(|name| Some((number(&name)?, name)));
    names.map(|(number, name)| (number, fs::read(folder.join(name)).unwrap())).collect()
}

/// Recovery adds its crash record, and takes nothing away: what was shown is shown, and what was reported is reported.
fn recovered(path: &Path, shown: u64, reported: u64) -> Result<(), Wrong> {
    let store = options().open(path).map_err(|e| format!("it cannot be opened: {e}"))?;
    let session = store.find("s").map_err(|e| format!("it cannot be found: {e}"))?;
    let contents: Contents = read(&store, &session, Reading::Whole);
    let is_crash = |what: &What| matches!(what, What::Crashed(_));
    let others = contents.count(|what| !is_crash(what)) as u64;
    if others < shown {
        return Err(Wrong::Lost(shown - others, "shown before recovery, and not after".to_owned()));
    }
    ensure(others == shown, || format!("{shown} events before recovery, and {others} after"))?;
    let numbers = contents.losses.iter().filter_map(|loss| loss.missing);
    let missing: u64 = numbers.map(|(first, last)| last - first + 1).sum();
    ensure(missing == reported, || {
        format!("{reported} events missing before recovery, and {missing} after")
    })?;
    if shown > 0 {
        ensure_status(contents.is_crashed(), || format!("{} after a kill", contents.status()))?;
        let view = views(path).remove("s");
        ensure_status(view.as_deref() == Some("crashed"), || format!("the view says {view:?}"))?;
    }
    Ok(())
}
