//! Events of an import into the store: each session anew, or as a run of one that was imported before.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use tracewal::event::{Note, RunEndReason, SessionEnded, SessionStarted};
use tracewal::{Error, Event, Item, Payload, Session, SessionName, Store, Time};

use super::import_into::{Done, REASON};
use super::record::own;
use crate::account::reading;
use crate::failure::Result;

/// The note that stands at the end of an import, with the format that it was.
const DONE_NOTE: &str = "import.done";

/// What became of a session.
pub(crate) struct Imported {
    pub(crate) id: String,
    pub(crate) done: Done,
    /// Events that were appended.
    pub(crate) events: u64,
    pub(crate) spans: u64,
    /// What could not be understood.
    pub(crate) invalid: u64,
}

/// Takes the events of one file.
pub(crate) struct Receiver<'s> {
    store: &'s Store,
    format: &'static str,
    sessions: BTreeMap<String, Incoming>,
}

struct Incoming {
    /// `None`: nothing is new so far in a session that was imported before.
    session: Option<Session>,
    /// Of a session that was imported before: what is in it.
    known: Option<Known>,
    /// Of a file of events, which have no ids to tell them apart by: the sum of them all.
    sum: Option<crc32fast::Hasher>,
    /// What may only be said when something is new.
    ending: Option<(Time, Event<'static>)>,
    /// When the last event was.
    now: Time,
    runs: u64,
    reason: RunEndReason,
    events: u64,
    spans: u64,
    invalid: u64,
}

#[derive(Default)]
struct Known {
    /// Spans that something was said of, and those that have ended.
    seen: HashSet<String>,
    ended: HashSet<String>,
    sum: Option<u32>,
}

impl Known {
    /// Whether an event says nothing new.
    fn has(&self, event: &Event<'_>) -> bool {
        match event {
            Event::Span(e) => self.ended.contains(&*e.span_id),
            Event::SpanEnded(e) => self.ended.contains(&*e.span_id),
            Event::SpanStarted(e) => self.seen.contains(&*e.span_id),
            Event::SpanText(e) => self.seen.contains(&*e.span_id),
            Event::SpanAttributes(e) => self.seen.contains(&*e.span_id),
            _ => true,
        }
    }
}

/// What files of events are called.
const EVENTS: &str = "events";

impl<'s> Receiver<'s> {
    pub(crate) fn new(store: &'s Store, format: &'static str) -> Self {
        Receiver { store, format, sessions: BTreeMap::new() }
    }

    /// The one place that every event of these imports passes.
    pub(crate) fn event(&mut self, id: &str, time: Time, event: Event<'_>) -> Result<()> {
        let (store, format) = (self.store, self.format);
        let Some(incoming) = self.sessions.get_mut(id) else {
            let incoming = begin(store, format, id, time, event)?;
            self.sessions.insert(id.to_owned(), incoming);
            return Ok(());
        };
        incoming.event(store, id, time, event)
    }

    /// Everything has come.
    pub(crate) fn finish(self) -> Result<Vec<Imported>> {
        let Receiver { format, sessions, .. } = self;
        sessions.into_iter().map(|(id, incoming)| incoming.finish(format, id)).collect()
    }

    /// What has come is not all there is: sessions that are new are taken back.
    pub(crate) fn give_up(self) -> Result<()> {
        let Receiver { store, sessions, .. } = self;
        for (id, incoming) in sessions {
            let is_new = incoming.known.is_none();
            drop(incoming);
            if is_new {
                store.remove(&store.find(&id)?)?;
            }
        }
        Ok(())
    }
}

fn begin(store: &Store, format: &str, id: &str, time: Time, event: Event<'_>) -> Result<Incoming> {
    let mut incoming = Incoming {
        session: None,
        known: None,
        ending: None,
        now: time,
        runs: 0,
        reason: RunEndReason::Closed,
        sum: (format == EVENTS).then(crc32fast::Hasher::new),
        events: 1,
        spans: 0,
        invalid: 0,
    };
    if let Ok(session) = store.find(id) {
        match history(store, &session, format)? {
            History::Foreign => return Err(Error::Exists { session: id.to_owned() }.into()),
            History::CutOff => store.remove(&session)?,
            History::Known(known) => {
                incoming.known = Some(known);
                incoming.events = 0;
                incoming.event(store, id, time, event)?;
                return Ok(incoming);
            }
        }
    }
    incoming.add_up(&event);
    let new = store.session(id).reason(REASON).time(time);
    match &event {
        Event::SessionStarted(first) => incoming.session = Some(new.first_event(own(first)).start()?),
        _ => {
            incoming.session = Some(new.first_event(SessionStarted::new()).start()?);
            incoming.append(time, event)?;
        }
    }
    Ok(incoming)
}

impl Incoming {
    fn event(&mut self, store: &Store, id: &str, time: Time, event: Event<'_>) -> Result<()> {
        let before = std::mem::replace(&mut self.now, time);
        self.add_up(&event);
        match &event {
            Event::RunStarted(_) => return self.run(store, id, before),
            Event::RunEnded(ended) => {
                self.reason = ended.reason;
                return Ok(());
            }
            Event::Note(note) if note.name.starts_with("import.invalid") => self.invalid += 1,
            _ => {}
        }
        if let Some(known) = &self.known {
            if let Event::SessionEnded(ended) = &event {
                self.ending = Some((time, own_ending(ended).into()));
                return Ok(());
            }
            if self.sum.is_some() || known.has(&event) {
                return Ok(());
            }
        }
        if self.session.is_none() {
            self.session = Some(store.session(id).reason(REASON).resume()?);
        }
        self.spans += u64::from(matches!(event, Event::Span(_) | Event::SpanStarted(_)));
        self.append(time, event)
    }

