//! One import, from its first line to its end.

use std::io::BufRead;

use tracewal_format::event::{EndStatus, Event, Metadata, Note, Payload, SessionEnded, SessionStarted};
use tracewal_format::time::Time;

use super::checkpoint::{Checkpoint, STATE_NOTE};
use super::claude_code::ClaudeCode;
use super::codex::Codex;
use super::json::{Attributes, Members};
use super::lines::{LINE_LIMIT_BYTES, Line, LineEnd, Lines};
use super::out::Out;
use super::report::{ImportError, Report};
use super::{Source, Transcript, discover};

/// Takes the events of an import, in order, each with its time.
pub type Sink<'s, E> = &'s mut dyn FnMut(Time, Event<'_>) -> Result<(), E>;

/// Imports lines into a sink. `already` is the checkpoint of the import before, if there was one: then only what is new is
/// handed on, and nothing at all when nothing is.
///
/// # Errors
/// Reading fails, the sink refuses an event, or the file is not a longer version of what was imported before.
pub fn convert<R: BufRead, E>(
    transcript: &Transcript,
    mut lines: Lines<R>,
    already: Option<Checkpoint>,
    sink: Sink<'_, E>,
) -> Result<Report, ImportError<E>> {
    let mut importer = Importer::new(transcript, already);
    while let Some(line) = lines.next_line().map_err(ImportError::Read)? {
        importer.feed(line, sink)?;
    }
    importer.finish(sink)
}

/// One import: [`feed`](Importer::feed) every line of the file, then [`finish`](Importer::finish).
pub struct Importer<'t> {
    transcript: &'t Transcript,
    tool: Tool,
    already: Option<Checkpoint>,
    /// Whether events are handed on: the lines that were imported before are behind us.
    open: bool,
    /// The time of the last line that has one.
    now: Time,
    /// Pieces of a very long line have come, and its end has not.
    in_long_line: bool,
    report: Report,
}

enum Tool {
    ClaudeCode(Box<ClaudeCode>),
    Codex(Box<Codex>),
}

impl<'t> Importer<'t> {
    /// An import of this transcript.
    #[must_use]
    pub fn new(transcript: &'t Transcript, already: Option<Checkpoint>) -> Self {
        Importer {
            tool: match transcript.source {
                Source::ClaudeCode => Tool::ClaudeCode(Box::new(ClaudeCode::new(transcript))),
                Source::Codex => Tool::Codex(Box::new(Codex::new(transcript))),
            },
            transcript,
            already,
            open: false,
            now: transcript.started,
            in_long_line: false,
            report: Report { session_id: transcript.session_id.clone(), ..Report::default() },
        }
    }

    /// Takes the next line, or piece of a very long one.
    ///
    /// # Errors
    /// The sink refuses an event, or the file is not a longer version of what was imported before.
    pub fn feed<E>(&mut self, line: Line<'_>, sink: Sink<'_, E>) -> Result<(), ImportError<E>> {
        self.open_if_new(sink)?;
        let trimmed = line.bytes.trim_ascii();
        let text = std::str::from_utf8(trimmed).ok();
        let long = self.in_long_line || line.end == LineEnd::Continues;
        if line.end == LineEnd::EndOfFile && !long && text.and_then(Members::parse).is_none() {
            return self.torn(line.bytes, sink);
        }
        self.report.checkpoint.add(line.bytes);
        if line.end == LineEnd::Continues {
            self.in_long_line = true;
            return self.keep("import.long-line", line.bytes, sink);
        }
        self.report.checkpoint.end_line();
        self.report.lines += 1;
        if long {
            self.in_long_line = false;
            self.report.invalid(format!("longer than {LINE_LIMIT_BYTES} bytes"));
            return self.keep("import.long-line", line.bytes, sink);
        }
        if trimmed.is_empty() {
            self.report.blank += 1;
            self.report.represented += 1;
            return Ok(());
        }
        let Some(text) = text else {
            return self.not_json(line.bytes, "not UTF-8".to_owned(), sink);
        };
        let members = match Members::parse(text) {
            Some(members) => members,
            // Other JSON than an object says nothing that we know, but it is JSON.
            None => match serde_json::from_str::<serde::de::IgnoredAny>(text) {
                Ok(_) => Members::default(),
                Err(error) => return self.not_json(line.bytes, format!("not JSON: {error}"), sink),
            },
        };
        Ok(self.understand(text, &members, sink)?)
    }

