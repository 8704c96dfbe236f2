//! `summary`: everything about a session that is shown at once.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tracewal::incident::{Incident, advice_sentence, sentence};
use tracewal::{Status, Time};
use tracewal_compact::{metadata_json, rest_json};

use super::cost::Estimate;
use super::entries::{Gap, GapPlace};
use super::path::critical_path;
use super::rows::Short;
use super::stats::{Counts, OfModel, OfTool, OverTime, Quiet};
use super::{Ms, SIZES, Sizes, chunk_count, raw};
use crate::error::{Result, ViewError};
use crate::index::files::{KEPT, command};
use crate::skeleton::SpanState;
use crate::text::{one_line, prefix, preview, text_of};
use crate::trace::Trace;

/// No more of the prompt and the answer is shown, in bytes.
const SAID_MAX: usize = 16 << 10;
/// No more of a message, command or input, in characters.
const SHORT: usize = 300;
/// At most so many errors.
const ERRORS: usize = 100;
/// At most so many spans that were open at a crash.
const OPEN: usize = 1000;
/// At most so many losses; all are in the log.
const LOSSES: usize = 1000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    id: &'a str,
    title: Option<&'a str>,
    name: &'a str,
    status: &'static str,
    live: bool,
    unrecorded: bool,
    writer: &'static str,
    agent: Option<&'a str>,
    directory: Option<String>,
    started_at: Ms,
    ended_at: Ms,
    /// When this was made.
    at: Ms,
    prompt: Option<&'a str>,
    prompt_cut: bool,
    answer: Option<String>,
    answer_cut: bool,
    metadata: Box<RawValue>,
    summary: &'a RawValue,
    runs: &'a RawValue,
    close: Option<&'a RawValue>,
    incidents: Option<Value>,
    wal: &'a RawValue,
    sentences: Sentences,
    crash: Option<CrashShown>,
    lost: Vec<Gap>,
    lost_events: u64,
    counts: Counts,
    estimate: Option<Estimate>,
    by_model: Vec<OfModel>,
    by_tool: Vec<OfTool>,
    errors: Vec<Failed>,
    errors_total: u64,
    loops: Vec<Loop>,
    files: Vec<FileShown<'a>>,
    files_total: usize,
    commands: Vec<CommandShown>,
    commands_total: u64,
    over_time: OverTime,
    critical_path: Vec<usize>,
    gaps: Vec<Quiet>,
    chunks: Sizes,
    sizes: Sizes,
    log_entries: usize,
    chat_messages: usize,
    version: u64,
}

/// What stands behind the spans in the canonical JSON.
#[derive(Deserialize)]
struct Rest<'a> {
    #[serde(borrow)]
    summary: &'a RawValue,
    #[serde(borrow)]
    runs: &'a RawValue,
    #[serde(borrow)]
    close: Option<&'a RawValue>,
    #[serde(borrow)]
    incidents: Option<&'a RawValue>,
    #[serde(borrow)]
    wal: &'a RawValue,
}

