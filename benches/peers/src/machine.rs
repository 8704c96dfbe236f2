//! What it runs on, and what the device under a folder has written.

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A block device's counters.
pub struct Device(PathBuf);

/// The device that a folder is on. `None`: it has no counters.
pub fn device_of(folder: &Path) -> Option<Device> {
    let dev = fs::metadata(folder).ok()?.st_dev();
    let path = PathBuf::from(format!("/sys/dev/block/{}:{}/stat", libc::major(dev), libc::minor(dev)));
    path.exists().then_some(Device(path))
}

impl Device {
    /// All bytes written to it since it was attached.
    pub fn written_bytes(&self) -> Option<u64> {
        let stat = fs::read_to_string(&self.0).ok()?;
        // Sectors of 512 bytes, whatever the device's own are.
        stat.split_whitespace().nth(6)?.parse::<u64>().ok().map(|sectors| sectors * 512)
    }
}

/// What a folder takes on the disk, its files' blocks added up.
pub fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => metadata.st_blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

/// Syncs every file of a folder.
pub fn sync_files(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_files(&entry.path())?;
        } else {
            fs::File::open(entry.path())?.sync_all()?;
        }
    }
    Ok(())
}

/// Rows of the report: what, and which.
pub fn facts(folder: &Path) -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':'))
            .map_or_else(|| "?".into(), |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    vec![
        ("processor", format!("{}, {cores} cores", field(&read("/proc/cpuinfo"), "model name"))),
        ("memory", field(&read("/proc/meminfo"), "MemTotal")),
        ("kernel", format!("Linux {}", read("/proc/sys/kernel/osrelease").trim())),
        ("file system", file_system(folder).unwrap_or_else(|| "?".into())),
        ("compiler", output("rustc", &["--version"])),
        (
            "tracewal",
            format!(
                "commit {}",
                output("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"])
            ),
        ),
    ]
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "?".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Type and options of the mount that the folder is on: the longest mount point that leads to it.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mount = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, point, kind, options, ..] = fields[..] else { return None };
        folder.starts_with(point).then(|| (point.len(), format!("{kind} ({options})")))
    };
    mounts.lines().filter_map(mount).max_by_key(|(len, _)| *len).map(|(_, text)| text)
}

/// Touches memory once, so that pages which the host has taken back are there again before anything is timed.
pub fn warm_up(bytes: usize) {
    let mut memory = vec![0_u8; bytes];
    for page in memory.chunks_mut(4096) {
        page[0] = 1;
    }
    std::hint::black_box(&memory);
}

/// Bytes of memory that are free to use.
pub fn available_bytes() -> usize {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok())
        .map_or(0, |kib| kib * 1024)
}
