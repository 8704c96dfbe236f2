//! Secrets taken out on the way in or out: `--redact`.

use tempfile::TempDir;
use tracewal::{Event, SessionName, Store, Time};
use tracewal_redact::{Key, Redactor, Rules, redacted_copy, redacted_id};

use crate::args::RedactOnTheWay;
use crate::failure::{Failure, Result};
use crate::stores;

/// Takes events, each with its time.
type Sink<'s> = &'s mut dyn FnMut(Time, Event<'_>) -> tracewal::Result<()>;

/// The rules, and the key of the markers.
pub(crate) struct Redaction {
    rules: Rules,
    key: Key,
}

impl Redaction {
    /// `None`: nobody asked for it. Into a store, and out of one that may be written to, equal secrets have equal markers.
    pub(crate) fn asked_for(args: &RedactOnTheWay, store: Option<&Store>) -> Result<Option<Self>> {
        if !args.redact {
            return Ok(None);
        }
        let rules = Rules::new(args.email, args.rules.as_deref()).map_err(Failure::error)?;
        let key = match store.filter(|store| !store.is_read_only()) {
            Some(store) => Key::of_store(store.path()),
            None => Key::fresh(),
        };
        let key = key.map_err(|e| Failure::error(format!("the key of the store's markers: {e}")))?;
        Ok(Some(Redaction { rules, key }))
    }

    /// What takes the secrets out of one file's events.
    pub(crate) fn redactor(&self) -> Redactor<'_> {
        Redactor::new(&self.rules, &self.key)
    }

    /// An id names the session's folder, and an import finds it again by it.
    pub(crate) fn refuse_id(&self, id: &str) -> Result<()> {
        match redacted_id(&self.rules, &self.key, id) {
            Some(id) => {
                Err(Failure::error(format!("the session's id holds a secret: {id}; rename the file")))
            }
            None => Ok(()),
        }
    }

    /// Hands on the events that `events` gives, without their secrets. It is asked for them up to three times: what gives a secret away
    /// may come later than the secret.
    pub(crate) fn filter<R>(
        &self,
        events: &mut dyn FnMut(Sink<'_>) -> Result<R>,
        sink: Sink<'_>,
    ) -> Result<R> {
        let mut redactor = self.redactor();
        let mut look = |redactor: &mut Redactor<'_>| {
            let mut seq = 0;
            events(&mut |_, mut event| {
                seq += 1;
                redactor.look(Some(seq), &mut event);
                Ok(())
            })
        };
        look(&mut redactor)?;
        if redactor.turn() {
            look(&mut redactor)?;
            redactor.finish();
        }
        let mut seq = 0;
        events(&mut |time, event| {
            seq += 1;
            let other = redactor.replace(Some(seq), &event);
            sink(time, other.unwrap_or(event))
        })
    }

    /// The session without its secrets, in a store of its own that is gone when this is dropped: whatever is exported from there has none.
    pub(crate) fn copy_of(&self, store: &Store, session: &SessionName) -> Result<Copy> {
        let failed = |e| Failure::error(format!("a folder for the copy without secrets: {e}"));
        let folder = tempfile::Builder::new().prefix("tracewal-redacted-").tempdir().map_err(failed)?;
        let copy = stores::options().open(folder.path())?;
        let (session, _) = redacted_copy(store, session, &self.rules, &self.key, &copy)?;
        Ok(Copy { store: copy, session, _folder: folder })
    }
}

/// A session in a store of its own.
pub(crate) struct Copy {
    pub(crate) store: Store,
    pub(crate) session: SessionName,
    // Behind the store: that is closed first.
    _folder: TempDir,
}