#[derive(Serialize)]
struct Sentences {
    ending: String,
    advice: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CrashShown {
    reason: String,
    signal: Option<String>,
    exception: Option<Exception>,
    pid: Option<u32>,
    time: Ms,
    found_by: Option<&'static str>,
    /// All crash records.
    count: u64,
    open: Vec<usize>,
    open_total: usize,
    last_event: Option<LastShown>,
}

#[derive(Serialize)]
struct Exception {
    r#type: String,
    message: String,
    stack: Option<String>,
}

#[derive(Serialize)]
struct LastShown {
    seq: u64,
    time: Ms,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Failed {
    span: usize,
    name: String,
    message: String,
}

#[derive(Serialize)]
struct Loop {
    tool: String,
    input: Option<String>,
    count: usize,
    spans: Vec<usize>,
}

#[derive(Serialize)]
struct FileShown<'a> {
    path: &'a str,
    reads: u64,
    writes: u64,
    spans: Vec<usize>,
}

#[derive(Serialize)]
struct CommandShown {
    command: String,
    status: u8,
    span: usize,
}

impl Trace {
    /// Everything that is shown at once.
    ///
    /// # Errors
    /// What reading the log met.
    pub fn summary_document(&mut self) -> Result<Vec<u8>> {
        let (errors, loops, commands) = (self.errors()?, self.loops()?, self.commands()?);
        let ((answer, answer_cut), directory) = (self.answer()?, self.directory()?);
        let summary = self.summary();
        let rest = rest_json(summary, &self.tool_uses());
        let rest: Rest<'_> = serde_json::from_slice(&rest)?;
        let counts = self.counts();
        let prompt = summary.metadata.prompt.as_deref();
        let losses = || summary.losses.iter().filter_map(|loss| loss.missing);
        let document = Document {
            id: self.session.id(),
            title: summary.metadata.title.as_deref(),
            name: prefix(&summary.name, SAID_MAX),
            status: self.status(),
            live: self.is_live(),
            unrecorded: self.is_unrecorded_crash(),
            writer: self.writer().as_str(),
            agent: summary.metadata.agent.as_deref(),
            directory,
            started_at: Ms(summary.started_at.as_ns()),
            ended_at: Ms(summary.ended_at.as_ns()),
            at: Ms(Time::from(SystemTime::now()).as_ns()),
            prompt: prompt.map(|prompt| prefix(prompt, SAID_MAX)),
            prompt_cut: prompt.is_some_and(|prompt| prompt.len() > SAID_MAX),
            answer,
            answer_cut,
            metadata: self.metadata()?,
            summary: rest.summary,
            runs: rest.runs,
            close: rest.close,
            incidents: rest.incidents.map(|json| self.incidents(json)).transpose()?,
            wal: rest.wal,
            sentences: self.sentences(),
            crash: self.crash(),
            lost: self.lost(),
            lost_events: losses().fold(0, |sum, (first, last)| sum.saturating_add(last - first + 1)),
            estimate: self.estimate(),
            by_model: self.by_model(),
            by_tool: self.by_tool(),
            errors,
            errors_total: counts.errors,
            counts,
            loops,
            files: self.files(),
            files_total: self.index.files.file_count(),
            commands,
            commands_total: self.index.files.command_count(),
            over_time: self.over_time(),
            critical_path: critical_path(self.skeleton.bars()),
            gaps: self.quiet(),
            chunks: self.chunks(),
            sizes: SIZES,
            log_entries: self.index.entries.len(),
            chat_messages: self.index.chat.len(),
            version: self.version(),
        };
        Ok(serde_json::to_vec(&document)?)
    }

    /// How many chunks there are of each.
    #[must_use]
    pub fn chunks(&self) -> Sizes {
        let (spans, entries) = (self.spans.len(), self.index.entries.len());
        Sizes {
            skeleton: chunk_count(SIZES.skeleton, spans),
            rows: chunk_count(SIZES.rows, spans),
            chat: chunk_count(SIZES.chat, self.index.chat.len()),
            log: chunk_count(SIZES.log, entries),
            spans: chunk_count(SIZES.spans, spans),
        }
    }

    /// What is lost, each with its place among the spans.
    fn lost(&self) -> Vec<Gap> {
        let losses = self.index.entries.losses().zip(&self.index.lost_at).take(LOSSES);
        let placed = losses.map(|((at, loss), around)| {
            let position = around.after_span.and_then(|number| self.spans.position(number));
            let ms = |time: Time| Ms(time.as_ns());
            let place = GapPlace {
                after_span: position.unwrap_or(0),
                from: around.from.map(ms),
                to: around.to.map(ms),
            };
            Gap { place: Some(place), ..Gap::of(loss, self.index.entries.seq_before(at)) }
        });
        placed.collect()
    }

