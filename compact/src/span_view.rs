//! One span, put together from its records.

use tracewal_format::event::{Model, Payload, SpanStatus};
use tracewal_format::json::{write_payload, write_str};
use tracewal_format::log::{LogReader, LogSource};
use tracewal_format::time::Time;

use crate::attributes::Attributes;
use crate::facts::{Facts, Start};
use crate::fold::Fold;
use crate::members::key;
use crate::places::Place;
use crate::render::RenderError;
use crate::spans::{Extra, Flag, Row, classes};
use crate::text::{Beginning, TextWriter};

/// Reads the record at `place` again, and what it says about its span.
pub(crate) fn read<S: LogSource, T>(
    fold: &Fold,
    log: &mut LogReader<S>,
    place: Place,
    take: impl FnOnce(&Facts<'_>, Time) -> T,
) -> Result<T, RenderError<S::Error>> {
    let (segment, offset) = fold.places.locate(place).unwrap_or_default();
    let changed = || RenderError::LogChanged { segment, offset };
    let entry = log.entry_at(segment, offset).map_err(RenderError::Read)?.ok_or_else(changed)?;
    let event = entry.event().and_then(Result::ok).ok_or_else(changed)?;
    let facts = Facts::of(&event, entry.time).ok_or_else(changed)?;
    Ok(take(&facts, entry.time))
}

/// A free-form value as JSON, and whether it was what it said it was.
#[derive(Debug, Default)]
pub(crate) struct Value {
    pub(crate) json: Vec<u8>,
    pub(crate) valid: bool,
}

impl Value {
    fn of(payload: &Payload<'_>) -> Self {
        let mut json = Vec::with_capacity(payload.bytes.len() + payload.bytes.len() / 16 + 2);
        let valid = write_payload(payload, &mut json);
        Value { json, valid }
    }
}

/// What the records of one span say. Only one span's payloads are in memory at a time.
#[derive(Debug, Default)]
pub(crate) struct SpanView {
    pub(crate) id: String,
    /// The parent that was given, known or not.
    pub(crate) parent: Option<String>,
    pub(crate) name: String,
    pub(crate) start_time: Time,
    /// As JSON.
    pub(crate) model: Option<Vec<u8>>,
    pub(crate) input: Option<Value>,
    pub(crate) call_id: Option<String>,
    pub(crate) attributes: Attributes,
    pub(crate) end_time: Option<Time>,
    pub(crate) failed: bool,
    pub(crate) message: Option<String>,
    pub(crate) duration_ns: Option<i64>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) tokens: Option<[u64; 5]>,
    pub(crate) cost: Option<f64>,
    pub(crate) output: Option<Value>,
}

/// Where each part of a span stands.
struct Parts {
    parent: Option<Place>,
    input: Option<Place>,
    model: Option<Place>,
    call_id: Option<Place>,
    output: Option<Place>,
    finish_reason: Option<Place>,
    tokens: Option<Place>,
    cost: Option<Place>,
}

impl SpanView {
    /// Reads each record of the span that matters once, in the order of the log.
    pub(crate) fn of<S: LogSource>(
        fold: &Fold,
        log: &mut LogReader<S>,
        row: &Row,
    ) -> Result<Self, RenderError<S::Error>> {
        let spans = &fold.spans;
        let parts = Parts {
            parent: spans.parent_part(row),
            input: spans.input(row),
            model: spans.part(row, Flag::MODEL, |e| e.model, row.start()),
            call_id: spans.part(row, Flag::CALL_ID, |e| e.call_id, row.start()),
            output: spans.output(row),
            finish_reason: spans.part(row, Flag::FINISH_REASON, |e| e.finish_reason, row.end()),
            tokens: spans.tokens(row),
            cost: spans.part(row, Flag::COST, |e| e.cost, row.end()),
        };
        let mut places: Vec<Place> = [row.start(), row.end(), parts.parent, parts.input, parts.model]
            .into_iter()
            .chain([parts.call_id, parts.output, parts.finish_reason, parts.tokens, parts.cost])
            .flatten()
            .collect();
        places.extend(spans.extra(row).iter().flat_map(|extra| extra.attributes.iter()));
        places.sort_unstable();
        places.dedup();
        let mut view = SpanView::default();
        for (at, place) in places.into_iter().enumerate() {
            let is_its_own = read(fold, log, place, |facts, time| {
                if at == 0 {
                    facts.span_id.clone_into(&mut view.id);
                }
                view.add(row, &parts, place, facts, time);
                facts.span_id == view.id
            })?;
            if !is_its_own {
                let (segment, offset) = fold.places.locate(place).unwrap_or_default();
                return Err(RenderError::LogChanged { segment, offset });
            }
        }
        Ok(view)
    }