    fn add_up(&mut self, event: &Event<'_>) {
        let Some(sum) = &mut self.sum else { return };
        let mut body = vec![0; event.encoded_len()];
        if event.encode_into(&mut body).is_ok() {
            sum.update(&body);
        }
    }

    fn append(&mut self, time: Time, event: Event<'_>) -> Result<()> {
        if let Some(session) = &self.session {
            session.append_at(time, event)?;
            self.events += 1;
        }
        Ok(())
    }

    /// A process began to write: the first is this one, a later one stays a run of its own, and the one before it ended with its last event.
    fn run(&mut self, store: &Store, id: &str, last: Time) -> Result<()> {
        self.runs += 1;
        if self.runs > 1
            && self.known.is_none()
            && let Some(session) = self.session.take()
        {
            session.close_at(last, self.reason)?;
            self.session = Some(store.session(id).reason(REASON).resume()?);
        }
        Ok(())
    }

    fn finish(mut self, format: &str, id: String) -> Result<Imported> {
        let sum = self.sum.take().map(crc32fast::Hasher::finalize);
        if self.known.as_ref().is_some_and(|known| known.sum != sum) {
            // Another file of the same name, or more of the same.
            return Err(Error::Exists { session: id }.into());
        }
        let done = match (&self.known, &self.session) {
            (Some(_), None) => Done::Unchanged,
            (Some(_), Some(_)) => Done::Extended,
            (None, _) => Done::Imported,
        };
        if self.session.is_some() {
            let data = serde_json::to_vec(&Finished { format: format.to_owned(), sum }).unwrap_or_default();
            let note = Note { data: Some(Payload::owned_json(data)), ..Note::new(DONE_NOTE) };
            self.append(self.now, note.into())?;
        }
        if let (Some((time, ending)), true) = (self.ending.take(), self.session.is_some()) {
            self.append(time, ending)?;
        }
        if let Some(session) = self.session.take() {
            let ended = session.close_at(self.now, self.reason)?;
            if let Some(error) = ended.view_error {
                return Err(error.into());
            }
        }
        Ok(Imported { id, done, events: self.events, spans: self.spans, invalid: self.invalid })
    }
}

/// What the note at the end of an import says.
#[derive(Serialize, Deserialize)]
struct Finished {
    format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<u32>,
}

fn own_ending(ended: &SessionEnded<'_>) -> SessionEnded<'static> {
    let own = |text: &Option<std::borrow::Cow<'_, str>>| text.as_ref().map(|text| text.to_string().into());
    SessionEnded {
        error: own(&ended.error),
        action_id: own(&ended.action_id),
        ..SessionEnded::new(ended.status)
    }
}

/// What an import finds.
enum History {
    /// Imports of this format wrote all of it, to their end.
    Known(Known),
    /// The only import was cut off.
    CutOff,
    /// Somebody else wrote it, or it can't be told.
    Foreign,
}

fn history(store: &Store, session: &SessionName, format: &str) -> Result<History> {
    let mut log = store.read(session, reading(store.is_live(session)))?;
    let failed = |source| Error::Io { doing: "read", path: store.folder(session), source };
    let (mut known, mut only_imports, mut runs, mut dones) = (Known::default(), true, 0, 0);
    while let Some(item) = log.next().map_err(failed)? {
        let entry = match item {
            Item::Event(entry) => entry,
            Item::Loss(_) => {
                // What is lost may have been somebody else's.
                only_imports = false;
                continue;
            }
            _ => continue,
        };
        match entry.event() {
            Some(Ok(Event::RunStarted(run))) => {
                runs += 1;
                only_imports &= run.reason.as_deref() == Some(REASON);
            }
            Some(Ok(Event::Note(note))) if note.name == DONE_NOTE => {
                let data = note.data.as_ref();
                let done = data.and_then(|data| serde_json::from_slice::<Finished>(&data.bytes).ok());
                dones += 1;
                known.sum = done.as_ref().and_then(|done| done.sum);
                only_imports &= done.is_some_and(|done| done.format == format);
            }
            Some(Ok(event)) => {
                if let Some(span) = span_of(&event) {
                    known.seen.insert(span.to_owned());
                    if matches!(event, Event::Span(_) | Event::SpanEnded(_)) {
                        known.ended.insert(span.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(match (only_imports && runs > 0, dones) {
        (false, _) => History::Foreign,
        (true, 0) => History::CutOff,
        (true, _) => History::Known(known),
    })
}

fn span_of<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    match event {
        Event::SpanStarted(e) => Some(&e.span_id),
        Event::SpanText(e) => Some(&e.span_id),
        Event::SpanAttributes(e) => Some(&e.span_id),
        Event::SpanEnded(e) => Some(&e.span_id),
        Event::Span(e) => Some(&e.span_id),
        _ => None,
    }
}