    /// The metadata, the prompt cut.
    fn metadata(&self) -> Result<Box<RawValue>> {
        let mut metadata = self.summary().metadata.clone();
        metadata.prompt = metadata.prompt.map(|prompt| prefix(&prompt, SAID_MAX).to_owned().into());
        raw(metadata_json(&metadata))
    }

    /// The incidents of the canonical JSON, each with what it says in words.
    fn incidents(&self, json: &RawValue) -> Result<Value> {
        fn put(to: Option<&mut Value>, incident: &Incident) {
            if let Some(Value::Object(to)) = to {
                to.insert("sentence".into(), sentence(incident).into());
                advice_sentence(incident).map(|advice| to.insert("advice".into(), advice.into()));
            }
        }
        fn put_all(incidents: &mut Map<String, Value>, name: &str, list: &[Incident]) {
            if let Some(Value::Array(shown)) = incidents.get_mut(name) {
                shown.iter_mut().zip(list).for_each(|(to, incident)| put(Some(to), incident));
            }
        }
        let mut incidents: Map<String, Value> = serde_json::from_str(json.get())?;
        let derived = &self.summary().incidents;
        if let Some(terminal) = &derived.terminal {
            put(incidents.get_mut("terminal"), terminal);
        }
        put_all(&mut incidents, "laterIncidents", &derived.later);
        put_all(&mut incidents, "recoveredIncidents", &derived.recovered);
        Ok(Value::Object(incidents))
    }

    fn sentences(&self) -> Sentences {
        let summary = self.summary();
        let terminal = summary.incidents.terminal.as_ref();
        let ending = match (terminal, summary.status) {
            (Some(incident), _) => sentence(incident),
            (None, Status::Completed) => "It completed.".to_owned(),
            (None, Status::Error) => {
                let error = summary.error.as_deref().unwrap_or("nothing says which");
                format!("It ended with an error: {}", one_line(error, SHORT))
            }
            (None, Status::Crashed) => {
                format!("It crashed: {}", one_line(summary.error.as_deref().unwrap_or("unknown"), SHORT))
            }
            (None, Status::Running) if self.is_live() => "It is running.".to_owned(),
            (None, Status::Running) if self.is_unrecorded_crash() => {
                "Its process is gone without an ending; that has not been recorded yet.".to_owned()
            }
            (None, Status::Running) => "It was closed without an ending, and can be resumed.".to_owned(),
        };
        Sentences { ending, advice: terminal.and_then(advice_sentence) }
    }

    fn crash(&self) -> Option<CrashShown> {
        let summary = self.summary();
        let interrupted = || {
            let bars = self.skeleton.bars().iter().enumerate().skip(1);
            bars.filter(|(_, bar)| {
                bar.state == SpanState::Interrupted && self.index.row(bar.number).end_ns.is_none()
            })
        };
        let last_of = |run: u32| self.index.last_events.get(&run);
        let shown = |run: u32| {
            last_of(run).map(|last| LastShown {
                seq: last.seq,
                time: Ms(last.time.as_ns()),
                r#type: last.name,
            })
        };
        let open = interrupted().take(OPEN).map(|(index, _)| index).collect();
        let open_total = interrupted().count();
        let Some(crash) = &summary.crash else {
            let run = summary.runs.last().filter(|_| self.is_unrecorded_crash())?;
            return Some(CrashShown {
                reason: "the process vanished; that has not been recorded yet".to_owned(),
                signal: None,
                exception: None,
                pid: run.pid,
                time: Ms(run.ended_at.as_ns()),
                found_by: None,
                count: 0,
                open,
                open_total,
                last_event: shown(run.number),
            });
        };
        let cut = |text: &str| prefix(text, SAID_MAX).to_owned();
        Some(CrashShown {
            reason: cut(&crash.reason),
            signal: crash.signal.clone(),
            exception: crash.exception.as_ref().map(|(class, message, stack)| Exception {
                r#type: cut(class),
                message: cut(message),
                stack: stack.as_deref().map(cut),
            }),
            pid: crash.pid,
            time: Ms(crash.time.as_ns()),
            found_by: crash.found_by.map(|by| by.as_str()),
            count: summary.crashes,
            open,
            open_total,
            last_event: shown(crash.run),
        })
    }

