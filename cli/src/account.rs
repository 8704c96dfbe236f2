//! A session folded from its log, as it stands now. Nothing here reads its JSON file, which may be older than the log.

use std::io::Write;

use tracewal::fold::{Fold, RenderError, Summary};
use tracewal::{Error, Log, Loss, LossKind, Reading, SessionName, Status, Store};

use crate::failure::{Failure, Result};
use crate::text;

/// How a session stands.
pub(crate) struct Account {
    pub(crate) fold: Fold,
    pub(crate) log: Log,
    /// A writer that lives has it open.
    pub(crate) live: bool,
}

impl Account {
    pub(crate) fn of(store: &Store, session: &SessionName) -> Result<Self> {
        let live = store.is_live(session);
        let mut log = store.read(session, reading(live))?;
        let fold = Fold::of(&mut log).map_err(|source| Error::Io {
            doing: "read",
            path: store.folder(session),
            source,
        })?;
        Ok(Account { fold, log, live })
    }

    pub(crate) fn summary(&self) -> &Summary {
        self.fold.summary()
    }

    /// The writer of its last run died, and that has not been written into the log.
    pub(crate) fn is_unrecorded_crash(&self) -> bool {
        let summary = self.summary();
        !self.live && summary.runs.last().is_some_and(|run| run.ending.is_none())
    }

    /// How it stands, in a word or a few.
    pub(crate) fn status(&self) -> &'static str {
        let summary = self.summary();
        match summary.status {
            Status::Crashed => "crashed",
            _ if self.is_unrecorded_crash() => "crashed, not yet recorded",
            // No segment can be read: nothing is known.
            _ if summary.session_id.is_empty() => "?",
            other => other.as_str(),
        }
    }

    /// Writes the canonical JSON.
    pub(crate) fn render(&mut self, out: &mut impl Write) -> Result<()> {
        tracewal::fold::render(&self.fold, &mut self.log, out).map_err(written)
    }
}

/// Why a session could not be written.
pub(crate) fn written(error: RenderError<std::io::Error>) -> Failure {
    match error {
        RenderError::Write(error) => Failure::Output(error),
        other => Failure::error(format!("{other}; try again")),
    }
}

pub(crate) fn reading(live: bool) -> Reading {
    if live { Reading::Live } else { Reading::Whole }
}

/// Whether a loss is news: an append that was cut off took nothing that was acknowledged, and what repair has recorded is known.
pub(crate) fn is_damage(loss: &Loss) -> bool {
    match loss.kind {
        LossKind::Repaired => false,
        LossKind::Torn => loss.missing.is_some(),
        LossKind::Damage | LossKind::Unsynced | LossKind::TooNew => true,
    }
}

/// `1 event is lost (17): 2.wal bytes 4096..5000, damage`.
pub(crate) fn loss(loss: &Loss) -> String {
    let what = match loss.missing {
        None => "no known event is lost".to_owned(),
        Some((first, last)) if first == last => format!("1 event is lost ({first})"),
        Some((first, last)) => {
            format!("{} are lost ({first} to {last})", text::count((last - first).saturating_add(1), "event"))
        }
    };
    let was = loss.was.as_ref().map_or_else(String::new, |was| format!(", was {was}"));
    let end = loss.offset.saturating_add(loss.length);
    format!("{what}: {} bytes {}..{end}, {}{was}", loss.file, loss.offset, loss.kind.as_str())
}

/// How many events are known to be lost.
pub(crate) fn lost_events(losses: &[Loss]) -> u64 {
    let missing = losses.iter().filter_map(|loss| loss.missing);
    missing.fold(0, |sum, (first, last)| sum.saturating_add((last - first).saturating_add(1)))
}

/// A loss as JSON, as it stands in a view.
pub(crate) fn loss_json(loss: &Loss) -> Option<Box<serde_json::value::RawValue>> {
    let mut json = Vec::new();
    tracewal_format::json::write_loss(loss, &mut json);
    serde_json::value::RawValue::from_string(String::from_utf8(json).ok()?).ok()
}
