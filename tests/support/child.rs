//! Children: the test binary runs itself again, and the test named `child_entry` plays the part that an environment variable names.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::board::Board;

const PART: &str = "TRACEWAL_TEST_PART";
const STORE: &str = "TRACEWAL_TEST_STORE";
const BOARD: &str = "TRACEWAL_TEST_BOARD";

/// Word of the board: how far the child is. 0: it has not begun.
pub(crate) const STAGE: u64 = 0;

/// In a child's environment: what it says while it dies is nobody's interest.
pub(crate) const QUIET: (&str, &str) = ("TRACEWAL_TEST_QUIET", "1");

/// What a child plays, and with what.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) store: PathBuf,
    pub(crate) board: Board,
}

/// The part that this process is to play. `None`: it is no child.
pub(crate) fn part() -> Option<Part> {
    let name = std::env::var(PART).ok()?;
    // Whoever runs the tests may ignore these (nohup, a shell's background job), and children inherit that.
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: a constant, and nothing of this process minds signals yet.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let path = |key| PathBuf::from(std::env::var_os(key).unwrap());
    let board = Board::open(&path(BOARD));
    board.set(STAGE, 1);
    Some(Part { name, store: path(STORE), board })
}

/// Does nothing until somebody kills this process.
pub(crate) fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}

/// A child process. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    board: Board,
}

impl Child {
    /// Starts a child that plays `part`.
    pub(crate) fn start(part: &str, store: &Path, board: &Board) -> Self {
        Child::start_with(part, store, board, &[])
    }

    /// The same, with more in its environment.
    pub(crate) fn start_with(part: &str, store: &Path, board: &Board, env: &[(&str, &str)]) -> Self {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["child_entry", "--exact", "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .env(STORE, store)
            .env(BOARD, board.path())
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(if env.contains(&QUIET) { Stdio::null() } else { Stdio::inherit() })
            .spawn()
            .unwrap();
        Child { process, board: Board::open(board.path()) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the child is at `stage`.
    pub(crate) fn reach(&mut self, stage: u64) {
        self.wait_until("reach its stage", |board| board.get(STAGE) >= stage);
    }

    /// Waits until the board says so. Panics when the child has ended by then.
    pub(crate) fn wait_until(&mut self, what: &str, mut condition: impl FnMut(&Board) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !condition(&self.board) {
            if let Some(status) = self.process.try_wait().unwrap() {
                assert!(condition(&self.board), "the child has ended ({status}) and did not {what}");
                return;
            }
            assert!(Instant::now() < until, "the child did not {what} within 60 s");
            std::thread::yield_now();
        }
    }

    /// Sends SIGKILL, and does not wait.
    pub(crate) fn send_kill(&mut self) {
        self.process.kill().unwrap();
    }

    /// Kills it and leaves it a zombie: it is dead, and nobody has waited for it.
    pub(crate) fn kill_and_leave(&mut self) {
        self.send_kill();
        // SAFETY: all zeros is a valid structure, which the call fills.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let flags = libc::WEXITED | libc::WNOWAIT;
        // SAFETY: the structure lives through the call.
        assert_eq!(unsafe { libc::waitid(libc::P_PID, self.process.id(), &raw mut info, flags) }, 0);
    }

    /// Kills it with SIGKILL, which it must not have escaped, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        let status = self.process.wait().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "the child has ended by itself: {status}");
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "the child did not end within 60 s");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