    fn add(&mut self, row: &Row, parts: &Parts, place: Place, facts: &Facts<'_>, time: Time) {
        let here = Some(place);
        if row.start() == here {
            self.start_time = facts.start.as_ref().map_or(time, |start| start.time);
            self.name = facts.start.as_ref().map(|start| start.name.to_owned()).unwrap_or_default();
        }
        if let Some(start) = &facts.start {
            self.add_start(parts, here, start);
        }
        if let Some(attributes) = facts.attributes {
            self.attributes.add(attributes);
        }
        let Some(end) = &facts.end else { return };
        if row.end() == here {
            self.end_time = Some(end.time);
            self.failed = end.status == SpanStatus::Error;
            self.message = end.message.map(str::to_owned);
            self.duration_ns = end.duration_ns;
        }
        if parts.finish_reason == here {
            self.finish_reason = end.finish_reason.map(str::to_owned);
        }
        if parts.tokens == here {
            self.tokens = end.tokens.map(classes);
        }
        if parts.cost == here {
            self.cost = end.cost;
        }
        if parts.output == here {
            self.output = end.output.map(Value::of);
        }
    }

    fn add_start(&mut self, parts: &Parts, here: Option<Place>, start: &Start<'_>) {
        if parts.parent == here {
            self.parent = start.parent.map(str::to_owned);
        }
        if parts.input == here {
            self.input = start.input.map(Value::of);
        }
        if parts.model == here {
            self.model = start.model.map(model);
        }
        if parts.call_id == here {
            self.call_id = start.call_id.map(str::to_owned);
        }
    }
}

fn model(model: &Model<'_>) -> Vec<u8> {
    let mut json = b"{".to_vec();
    let fields =
        [("modelId", &model.model_id), ("providerId", &model.provider_id), ("variant", &model.variant)];
    for (name, value) in fields {
        if let Some(value) = value {
            key(name, &mut json);
            write_str(value, &mut json);
        }
    }
    json.push(b'}');
    json
}

/// How much of a tool's output stands in a generation's input.
const SUMMARY_CODE_POINTS: usize = 200;

/// One line about a tool that has ended: `[name] ` and the beginning of its output.
pub(crate) fn tool_line<S: LogSource>(
    fold: &Fold,
    log: &mut LogReader<S>,
    row: &Row,
) -> Result<String, RenderError<S::Error>> {
    let mut line = String::from("[");
    if let Some(place) = row.start() {
        read(fold, log, place, |facts, _| {
            line.push_str(facts.start.as_ref().map_or("", |start| start.name));
        })?;
    }
    line.push_str("] ");
    let mut summary = Beginning::new(SUMMARY_CODE_POINTS);
    let mut has_message = false;
    if let (true, Some(place)) = (row.has(Flag::FAILED), row.end()) {
        line.push_str("error: ");
        read(fold, log, place, |facts, _| {
            let message = facts.end.as_ref().and_then(|end| end.message);
            has_message = message.is_some();
            summary.push_str(message.unwrap_or_default());
        })?;
    }
    if has_message {
    } else if let Some(place) = fold.spans.output(row) {
        read(fold, log, place, |facts, _| match facts.end.as_ref().and_then(|end| end.output) {
            Some(output) if output.encoding == Payload::JSON => {
                let json = Value::of(output).json;
                summary.push_json(std::str::from_utf8(&json).unwrap_or_default());
            }
            Some(text) => summary.push_lossy(&text.bytes),
            None => (),
        })?;
    } else {
        let mut scratch = Vec::new();
        for place in text_of(fold.spans.extra(row)) {
            read(fold, log, place, |facts, _| {
                facts.text.into_iter().for_each(|text| summary.push_piece(text, &mut scratch));
            })?;
            if summary.is_full() {
                break;
            }
        }
    }
    line.push_str(&summary.finish());
    Ok(line.replace(['\n', '\r'], " "))
}

/// The pieces of a span's streamed text.
fn text_of(extra: Option<&Extra>) -> impl Iterator<Item = Place> + '_ {
    extra.into_iter().flat_map(|extra| extra.text.iter())
}

/// Writes a span's streamed text as a JSON string, a piece at a time; `flush` may empty the buffer after each.
pub(crate) fn stream_text<S: LogSource>(
    fold: &Fold,
    log: &mut LogReader<S>,
    row: &Row,
    buffer: &mut Vec<u8>,
    mut flush: impl FnMut(&mut Vec<u8>) -> std::io::Result<()>,
) -> Result<(), RenderError<S::Error>> {
    let (mut writer, mut scratch) = (TextWriter::default(), Vec::new());
    buffer.push(b'"');
    for place in text_of(fold.spans.extra(row)) {
        read(fold, log, place, |facts, _| {
            facts.text.into_iter().for_each(|text| writer.push(text, &mut scratch, buffer));
        })?;
        flush(buffer).map_err(RenderError::Write)?;
    }
    writer.finish(buffer);
    buffer.push(b'"');
    Ok(())
}
