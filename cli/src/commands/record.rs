//! `tracewal record`: events from standard input.

use std::io::{BufWriter, Read, StdoutLock, Write};
use std::path::Path;

use tracewal::event::{EndStatus, Note, RunEndReason, SessionEnded, SessionStarted};
use tracewal::{Event, Metadata, Payload, Session, Store, Time};

use super::record_input::{Lines, Refused};
use crate::args::{End, Record};
use crate::failure::{Failure, Result};
use crate::output;

/// Acknowledgements are given at least this often, also when more input is waiting.
const ACKS_MAX: usize = 4_096;

pub(crate) fn run(folder: &Path, args: &Record) -> Result<()> {
    // Views are kept current while the session goes on, for whoever looks at it.
    let store = tracewal::open(folder)?;
    // A recorder that is told to end by a signal has not ended its session in order.
    tracewal::crash::install(&store, tracewal::crash::Capture::default())?;
    let id = args.session.clone().unwrap_or_else(|| {
        let id = uuid::Uuid::now_v7().to_string();
        output::mention(&format!("session {id}"));
        id
    });
    let mut recording =
        Recording { store: &store, id, args, session: None, ended: false, acks: Acks::new(args) };
    let recorded = recording.lines(Lines::new(std::io::stdin().lock()));
    let closed = recording.close(recorded.is_ok());
    recorded.and(closed)
}

struct Recording<'a> {
    store: &'a Store,
    id: String,
    args: &'a Record,
    /// It begins with the first line that is an event.
    session: Option<Session>,
    /// An ending has been appended.
    ended: bool,
    acks: Acks,
}

impl Recording<'_> {
    fn lines(&mut self, mut lines: Lines<impl Read>) -> Result<()> {
        loop {
            if let Some(session) = self.session.as_ref().filter(|_| !lines.has_line()) {
                self.acks.give(session)?;
            }
            let read = lines.advance().map_err(|e| Failure::error(format!("standard input: {e}")))?;
            let Some(line) = read else { return Ok(()) };
            if line.is_ok() && lines.is_blank() {
                continue;
            }
            match line.and_then(|()| lines.event()) {
                Ok((time, event)) => {
                    let number = lines.number();
                    self.event(time, event).map_err(|failure| in_line(number, failure))?;
                }
                Err(refused) if self.args.keep_going => {
                    self.reject(lines.number(), lines.bytes(), &refused)?
                }
                Err(refused) => {
                    // What came before is safe, and whoever waits for it is told.
                    if let Some(session) = &self.session {
                        self.acks.give(session)?;
                    }
                    return Err(Failure::error(format!(
                        "line {}: {refused}; correct it, or keep such lines with --keep-going",
                        lines.number()
                    )));
                }
            }
        }
    }

    fn event(&mut self, time: Option<Time>, event: Event<'_>) -> Result<()> {
        if let (None, Event::SessionStarted(first)) = (&self.session, &event)
            && self.is_new()
        {
            self.start(own(first), time)?;
            return self.acks.add(1, self.session.as_ref());
        }
        self.append(time, &event)
    }

    /// Keeps a line that is not an event.
    fn reject(&mut self, number: u64, line: &[u8], refused: &Refused) -> Result<()> {
        output::mention(&format!("line {number}: {refused}; kept as a note"));
        let note = Note { data: Some(Payload::string(line)), ..Note::new("tracewal.rejected") };
        self.append(None, &note.into())
    }

    fn append(&mut self, time: Option<Time>, event: &Event<'_>) -> Result<()> {
        if self.session.is_none() {
            self.begin(time)?;
        }
        let Some(session) = &self.session else { return Ok(()) };
        let time = time.unwrap_or_else(|| std::time::SystemTime::now().into());
        let seq = session.append_at(time, event.clone())?;
        self.ended |= matches!(event, Event::SessionEnded(_));
        self.acks.add(seq, self.session.as_ref())
    }

    fn is_new(&self) -> bool {
        self.store.find(&self.id).is_err()
    }

    fn begin(&mut self, time: Option<Time>) -> Result<()> {
        if self.is_new() {
            return self.start(SessionStarted::new(), time);
        }
        self.session = Some(self.store.session(&self.id).reason("record").resume()?);
        Ok(())
    }

    fn start(&mut self, first: SessionStarted<'static>, time: Option<Time>) -> Result<()> {
        let new = self.store.session(&self.id).first_event(first).reason("record");
        let new = match time {
            Some(time) => new.time(time),
            None => new,
        };
        self.session = Some(new.start()?);
        Ok(())
    }

    fn close(&mut self, all_read: bool) -> Result<()> {
        let end = self.args.end.filter(|_| all_read && !self.ended);
        if end.is_some() && self.session.is_none() {
            self.begin(None)?;
        }
        let Some(session) = self.session.take() else { return Ok(()) };
        let given = self.acks.give(&session);
        let status = match end {
            Some(End::Completed) => EndStatus::Completed,
            Some(End::Error) => EndStatus::Error,
            None => {
                let reason = if all_read { RunEndReason::StdinEnd } else { RunEndReason::Closed };
                session.close(reason)?;
                return given;
            }
        };
        session.end(SessionEnded::new(status))?;
        given
    }
}

