//! tracewal, through its public interface, as any program would use it.

use std::path::Path;

use tracewal::event::{SpanKind, SpanStarted};
use tracewal::{Event as Typed, Item, Options, Payload, Reading, Session, Store};

use crate::contender::{Contender, Facts, Log, Promise, Reads, Result, Role, Seen, Setting, Writer};
use crate::event::Event;

pub struct Tracewal {
    facts: Facts,
    options: fn() -> Options,
}

/// Logs alone, as the peers keep them.
pub static TRACEWAL: Tracewal = Tracewal {
    facts: Facts {
        name: "tracewal",
        krate: Some("tracewal"),
        role: Role::Us,
        promises: &[Promise::Process, Promise::Power],
        checksum: "its own (CRC-32 of header and body)",
        reads: Reads::Itself,
        setup: "Options::without_views(); Session::append, or append_durable",
    },
    options: Options::without_views,
};

/// The defaults: views of the sessions are kept current in the background.
pub static TRACEWAL_WITH_VIEWS: Tracewal = Tracewal {
    facts: Facts {
        name: "tracewal, views kept current",
        krate: Some("tracewal"),
        role: Role::UsToo,
        promises: &[Promise::Process],
        checksum: "its own (CRC-32 of header and body)",
        reads: Reads::Itself,
        setup: "the defaults: a background thread folds and renders the canonical JSON meanwhile",
    },
    options: tracewal::options,
};

const SESSION: &str = "session";

struct Open(Session);
struct Appends(Session);
struct AppendsDurably(Session);

#[inline]
fn typed<'a>(event: &Event<'a>) -> SpanStarted<'a> {
    SpanStarted {
        parent_span_id: Some(event.parent_span_id.into()),
        input: Some(Payload::json(event.input.get())),
        call_id: Some(event.call_id.into()),
        ..SpanStarted::new(event.span_id, SpanKind::Tool, event.name)
    }
}

impl Tracewal {
    fn store(&self, folder: &Path) -> Result<Store> {
        Ok((self.options)().open(folder.join("store"))?)
    }
}

impl Contender for Tracewal {
    fn facts(&'static self) -> &'static Facts {
        &self.facts
    }

    fn open(&self, folder: &Path, setting: Setting) -> Result<Box<dyn Log>> {
        let session = self.store(folder)?.session(SESSION).start()?;
        Ok(open_log(session, setting))
    }

    /// Sessions of one store.
    fn open_many(&self, folder: &Path, count: usize, setting: Setting) -> Result<Vec<Box<dyn Log>>> {
        let store = self.store(folder)?;
        let open = |n| Ok(open_log(store.session(format!("{SESSION}-{n}")).start()?, setting));
        (0..count).map(open).collect()
    }

    fn read(&self, folder: &Path, seen: &mut Seen) -> Result<()> {
        let store = self.store(folder)?;
        let session = store.find(SESSION)?;
        scan(&store, &session, seen)
    }
}

/// The fastest public way to read all events of a session, checked, as borrowed events.
fn scan(store: &Store, session: &tracewal::SessionName, seen: &mut Seen) -> Result<()> {
    let mut log = store.read(session, Reading::Whole)?;
    while let Some(item) = log.next()? {
        match item {
            Item::Event(entry) => {
                if let Ok(Some(Typed::SpanStarted(event))) = entry.event().transpose() {
                    let input = event.input.as_ref().map_or(&[][..], |input| &input.bytes);
                    seen.fields(event.call_id.as_deref().unwrap_or_default(), input);
                }
            }
            Item::Loss(loss) => return Err(format!("something is lost: {loss:?}").into()),
            _ => {}
        }
    }
    Ok(())
}

fn open_log(session: Session, setting: Setting) -> Box<dyn Log> {
    match setting.promise {
        Promise::Process => Box::new(Open(session)),
        Promise::Power => Box::new(OpenDurably(session)),
    }
}

struct OpenDurably(Session);

impl Log for Open {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Appends(self.0.clone())))
    }
}

impl Log for OpenDurably {
    fn writer(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(AppendsDurably(self.0.clone())))
    }
}

impl Writer for Appends {
    #[inline]
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        self.0.append(typed(event))?;
        Ok(())
    }
}

impl Writer for AppendsDurably {
    fn append(&mut self, event: &Event<'_>) -> Result<()> {
        self.0.append_durable(typed(event))?;
        Ok(())
    }
}
