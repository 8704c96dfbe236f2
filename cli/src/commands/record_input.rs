//! Standard input as lines, and lines as events.

use std::io::{self, BufRead, BufReader, Read};

use tracewal::{Event, EventError, Time};

/// Longer lines are refused: an event has several values, each of at most the record limit.
const LINE_LIMIT_BYTES: usize = 256 << 20;

/// Lines of an input, numbered from 1.
pub(crate) struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    number: u64,
}

/// Why a line is refused.
#[derive(Debug)]
pub(crate) enum Refused {
    NotUtf8,
    TooLong,
    NotAnEvent(EventError),
    /// The engine writes these itself.
    Engines(&'static str),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::NotUtf8 => write!(f, "not UTF-8"),
            Refused::TooLong => write!(f, "longer than {LINE_LIMIT_BYTES} bytes"),
            Refused::NotAnEvent(error) => write!(f, "{error}"),
            Refused::Engines(name) => write!(f, "key \"type\": {name} is written by the engine"),
        }
    }
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(from: R) -> Self {
        Lines { from: BufReader::with_capacity(256 << 10, from), line: Vec::new(), number: 0 }
    }

    /// Whether the next line is here already, so that reading it does not wait.
    pub(crate) fn has_line(&self) -> bool {
        self.from.buffer().contains(&b'\n')
    }

    /// The number of the line that was read last.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Goes to the next line. `None` at the end. A line that is too long is skipped to its end.
    pub(crate) fn advance(&mut self) -> io::Result<Option<Result<(), Refused>>> {
        self.line.clear();
        self.line.shrink_to(1 << 20);
        let limit = u64::try_from(LINE_LIMIT_BYTES).unwrap_or(u64::MAX);
        if (&mut self.from).take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.line.last() != Some(&b'\n') && self.line.len() >= LINE_LIMIT_BYTES {
            self.from.skip_until(b'\n')?;
            self.line = Vec::new();
            return Ok(Some(Err(Refused::TooLong)));
        }
        Ok(Some(Ok(())))
    }

    /// The line as it came, without its end.
    pub(crate) fn bytes(&self) -> &[u8] {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.bytes().trim_ascii().is_empty()
    }

    /// The event on the line.
    pub(crate) fn event(&self) -> Result<(Option<Time>, Event<'_>), Refused> {
        let text = std::str::from_utf8(self.bytes()).map_err(|_| Refused::NotUtf8)?;
        let (time, event) = tracewal::parse_event(text).map_err(Refused::NotAnEvent)?;
        match event {
            Event::RunStarted(_) => Err(Refused::Engines("run-started")),
            Event::RunEnded(_) => Err(Refused::Engines("run-ended")),
            event => Ok((time, event)),
        }
    }
}