fn in_line(number: u64, failure: Failure) -> Failure {
    match failure {
        Failure::Said(code, what) => Failure::Said(code, format!("line {number}: {what}")),
        other => other,
    }
}

/// Acknowledgements that have not been given yet.
struct Acks {
    wanted: bool,
    durable: bool,
    waiting: Vec<u64>,
    out: BufWriter<StdoutLock<'static>>,
}

impl Acks {
    fn new(args: &Record) -> Self {
        Acks { wanted: args.ack, durable: args.durable, waiting: Vec::new(), out: output::programs() }
    }

    fn add(&mut self, seq: u64, session: Option<&Session>) -> Result<()> {
        self.waiting.push(seq);
        match session {
            Some(session) if self.waiting.len() >= ACKS_MAX => self.give(session),
            _ => Ok(()),
        }
    }

    /// Gives them. An event has survived the process since its append returned; for a power cut one sync does for all.
    fn give(&mut self, session: &Session) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.durable {
            session.sync()?;
        }
        let waiting = std::mem::take(&mut self.waiting);
        if self.wanted {
            for seq in waiting {
                writeln!(self.out, "{{\"seq\":{seq}}}")?;
            }
            self.out.flush()?;
        }
        Ok(())
    }
}

/// The same event, kept longer than its line.
pub(crate) fn own(first: &SessionStarted<'_>) -> SessionStarted<'static> {
    SessionStarted {
        trace_id: owned(&first.trace_id),
        root_span_id: owned(&first.root_span_id),
        name: owned(&first.name),
        metadata: first.metadata.as_ref().map(own_metadata),
        scopes: owned_list(&first.scopes),
        ..SessionStarted::new()
    }
}

type Text<'a> = std::borrow::Cow<'a, str>;

fn owned(text: &Option<Text<'_>>) -> Option<Text<'static>> {
    text.as_ref().map(|text| text.to_string().into())
}

fn owned_list(list: &Option<Vec<Text<'_>>>) -> Option<Vec<Text<'static>>> {
    list.as_ref().map(|list| list.iter().map(|text| text.to_string().into()).collect())
}

fn own_metadata(metadata: &Metadata<'_>) -> Metadata<'static> {
    Metadata {
        title: owned(&metadata.title),
        model: owned(&metadata.model),
        provider_id: owned(&metadata.provider_id),
        agent: owned(&metadata.agent),
        variant: owned(&metadata.variant),
        prompt: owned(&metadata.prompt),
        user_id: owned(&metadata.user_id),
        environment: owned(&metadata.environment),
        version: owned(&metadata.version),
        tags: owned_list(&metadata.tags),
        ..Metadata::new()
    }
}
