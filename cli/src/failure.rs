//! What can go wrong, and its exit code.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use tracewal::Error;

pub(crate) const ERROR: u8 = 1;
pub(crate) const DAMAGED: u8 = 3;
pub(crate) const NOT_FOUND: u8 = 4;
pub(crate) const BUSY: u8 = 5;

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a command stopped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What is printed could not be.
    Output(io::Error),
    /// Said in one line, with an exit code.
    Said(u8, String),
    /// It has been said already.
    Silent(u8),
}

impl Failure {
    pub(crate) fn error(what: impl Display) -> Self {
        Failure::Said(ERROR, what.to_string())
    }

    pub(crate) fn not_found(what: impl Display) -> Self {
        Failure::Said(NOT_FOUND, what.to_string())
    }

    /// Its exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            // Whoever reads our output has seen enough: `| head`.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Failure::Output(_) => ERROR,
            Failure::Said(code, _) | Failure::Silent(code) => *code,
        }
    }

    /// Says it on standard error, in one line.
    pub(crate) fn say(&self) {
        match self {
            Failure::Output(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                crate::output::complain(&format!("standard output: {error}"));
            }
            Failure::Said(_, what) => crate::output::complain(what),
            Failure::Output(_) | Failure::Silent(_) => {}
        }
    }

    pub(crate) fn report(&self) -> ExitCode {
        self.say();
        ExitCode::from(self.code())
    }
}

/// Of writing what is printed. Whatever else meets an [`io::Error`] names the file.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Busy { .. } => BUSY,
            Error::NotFound { .. } => NOT_FOUND,
            _ => ERROR,
        };
        Failure::Said(code, error.to_string())
    }
}

/// The outcome of something done to several things, of which one that fails does not keep the others from being done.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    first: Option<u8>,
}

impl Outcome {
    /// Says what failed, and remembers its code. Output that can't be written ends everything.
    pub(crate) fn note(&mut self, failure: Failure) -> Result<()> {
        if let Failure::Output(_) = failure {
            return Err(failure);
        }
        failure.say();
        self.first.get_or_insert(failure.code());
        Ok(())
    }

    /// The code of the first failure.
    pub(crate) fn finish(self) -> Result<()> {
        self.first.map_or(Ok(()), |code| Err(Failure::Silent(code)))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Output(error) => write!(f, "{error}"),
            Failure::Said(_, what) => f.write_str(what),
            Failure::Silent(code) => write!(f, "exit code {code}"),
        }
    }
}
