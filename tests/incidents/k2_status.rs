//! K2: a handler that does not end the process.

use std::time::Duration;

use crate::scene::{Died, begin, null_pointer, on_demand, raise, status};
use crate::support::child::Part;
use crate::support::trials::Row;
use tracewal::crash::{Capture, install};

/// Word of the board: the process has not died of what it should.
const SURVIVED: u64 = 2;

/// What ends a process, and the status that it must have: the one that it would have had without crash capture.
const CAUSES: [(&str, Result<i32, i32>); 13] = [
    ("SIGTERM", Err(libc::SIGTERM)),
    ("SIGINT", Err(libc::SIGINT)),
    ("SIGHUP", Err(libc::SIGHUP)),
    ("SIGQUIT", Err(libc::SIGQUIT)),
    ("SIGXCPU", Err(libc::SIGXCPU)),
    ("SIGBUS", Err(libc::SIGBUS)),
    ("SIGFPE", Err(libc::SIGFPE)),
    ("SIGILL", Err(libc::SIGILL)),
    ("null pointer", Err(libc::SIGSEGV)),
    ("abort", Err(libc::SIGABRT)),
    ("exit", Ok(3)),
    ("panic", Ok(101)),
    ("return", Ok(0)),
];

/// The handler records, and then the process ends, with the status that it would have had.
///
/// Guard: `DefaultAction`.
#[test]
fn k2() {
    let mut row = Row::new("K2");
    row.case("thirteen ways to end", 104, 4, |n| {
        let (cause, expected) = CAUSES[usize::try_from(n % 13).unwrap()];
        let died = Died::of(&format!("die {cause}"));
        assert_eq!(died.board.get(SURVIVED), 0, "{cause} was survived");
        let died = match expected {
            Err(signal) => died.killed_by(signal),
            Ok(code) => died.exited(code),
        };
        let expected = if matches!(cause, "exit" | "return") { "running" } else { "crashed" };
        assert_eq!(status(&died.first_view()), expected, "{cause}");
    });
}

pub(crate) fn die_of(part: &Part, cause: &str) {
    let store = on_demand().open(&part.store).unwrap();
    install(&store, Capture { grace: Duration::from_secs(20), ..Capture::default() }).unwrap();
    // Open until the process has gone.
    std::mem::forget(begin(&store, "s"));
    match cause {
        "null pointer" => null_pointer(),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(3),
        "panic" => panic!("it broke"),
        "return" => return,
        _ => {
            let (_, signal) = CAUSES.iter().find(|(name, _)| *name == cause).unwrap();
            raise(signal.unwrap_err());
        }
    }
    part.board.set(SURVIVED, 1);
}