    fn errors(&mut self) -> Result<Vec<Failed>> {
        let bars = self.skeleton.bars().iter().enumerate().skip(1);
        let failed: Vec<usize> =
            bars.filter(|(_, bar)| bar.state == SpanState::Error).map(|(at, _)| at).take(ERRORS).collect();
        failed
            .into_iter()
            .map(|index| {
                let json = self.short_span(index, 4096, 16 << 10)?;
                let span: Short<'_> = serde_json::from_slice(&json)?;
                let message = span.message().unwrap_or_default();
                Ok(Failed {
                    span: index,
                    name: one_line(&span.name(), SHORT),
                    message: one_line(&message, SHORT),
                })
            })
            .collect()
    }

    fn loops(&mut self) -> Result<Vec<Loop>> {
        let repeated = self.repeated();
        repeated
            .into_iter()
            .map(|found| {
                let json = self.short_span(found.spans.first().copied().unwrap_or(0), 4096, 16 << 10)?;
                let span: Short<'_> = serde_json::from_slice(&json)?;
                let input = span.input.map(|input| preview(input.get(), SHORT));
                Ok(Loop { tool: found.tool, input, count: found.spans.len(), spans: found.spans })
            })
            .collect()
    }

    fn commands(&mut self) -> Result<Vec<CommandShown>> {
        let spans: Vec<usize> =
            self.index.files.commands().iter().filter_map(|number| self.spans.position(*number)).collect();
        let mut commands = Vec::new();
        for index in spans.into_iter().take(KEPT) {
            let json = self.short_span(index, 4096, 64 << 10)?;
            let span: Short<'_> = serde_json::from_slice(&json)?;
            let Some(command) = span.input.and_then(|input| command(input.get())) else { continue };
            let status = self.skeleton.bar(index).map_or(0, |bar| bar.state.number());
            commands.push(CommandShown { command: one_line(&command, SHORT), status, span: index });
        }
        Ok(commands)
    }

    fn files(&self) -> Vec<FileShown<'_>> {
        let shown = self.index.files.files().iter().map(|file| FileShown {
            path: &file.path,
            reads: file.reads,
            writes: file.writes,
            spans: file.spans.iter().filter_map(|number| self.spans.position(*number)).collect(),
        });
        shown.collect()
    }

    /// What was last said.
    fn answer(&mut self) -> Result<(Option<String>, bool)> {
        let index = self.index.last_answer.and_then(|number| self.spans.position(number));
        let Some(index) = index else { return Ok((None, false)) };
        // No character takes more than 6 bytes of JSON for one of its own.
        let json = self.short_span(index, 6 * SAID_MAX + 64, 16 * SAID_MAX)?;
        let span: Short<'_> = serde_json::from_slice(&json)?;
        let text = span.output.map(text_of);
        let is_cut = text.as_ref().is_some_and(|text| text.len() > SAID_MAX);
        Ok((text.map(|text| prefix(&text, SAID_MAX).to_owned()), is_cut))
    }

    /// Where it ran, if the root's attributes say so.
    fn directory(&mut self) -> Result<Option<String>> {
        let json = self.short_span(0, 4096, 256 << 10)?;
        let span: Short<'_> = serde_json::from_slice(&json)?;
        let Some(attributes) = span.attributes else { return Ok(None) };
        let attributes: BTreeMap<String, &RawValue> =
            serde_json::from_str(attributes.get()).map_err(|_| ViewError::LogChanged).unwrap_or_default();
        let named = ["cwd", "directory"].into_iter().find_map(|key| attributes.get(key));
        Ok(named.filter(|value| value.get().starts_with('"')).map(|value| text_of(value)))
    }
}
