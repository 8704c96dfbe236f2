//! What kill -9 takes from each contender: acknowledged events that its own reader does not find afterwards.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memmap2::MmapOptions;

use crate::contender::{Promise, Result};
use crate::job::{Job, Task};
use crate::work::Size;

/// Of all kills together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loss {
    pub kills: u64,
    pub acknowledged: u64,
    pub missing: u64,
    pub doubled: u64,
}

impl Loss {
    /// Whether the contender keeps what it acknowledges.
    pub fn is_none(&self) -> bool {
        self.missing == 0 && self.doubled == 0
    }
}

/// A child that has not acknowledged anything by then does not work.
const PATIENCE: Duration = Duration::from_secs(30);

/// Kills a contender again and again, each time at another moment.
pub fn test(contender: &str, promise: Promise, kills: u64, data: &Path) -> Result<Loss> {
    let mut loss = Loss::default();
    for kill in 0..kills {
        let folder = data.join(format!("kill-{kill}"));
        let once = once(contender, promise, &folder, data);
        let _ = fs::remove_dir_all(&folder);
        let once = once?;
        loss.kills += 1;
        loss.acknowledged += once.acknowledged;
        loss.missing += once.missing;
        loss.doubled += once.doubled;
    }
    Ok(loss)
}

fn once(contender: &str, promise: Promise, folder: &Path, data: &Path) -> Result<Loss> {
    // Shared memory: what the child has stored there survives it.
    let board = data.join("board");
    fs::write(&board, [0; 8])?;
    let file = fs::OpenOptions::new().read(true).write(true).open(&board)?;
    let map = MmapOptions::new().map_raw(&file)?;
    // SAFETY: one aligned word, used as an atomic on both sides.
    let acknowledged = unsafe { AtomicU64::from_ptr(map.as_mut_ptr().cast()) };

    let job = |task| Job { contender: contender.into(), promise, size: Size::B128, task };
    let board = board.to_str().ok_or("the path is not UTF-8")?.to_owned();
    let mut child = job(Task::AppendUntilKilled { board }).spawn(folder)?;
    let began = Instant::now();
    while acknowledged.load(Ordering::Acquire) == 0 {
        if began.elapsed() > PATIENCE || child.try_wait()?.is_some() {
            let _ = child.kill();
            child.wait()?;
            return Err("nothing was acknowledged".into());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    std::thread::sleep(Duration::from_micros(fastrand::u64(1_000..60_000)));
    child.kill()?;
    child.wait()?;
    let acknowledged = acknowledged.load(Ordering::Acquire);
    let found = job(Task::LookFor { acknowledged }).run(folder)?;
    Ok(Loss { kills: 1, acknowledged, missing: found.missing, doubled: found.doubled })
}
