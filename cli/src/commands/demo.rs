//! `tracewal demo`: record, kill, recover, compare.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tracewal::{Item, SessionName, Store};

use super::demo_session::{event, mix};
use crate::account::Account;
use crate::args::{Demo, DemoWriter};
use crate::failure::{ERROR, Failure, Result};
use crate::{output, stores, text};

/// The shortest and longest time after the first acknowledgement before the process is killed, in ms.
const LIFE_MS: std::ops::Range<u64> = 20..400;

/// What one round found.
struct Round {
    acknowledged: u64,
    recovered: u64,
    /// Acknowledged events that are not there, or not what they were.
    lost: u64,
    took: Duration,
    status: &'static str,
    view: PathBuf,
}

impl Round {
    fn is_good(&self) -> bool {
        self.lost == 0 && self.status == "crashed"
    }
}

pub(crate) fn run(store: Option<PathBuf>, args: &Demo) -> Result<()> {
    let folder = match store {
        Some(folder) => folder,
        None => tempfile::Builder::new()
            .prefix("tracewal-demo-")
            .tempdir()
            .map_err(|e| Failure::error(format!("a temporary folder: {e}; name one with --store")))?
            .keep(),
    };
    let seed = args.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 16);
    let mut out = output::people();
    writeln!(
        out,
        "Each round records a session at full speed, kills its process with SIGKILL, and recovers it."
    )?;
    writeln!(out, "Seed {seed}, store {}", folder.display())?;
    let mut last = None;
    let mut good = true;
    for number in 1..=args.rounds {
        let random = mix(seed.wrapping_add(u64::from(number)));
        let session = format!("demo-{random:016x}");
        let round = play(&folder, &session, random)?;
        let style = output::status_style(if round.is_good() { "ok" } else { "error" });
        writeln!(
            out,
            "round {number}: {} acknowledged, {} recovered, {style}{} lost{style:#}, in {}, status {}",
            text::grouped(round.acknowledged),
            text::grouped(round.recovered),
            text::grouped(round.lost),
            text::duration(i128::try_from(round.took.as_nanos()).unwrap_or(i128::MAX)),
            round.status
        )?;
        out.flush()?;
        good &= round.is_good();
        last = Some((session, round.view));
    }
    if let Some((session, view)) = last {
        writeln!(out, "\nThe canonical JSON of the last one: {}", view.display())?;
        writeln!(out, "Look at it:")?;
        for command in ["ls", "show", "events", "verify"] {
            let session = if command == "ls" { "" } else { session.as_str() };
            writeln!(
                out,
                "{}",
                format!("  tracewal --store {} {command} {session}", folder.display()).trim_end()
            )?;
        }
        out.flush()?;
    }
    if good {
        return Ok(());
    }
    Err(Failure::Said(ERROR, format!("acknowledged events are missing; --seed {seed} replays it")))
}

fn play(folder: &Path, session: &str, random: u64) -> Result<Round> {
    let acknowledged = record_and_kill(folder, session, random)?;
    let opened = Instant::now();
    let store = stores::options().recover(false).open(folder)?;
    store.recover()?;
    let took = opened.elapsed();
    let session = store.find(session)?;
    let (recovered, lost) = compare(&store, &session, random, acknowledged)?;
    let status = Account::of(&store, &session)?.status();
    // The first two are the engine's, and are not acknowledged through the pipe.
    let acknowledged = acknowledged.saturating_sub(2);
    Ok(Round { acknowledged, recovered, lost, took, status, view: store.view(&session) })
}

/// Returns the last sequence number that was acknowledged.
fn record_and_kill(folder: &Path, session: &str, random: u64) -> Result<u64> {
    let failed = |e: std::io::Error| Failure::error(format!("the recording process: {e}"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(program)
        .args(DemoWriter::arguments(folder, session, random))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let Some(mut pipe) = child.stdout.take() else {
        return Err(Failure::error("the recording process has no pipe"));
    };
    let (first, begun) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut last, mut seq) = (0, [0; 8]);
        // What was cut off in the middle has not been acknowledged.
        while pipe.read_exact(&mut seq).is_ok() {
            if last == 0 {
                let _ = first.send(());
            }
            last = u64::from_le_bytes(seq);
        }
        last
    });
    let has_begun = begun.recv().is_ok();
    if has_begun {
        let life = LIFE_MS.start + random % (LIFE_MS.end - LIFE_MS.start);
        std::thread::sleep(Duration::from_millis(life));
    }
    // SIGKILL: nothing in the process can catch it.
    child.kill().map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    let last = reader.join().unwrap_or(0);
    if has_begun {
        Ok(last)
    } else {
        Err(Failure::error(format!("the recording process ended by itself: {status}")))
    }
}

/// Reads the log back. Returns how many events of the recording are there, and how many that were acknowledged are not, or are
/// not what they were.
fn compare(store: &Store, session: &SessionName, seed: u64, acknowledged: u64) -> Result<(u64, u64)> {
    let mut log = store.read(session, tracewal::Reading::Whole)?;
    let failed = |source| tracewal::Error::Io { doing: "read", path: store.folder(session), source };
    let (mut recovered, mut right, mut next) = (0, 0, 3);
    let mut body = Vec::new();
    while let Some(item) = log.next().map_err(failed)? {
        let Item::Event(entry) = item else { continue };
        // Each exactly once and in order; behind the recording stands the crash record.
        if entry.seq < next || matches!(entry.event(), Some(Ok(tracewal::Event::Crashed(_)))) {
            continue;
        }
        next = entry.seq + 1;
        recovered += 1;
        let written = event(seed, entry.seq);
        body.clear();
        body.resize(written.encoded_len(), 0);
        let same =
            written.encode_into(&mut body).is_ok() && entry.body == body && entry.kind == written.kind();
        right += u64::from(same && entry.seq <= acknowledged);
    }
    Ok((recovered, acknowledged.saturating_sub(2).saturating_sub(right)))
}
