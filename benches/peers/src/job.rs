//! One measurement, made in a process of its own: what a contender leaks or how it dies is nobody else's concern.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::contender::{Promise, Result};
use crate::work::Size;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    pub contender: String,
    pub promise: Promise,
    pub size: Size,
    pub task: Task,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Task {
    /// Appends and takes the time.
    Append(Appends),
    /// Opens and reads everything, and takes the time.
    Read,
    /// Appends numbered events until it is killed, and notes how many are acknowledged.
    AppendUntilKilled { board: String },
    /// Reads and looks for the numbers below this one.
    LookFor { acknowledged: u64 },
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Appends {
    /// Logs that have nothing to do with each other.
    pub logs: usize,
    /// Threads of each log.
    pub writers: usize,
    /// Events that each thread appends.
    pub events: u64,
    /// Events that each thread has appended before the timing begins.
    pub warm: u64,
    /// A rest before the timing begins, for whoever makes ready in the background.
    pub rest_ms: u64,
}

/// What came of it; each task fills in what it knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub ns: u64,
    pub events: u64,
    /// Bytes that the device has written meanwhile, whoever asked for them.
    pub device_bytes: Option<u64>,
    pub missing: u64,
    pub doubled: u64,
}

/// No measurement may take longer.
const LIMIT: Duration = Duration::from_secs(180);

impl Job {
    /// Does the job in a new process.
    pub fn run(&self, folder: &Path) -> Result<Outcome> {
        let mut child = self.spawn(folder)?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if began.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                return Err(format!("not finished after {} s", LIMIT.as_secs()).into());
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        if status.success() {
            return Ok(serde_json::from_slice(&std::fs::read(folder.with_extension("outcome"))?)?);
        }
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut said)?;
        }
        Err(format!("{status}: {}", said.lines().last().unwrap_or("it said nothing")).into())
    }

    /// Starts a process that does the job.
    pub fn spawn(&self, folder: &Path) -> Result<Child> {
        std::fs::create_dir_all(folder)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("--job")
            .arg(serde_json::to_string(self)?)
            .arg("--data")
            .arg(folder)
            // walrus takes these from the environment alone.
            .env("WALRUS_DATA_DIR", folder.parent().ok_or("the data needs a folder")?)
            .env("WALRUS_QUIET", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(child)
    }
}
