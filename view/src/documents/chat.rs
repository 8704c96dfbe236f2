//! `chat/K`: the conversation, with the tools that each turn called.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use tracewal::Event;
use tracewal_format::event::SpanKind;

use super::entries::Gap;
use super::rows::Short;
use super::{Ms, SIZES, in_chunk};
use crate::error::{Result, ViewError};
use crate::index::chat::Of;
use crate::index::entries::At;
use crate::line;
use crate::text::{prefix, preview, text_of};
use crate::trace::Trace;

/// No more of a message is shown, in bytes: all of it is in its span.
const MESSAGE_MAX: usize = 64 << 10;
/// No more of a tool's input and output, in characters.
const TOOL_PREVIEW: usize = 200;
/// At most so many tools of a message are listed.
const TOOLS_MAX: usize = 200;

#[derive(Serialize)]
struct Document {
    from: usize,
    messages: Vec<Said>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<usize>,
    time: Option<Ms>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Called>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools_total: Option<usize>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Gap>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Called {
    span: usize,
    name: String,
    status: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_preview: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_preview: Option<String>,
}

impl Trace {
    /// Chunk number `chunk` of the conversation.
    ///
    /// # Errors
    /// [`NotFound`](ViewError::NotFound), or what reading the log met.
    pub fn chat(&mut self, chunk: usize) -> Result<Vec<u8>> {
        let range = in_chunk(chunk, SIZES.chat, self.index.chat.len());
        let range = range.ok_or_else(|| ViewError::no(format!("chunk {chunk} of the conversation")))?;
        let from = range.start;
        let messages = range.map(|at| self.message(at)).collect::<Result<_>>()?;
        Ok(serde_json::to_vec(&Document { from, messages })?)
    }

    fn message(&mut self, at: usize) -> Result<Said> {
        let message = self.index.chat.get(at).ok_or(ViewError::LogChanged)?.clone();
        match message.of {
            Of::Prompt => {
                let prompt = self.summary().metadata.prompt.as_deref().unwrap_or_default();
                let said = Said {
                    role: "user",
                    time: Some(Ms(self.summary().started_at.as_ns())),
                    cut: prompt.len() > MESSAGE_MAX,
                    text: Some(prefix(prompt, MESSAGE_MAX).to_owned()),
                    ..Said::default()
                };
                Ok(said)
            }
            Of::Entry(entry) => self.aside(entry),
            Of::Span(number) => {
                let mut said = self.said(number)?;
                let tools = message.tools.iter().filter(|tool| **tool != number || said.role == "tool");
                let tools: Vec<u32> = tools.copied().collect();
                said.tools_total = (tools.len() > TOOLS_MAX).then_some(tools.len());
                for tool in tools.into_iter().take(TOOLS_MAX) {
                    said.tools.extend(self.called(tool)?);
                }
                Ok(said)
            }
        }
    }

    /// What stands between the messages of the conversation.
    fn aside(&mut self, entry: usize) -> Result<Said> {
        if let Some(At::Loss(loss)) = self.index.entries.at(entry) {
            let gap = Gap::of(loss, self.index.entries.seq_before(entry));
            return Ok(Said { role: "gap", gap: Some(gap), ..Said::default() });
        }
        let said = self.with_event(entry, |event, time| {
            let role = if matches!(event, Event::Crashed(_)) { "crash" } else { "note" };
            let text = match event {
                Event::RunStarted(e) => format!("process {} goes on", e.pid),
                event => format!("{}  {}", event.name(), line::line(event, 2000)),
            };
            Said { role, time: Some(Ms(time.as_ns())), text: Some(text), ..Said::default() }
        })?;
        Ok(said.unwrap_or(Said { role: "note", ..Said::default() }))
    }

    fn said(&mut self, number: u32) -> Result<Said> {
        let index = self.spans.position(number).ok_or(ViewError::LogChanged)?;
        let bar = *self.skeleton.bar(index).ok_or(ViewError::LogChanged)?;
        let json = self.short_span(index, MESSAGE_MAX, 4 * MESSAGE_MAX)?;
        let span: Short<'_> = serde_json::from_slice(&json)?;
        let mut said = Said { span: Some(index), time: Some(bar.start_ns.into()), ..Said::default() };
        let text = match bar.kind {
            SpanKind::Tool => {
                said.role = "tool";
                return Ok(said);
            }
            SpanKind::Generation => {
                said.role = "assistant";
                let (reasoning, is_cut) = cut(reasoning(span.attributes));
                (said.reasoning, said.cut) = (reasoning, is_cut);
                // What stands there when nothing was said is the names of its tools, which are listed.
                span.output.filter(|_| self.index.has_said(number))
            }
            SpanKind::UserMessage => {
                said.role = "user";
                span.input.or(span.output)
            }
            _ => {
                said.role = match span.name().as_str() {
                    "assistant" => "assistant",
                    _ => "system",
                };
                span.output.or(span.input)
            }
        };
        let (text, is_cut) = cut(text.map(spoken));
        (said.text, said.cut) = (text, is_cut || said.cut);
        Ok(said)
    }

    fn called(&mut self, number: u32) -> Result<Option<Called>> {
        let Some(index) = self.spans.position(number) else { return Ok(None) };
        let json = self.short_span(index, 4096, 16 << 10)?;
        let span: Short<'_> = serde_json::from_slice(&json)?;
        let short = |value: Option<&RawValue>| value.map(|value| preview(value.get(), TOOL_PREVIEW));
        Ok(Some(Called {
            span: index,
            name: span.name(),
            status: self.skeleton.bar(index).map_or(0, |bar| bar.state.number()),
            input_preview: short(span.input),
            output_preview: short(span.output),
        }))
    }
}

fn cut(text: Option<String>) -> (Option<String>, bool) {
    let is_cut = text.as_ref().is_some_and(|text| text.len() > MESSAGE_MAX);
    (text.map(|text| prefix(&text, MESSAGE_MAX).to_owned()), is_cut)
}

/// What is said by a value: a text, the texts of a list of blocks, or else its JSON.
fn spoken(value: &RawValue) -> String {
    #[derive(serde::Deserialize)]
    struct Block<'a> {
        #[serde(borrow)]
        text: Option<&'a RawValue>,
        #[serde(borrow)]
        r#type: Option<&'a RawValue>,
    }
    let blocks = serde_json::from_str::<Vec<Block<'_>>>(value.get()).unwrap_or_default();
    if blocks.is_empty() {
        return text_of(value);
    }
    let text = |block: &Block<'_>| match (block.text, block.r#type) {
        (Some(text), _) => text_of(text),
        (None, Some(kind)) => format!("[{}]", text_of(kind)),
        (None, None) => String::new(),
    };
    let texts: Vec<String> = blocks.iter().map(text).filter(|text| !text.is_empty()).collect();
    if texts.is_empty() { text_of(value) } else { texts.join("\n\n") }
}

/// The reasoning among a generation's attributes: those that are called so, and are texts.
fn reasoning(attributes: Option<&RawValue>) -> Option<String> {
    let attributes: BTreeMap<String, &RawValue> = serde_json::from_str(attributes?.get()).ok()?;
    let is_reasoning = |key: &str| {
        let name = key.split('.').next().unwrap_or_default();
        ["thinking", "reasoning"].contains(&name)
    };
    let texts: Vec<String> = attributes
        .iter()
        .filter(|(key, value)| is_reasoning(key) && value.get().starts_with('"'))
        .map(|(_, value)| text_of(value))
        .filter(|text| !text.is_empty())
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}
