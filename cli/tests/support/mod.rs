//! The command, run on a store of its own.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tracewal::{Access, Item, Reading};

/// A store in a folder that goes when the test is over.
pub struct Scene {
    pub dir: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn fine(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Failed with this code, and said why in one line.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        self.err
    }
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

impl Scene {
    pub fn new() -> Self {
        Scene { dir: tempfile::tempdir().unwrap() }
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        command_on(&self.store(), args)
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).stdin(Stdio::null()).output().unwrap())
    }

    pub fn record(&self, args: &[&str], input: impl AsRef<[u8]> + Send) -> Ran {
        let mut all = vec!["record"];
        all.extend(args);
        let mut child = self.spawn(&all);
        let mut stdin = child.stdin.take().unwrap();
        // Written while the acknowledgements are read: neither pipe may fill up.
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input.as_ref()));
            Ran::of(child.wait_with_output().unwrap())
        })
    }

    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// The canonical JSON of a session.
    pub fn show(&self, session: &str) -> Value {
        json(&self.run(&["show", session, "--json"]).fine())
    }

    pub fn status(&self, session: &str) -> String {
        self.show(session)["summary"]["status"].as_str().unwrap().to_owned()
    }

    /// The file, offset and body length of the record with this sequence number.
    pub fn record_of(&self, session: &str, seq: u64) -> (PathBuf, u64, u64) {
        let store = tracewal::options().access(Access::Read).open(self.store()).unwrap();
        let name = store.find(session).unwrap();
        let mut log = store.read(&name, Reading::Whole).unwrap();
        while let Some(item) = log.next().unwrap() {
            if let Item::Event(entry) = item
                && entry.seq == seq
            {
                let file = store.folder(&name).join(format!("{}.wal", entry.segment));
                return (file, entry.offset, u64::try_from(entry.body.len()).unwrap());
            }
        }
        panic!("no event {seq} in {session}");
    }
}

pub fn command_on(store: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracewal"));
    command.args(args).env("TRACEWAL_STORE", store).env("NO_COLOR", "1").env("TZ", "UTC");
    command
}

pub fn run_on(store: &Path, args: &[&str]) -> Ran {
    Ran::of(command_on(store, args).stdin(Stdio::null()).output().unwrap())
}

/// So many events of a small session, without an ending.
pub fn notes(count: u64) -> String {
    (0..count).map(|n| format!("{{\"type\":\"note\",\"name\":\"n\",\"data\":{n}}}\n")).collect()
}

/// Changes one bit of one byte.
pub fn flip(file: &Path, offset: u64) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A recorded transcript; `None`, visibly, where they are not there.
pub fn recorded(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(path);
    if !found.exists() {
        println!("skipped: no recorded transcript at {}", found.display());
        return None;
    }
    Some(found)
}
