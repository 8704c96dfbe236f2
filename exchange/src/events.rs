//! The log as JSON lines (SPEC.md section 8).

use std::io;

use tracewal_compact::RenderError;
use tracewal_format::json::{write_event, write_loss, write_slot};
use tracewal_format::log::{Item, LogReader, LogSource};

/// Writes what stands in a log, from where it stands, one JSON object a line, beginning with the event of the sequence number `from`.
///
/// # Errors
/// The log's, as [`Read`](RenderError::Read), or the output's.
pub fn write<S: LogSource, W: io::Write>(
    log: &mut LogReader<S>,
    from: u64,
    out: &mut W,
) -> Result<(), RenderError<S::Error>> {
    let mut line = Vec::new();
    // The sequence number behind the last event.
    let mut next = 0;
    while let Some(item) = log.next().map_err(RenderError::Read)? {
        line.clear();
        match item {
            Item::Event(entry) => {
                next = entry.seq + 1;
                if entry.seq < from {
                    continue;
                }
                write_event(&entry, &mut line);
            }
            Item::Loss(loss) => {
                if loss.missing.map_or(next, |(_, last)| last) < from {
                    continue;
                }
                line.extend_from_slice(b"{\"lost\":");
                write_loss(&loss, &mut line);
                line.push(b'}');
            }
            Item::Slot(slot) => write_slot(&slot, &mut line),
            Item::DurableMark(_) | Item::Poison(_) | Item::LogRecord(_) => continue,
        }
        line.push(b'\n');
        out.write_all(&line).map_err(RenderError::Write)?;
    }
    Ok(())
}
