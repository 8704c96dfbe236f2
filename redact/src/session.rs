//! Taking the secrets out of a session that is in a store.

use std::path::PathBuf;

use tracewal::{
    Entry, Error, Event, Item, Log, Original, Reading, Result, Rewriter, Rewritten, SessionName, Store, Time,
};

use crate::faithful::is_faithful;
use crate::marker::Key;
use crate::redactor::{Counts, Place, Redactor};
use crate::scan::Rules;

/// What to do with what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing: it is only told.
    Tell,
    /// The log is written anew without it.
    Rewrite(Original),
}

/// What was found in a session, and what was done.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How often each rule has found something.
    pub counts: Counts,
    /// Where, if that was asked for.
    pub places: Vec<Place>,
    /// Whether the log is another one now.
    pub changed: bool,
    /// The session under another id: its own held a secret. Unless the original was to be removed, it is there as well.
    pub renamed: Option<SessionName>,
    /// The folder in which the log as it was is kept.
    pub kept: Option<PathBuf>,
    /// How many logs that were kept before have been removed.
    pub removed: usize,
}

/// Looks for secrets in a session's log, and takes them out.
///
/// What is derived from logs besides the view and the index has to be told: [`Store::index`]'s `purge` is the caller's, when all sessions
/// are done.
///
/// # Errors
/// Those of [`Store::rewrite`]: then the log is as it was.
pub fn redact(
    store: &Store,
    session: &SessionName,
    rules: &Rules,
    key: &Key,
    act: Act,
    with_places: bool,
) -> Result<Outcome> {
    let mut redactor = Redactor::new(rules, key);
    if with_places {
        redactor = redactor.with_places();
    }
    let mut redaction = Redaction { redactor, folder: store.folder(session), rules, key, until: None };
    let Act::Rewrite(original) = act else {
        let reading = if store.is_live(session) { Reading::Live } else { Reading::Whole };
        redaction.look(&|| store.read(session, reading))?;
        return Ok(redaction.outcome());
    };
    let done = store.rewrite(session, &mut redaction, original)?;
    let outcome = redaction.outcome();
    let Rewritten { changed, renamed, kept, removed } = done;
    Ok(Outcome { changed, renamed, kept, removed, ..outcome })
}

/// Writes a session's log without its secrets into another store, in which there is no such session; also that of a session that is open
/// for writing. What is exported from there has none of them.
///
/// # Errors
/// Those of [`Store::copy_rewritten`].
pub fn redacted_copy(
    store: &Store,
    session: &SessionName,
    rules: &Rules,
    key: &Key,
    to: &Store,
) -> Result<(SessionName, Counts)> {
    let redactor = Redactor::new(rules, key);
    let mut redaction = Redaction { redactor, folder: store.folder(session), rules, key, until: None };
    let copy = store.copy_rewritten(session, to, &mut redaction)?;
    Ok((copy, redaction.outcome().counts))
}

struct Redaction<'r> {
    redactor: Redactor<'r>,
    folder: PathBuf,
    rules: &'r Rules,
    key: &'r Key,
    /// The last event that has been looked at: what a writer appends meanwhile is not.
    until: Option<u64>,
}

impl Redaction<'_> {
    fn outcome(&self) -> Outcome {
        let (counts, places) = (self.redactor.counts().clone(), self.redactor.places().to_vec());
        Outcome { counts, places, ..Outcome::default() }
    }

    fn failed(&self, doing: &'static str, source: std::io::Error) -> Error {
        Error::Io { doing, path: self.folder.clone(), source }
    }

    /// Returns the last event that was shown.
    fn show(&self, log: &mut Log, redactor: &mut Redactor<'_>) -> Result<u64> {
        let mut last = 0;
        while let Some(item) = log.next().map_err(|e| self.failed("read", e))? {
            if let Item::Event(entry) = &item {
                if self.until.is_some_and(|until| entry.seq > until) {
                    break;
                }
                last = entry.seq;
            }
            match item {
                Item::Event(Entry { seq, kind, body, .. }) => match understood(kind, body) {
                    Some(mut event) => redactor.look(Some(seq), &mut event),
                    None => redactor.look_at_bytes(Some(seq), body),
                },
                Item::Slot(slot) => redactor.look(None, &mut slot.event()),
                _ => {}
            }
        }
        Ok(last)
    }
}

/// The event, if this version knows all of it: encoded again it would be the same.
fn understood(kind: u8, body: &[u8]) -> Option<Event<'_>> {
    let event = Event::decode(kind, body)?.ok()?;
    (event.encoded_len() == body.len()).then_some(event)
}

impl Rewriter for Redaction<'_> {
    fn look(&mut self, open: &dyn Fn() -> Result<Log>) -> Result<bool> {
        let mut redactor = std::mem::replace(&mut self.redactor, Redactor::new(self.rules, self.key));
        self.until = Some(self.show(&mut open()?, &mut redactor)?);
        let any = redactor.turn();
        if any {
            self.show(&mut open()?, &mut redactor)?;
            redactor.finish();
        }
        self.redactor = redactor;
        Ok(any)
    }

    fn until(&self) -> Option<u64> {
        self.until
    }

    fn id(&self, id: &str) -> Option<String> {
        self.redactor.id(id)
    }

    fn body(&mut self, seq: Option<u64>, kind: u8, body: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(event) = understood(kind, body) else { return Ok(self.redactor.replace_in_bytes(body)) };
        let Some(event) = self.redactor.replace(seq, &event) else { return Ok(None) };
        let mut other = vec![0; event.encoded_len()];
        let encoded = event.encode_into(&mut other);
        encoded.map_err(|_| self.failed("encode an event for", std::io::ErrorKind::InvalidData.into()))?;
        Ok(Some(other))
    }

    fn is_faithful(&self, kind: u8, old: &[u8], new: &[u8]) -> bool {
        if understood(kind, old).is_none() {
            return old.len() == new.len()
                && std::iter::zip(old, new).all(|(old, new)| old == new || *new == b'*');
        }
        let json = |body| {
            let mut json = Vec::new();
            let entry =
                Entry { segment: 0, offset: 0, run: 0, seq: 0, time: Time::from_ns(0), kind, flags: 0, body };
            tracewal::write_event(&entry, &mut json);
            json
        };
        is_faithful(&json(old), &json(new))
    }

    fn look_again(&mut self, open: &dyn Fn() -> Result<Log>) -> Result<()> {
        let mut again = self.redactor.again();
        // Crash slots have become events behind the last one.
        self.until = None;
        self.show(&mut open()?, &mut again)?;
        again.finish();
        if again.counts().is_empty() {
            return Ok(());
        }
        let rules: Vec<&str> = again.counts().keys().map(String::as_str).collect();
        let reason = format!(
            "something is left that rules find: {}; the log has been left as it is",
            rules.join(", ")
        );
        Err(self.failed("redact", std::io::Error::new(std::io::ErrorKind::InvalidData, reason)))
    }
}
