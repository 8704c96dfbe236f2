//! Rounds of each kind until its time is over, and the figures.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;

use crate::kinds::{Kind, Round};
use crate::support::trials::text_of;
use crate::support::wrong::Wrong;
use crate::support::{child, kills};

/// Kills, power cuts, faults and damage against a tracewal store: one line of figures for each kind, and 1 as the exit status if anything
/// is wrong, with the seed that does it again.
#[derive(Debug, Parser)]
#[command(name = "tracewal-torture", version)]
struct Arguments {
    /// How long, in all.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Of the first round of each kind; the next ones count up from it. [default: the clock's]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// This kind alone.
    #[arg(long, value_name = "K", value_enum)]
    kind: Option<Kind>,
}

/// Of many rounds of one kind.
#[derive(Debug, Default)]
struct Figures {
    tried: u64,
    survived: u64,
    lost: u64,
    duplicated: u64,
    wrong_status: u64,
    otherwise_wrong: u64,
}

impl Figures {
    fn add(&mut self, round: Result<Round, Wrong>) -> Result<(), String> {
        let wrong = match round {
            Ok(Round { tried, survived }) => {
                self.tried += tried;
                self.survived += survived;
                return Ok(());
            }
            Err(wrong) => wrong,
        };
        self.tried += 1;
        match wrong {
            Wrong::Lost(count, _) => self.lost += count,
            Wrong::Duplicated(count, _) => self.duplicated += count,
            Wrong::Status(_) => self.wrong_status += 1,
            Wrong::Otherwise(_) => self.otherwise_wrong += 1,
        }
        Err(wrong.to_string())
    }
}

/// Rounds of one kind. Whether all of them were right.
fn torture(kind: Kind, first_seed: u64, time: Duration) -> bool {
    let (began, mut figures, mut wrongs) = (Instant::now(), Figures::default(), Vec::new());
    for seed in first_seed.. {
        let round = catch_unwind(AssertUnwindSafe(|| kind.round(seed)));
        let round = round.unwrap_or_else(|panic| Err(Wrong::Otherwise(text_of(panic.as_ref()))));
        if let Err(what) = figures.add(round) {
            wrongs.push((seed, what));
        }
        if began.elapsed() >= time {
            break;
        }
    }
    let Figures { tried, survived, lost, duplicated, wrong_status, otherwise_wrong } = figures;
    println!(
        "{:7} {tried:>8} {:14} {survived:>10} {:22} {lost} lost, {duplicated} duplicated, {wrong_status} wrong status, {otherwise_wrong} otherwise wrong",
        kind.name(),
        kind.tried(),
        kind.survived(),
    );
    for (seed, what) in &wrongs {
        println!("  {what}\n  again: tracewal-torture --kind {} --seed {seed} --seconds 0", kind.name());
    }
    wrongs.is_empty()
}

/// Runs as the arguments say; or plays a part, where this is a child of such a run.
pub(crate) fn main() -> ExitCode {
    if let Some(part) = child::part() {
        kills::play(&part);
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let seed = arguments.seed.unwrap_or_else(clock);
    println!("--seed {seed}");
    let kinds = arguments.kind.map_or_else(Kind::all, |kind| vec![kind]);
    let each = Duration::from_secs(arguments.seconds) / u32::try_from(kinds.len()).unwrap_or(1);
    // All have their turn, also when one is wrong.
    let wrong = kinds.into_iter().filter(|kind| !torture(*kind, seed, each)).count();
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
