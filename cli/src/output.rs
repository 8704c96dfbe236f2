//! Standard output and standard error.

use std::io::{BufWriter, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::Result;

/// Standard output for people: colours on a terminal, unless NO_COLOR is set.
pub(crate) type Out = BufWriter<AutoStream<std::io::Stdout>>;

pub(crate) fn people() -> Out {
    BufWriter::new(anstream::stdout())
}

/// Standard output of a command that does something besides talking: that nobody listens any more (`| head`) does not stop it.
pub(crate) struct Worker {
    out: Out,
    unheard: bool,
}

pub(crate) fn worker() -> Worker {
    Worker { out: people(), unheard: false }
}

impl Worker {
    fn forgive<T>(&mut self, said: std::io::Result<T>, instead: T) -> std::io::Result<T> {
        match said {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {
                self.unheard = true;
                Ok(instead)
            }
            other => other,
        }
    }
}

impl Write for Worker {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.unheard {
            return Ok(bytes.len());
        }
        let said = self.out.write(bytes);
        self.forgive(said, bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.unheard {
            return Ok(());
        }
        let said = self.out.flush();
        self.forgive(said, ())
    }
}

/// Standard output for programs.
pub(crate) fn programs() -> BufWriter<std::io::StdoutLock<'static>> {
    BufWriter::with_capacity(64 << 10, std::io::stdout().lock())
}

/// One JSON value on a line of its own.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let mut out = programs();
    serde_json::to_writer(&mut out, value).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Says on standard error, in one line, what is wrong.
pub(crate) fn complain(what: &str) {
    let style = AnsiColor::Red.on_default().bold();
    let line = crate::text::one_line(what);
    // Nobody is left to be told when this fails.
    let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {line}");
}

/// Says on standard error what is worth knowing.
pub(crate) fn mention(what: &str) {
    let _ = writeln!(anstream::stderr(), "{}", crate::text::one_line(what));
}

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

/// How a status is shown.
pub(crate) fn status_style(status: &str) -> Style {
    let colour = match status {
        "completed" | "ok" => AnsiColor::Green,
        "running" => AnsiColor::Cyan,
        "error" => AnsiColor::Red,
        status if status.starts_with("crashed") => AnsiColor::Magenta,
        _ => return Style::new(),
    };
    colour.on_default()
}