    /// Takes the end of the file.
    ///
    /// # Errors
    /// The sink refuses an event, or the file is not a longer version of what was imported before.
    pub fn finish<E>(mut self, sink: Sink<'_, E>) -> Result<Report, ImportError<E>> {
        if self.in_long_line {
            self.feed(Line { bytes: b"", end: LineEnd::LineFeed }, sink)?;
        }
        self.open_if_new(sink)?;
        if !self.open {
            let lines = self.already.as_ref().map_or(0, Checkpoint::lines);
            return Err(ImportError::Changed { lines });
        }
        if self.already.as_ref() == Some(&self.report.checkpoint) {
            return Ok(self.report);
        }
        self.report.added = true;
        self.flush(sink)?;
        let state = self.report.checkpoint.to_json(self.transcript.source);
        let note = Note { data: Some(Payload::owned_json(state)), ..Note::new(STATE_NOTE) };
        sink(self.now, note.into())?;
        sink(self.now, SessionEnded::new(EndStatus::Completed).into())?;
        Ok(self.report)
    }

    /// Opens the sink in front of the first line that was not imported before.
    fn open_if_new<E>(&mut self, sink: Sink<'_, E>) -> Result<(), ImportError<E>> {
        if self.open || self.in_long_line {
            return Ok(());
        }
        let Some(already) = &self.already else {
            self.open = true;
            return Ok(self.begin(sink)?);
        };
        if self.report.checkpoint.lines() == already.lines() {
            if !self.report.checkpoint.same_lines(already) {
                return Err(ImportError::Changed { lines: already.lines() });
            }
            // What the last import handed on at its end is not handed on again.
            self.flush(sink)?;
            self.open = true;
        }
        Ok(())
    }

    fn begin<E>(&self, sink: Sink<'_, E>) -> Result<(), E> {
        let transcript = self.transcript;
        let metadata = Metadata {
            agent: Some(transcript.source.as_str().into()),
            tags: transcript.parent.as_ref().map(|parent| vec![format!("parent:{parent}").into()]),
            ..Metadata::new()
        };
        let started = SessionStarted {
            root_span_id: Some(transcript.session_id.as_str().into()),
            name: Some(transcript.source.as_str().into()),
            metadata: Some(metadata),
            ..SessionStarted::new()
        };
        let mut out = self.out(sink);
        out.aside(transcript.started, started)?;
        let mut root = Attributes::default();
        for (key, value) in [("parentSession", &transcript.parent), ("agentId", &transcript.agent_id)] {
            if let Some(value) = value {
                root.put_text(key, value);
            }
        }
        out.attributes_aside(&transcript.session_id, root)
    }

    fn understand<E>(&mut self, text: &str, members: &Members<'_>, sink: Sink<'_, E>) -> Result<(), E> {
        if let Some(time) = discover::time(members) {
            self.now = time;
        }
        let mut out = self.out(sink);
        let totals = &mut self.report.totals;
        match &mut self.tool {
            Tool::ClaudeCode(tool) => tool.line(members, totals, &mut out)?,
            Tool::Codex(tool) => tool.line(members, totals, &mut out)?,
        }
        if !out.represented {
            let name = note_name(self.transcript.source, members);
            out.note(&name, Payload::json(text))?;
        }
        self.report.represented += 1;
        self.report.notes += u64::from(out.noted);
        Ok(())
    }

    fn not_json<E>(&mut self, bytes: &[u8], reason: String, sink: Sink<'_, E>) -> Result<(), ImportError<E>> {
        self.report.invalid(reason);
        self.keep("import.invalid-line", bytes, sink)
    }

    fn torn<E>(&mut self, bytes: &[u8], sink: Sink<'_, E>) -> Result<(), ImportError<E>> {
        self.report.lines += 1;
        self.report.checkpoint.set_tail(bytes);
        self.report.invalid("cut off: the file ends in the middle of it".to_owned());
        if self.already.as_ref() == Some(&self.report.checkpoint) {
            return Ok(());
        }
        self.keep("import.invalid-line", bytes, sink)
    }

    fn keep<E>(&mut self, name: &str, bytes: &[u8], sink: Sink<'_, E>) -> Result<(), ImportError<E>> {
        Ok(self.out(sink).note(name, Payload::string(bytes))?)
    }

    fn flush<E>(&mut self, sink: Sink<'_, E>) -> Result<(), E> {
        let mut out = self.out(sink);
        match &mut self.tool {
            Tool::ClaudeCode(tool) => tool.flush(&mut out),
            Tool::Codex(tool) => tool.flush(&mut out),
        }
    }

    fn out<'s, E>(&self, sink: Sink<'s, E>) -> Out<'s, E> {
        Out {
            sink,
            muted: !self.open,
            now: self.now,
            line: self.report.lines,
            represented: false,
            noted: false,
        }
    }
}

/// `claude-code.progress`, `codex.turn_context`: the tool and the type of the line, for Codex that of its payload.
fn note_name(source: Source, members: &Members<'_>) -> String {
    let payload = members.object("payload").filter(|_| source == Source::Codex);
    let kind = payload
        .and_then(|payload| payload.text("type"))
        .or_else(|| members.text("type"))
        .filter(|kind| !kind.is_empty() && kind.len() <= 64);
    format!("{}.{}", source.as_str(), kind.as_deref().unwrap_or("unknown"))
}
