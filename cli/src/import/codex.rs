//! The lines of Codex: `{timestamp, type, payload}`.
//!
//! | line | becomes |
//! |---|---|
//! | `response_item`: `message` of the assistant, `reasoning`; `event_msg`: `agent_reasoning` | streamed text of the open generation, or its attributes `reasoning` and `thinking` |
//! | `response_item`: `message` of anyone else | a `text` span: instructions and context, and once more what the user said |
//! | `response_item`: `function_call`, `custom_tool_call`, any other `*_call` | a tool span under the open generation |
//! | `response_item`: `function_call_output` and any other `*_output` | the end of that span |
//! | `event_msg`: `user_message` | a `user-message` span |
//! | `event_msg`: `token_count` with a new total | the end of the open generation |
//! | any other | a note `codex.<type>`; session and model are taken from it as well |
//!
//! **Generations.** Codex writes no id for a model call, but counts tokens behind each one. So a generation begins with the first
//! thing that the model says or does, or at the latest with its count, and ends when `total_token_usage` changes; its tokens
//! are the difference (the same total is often written again, which means nothing). When the input or output of the
//! total has become smaller, counting has begun anew and the new total is the difference; the sum is then that of all
//! countings. A call that was never counted ends where the user or a new turn comes next, without tokens.
//!
//! **Tokens** do not overlap: Codex counts cached input as input as well, and reasoning as output as well; here they are
//! taken out, so that the classes add up to its `total_tokens`.

use serde_json::value::RawValue;
use tracewal_format::event::{
    Metadata, Model, Payload, Span, SpanEnded, SpanKind, SpanStarted, SpanStatus, SpanText, Text, Tokens,
};
use tracewal_format::time::Time;

use super::Transcript;
use super::json::{Attributes, Members, is_string, items, nth_key, text};
use super::naming::Naming;
use super::out::{ById, Out, Totals};
use super::tokens::Usage;

pub(super) struct Codex {
    root: String,
    open: Option<Generation>,
    generations: u64,
    /// The last total.
    total: Usage,
    tools: ById<Tool>,
    provider: Option<String>,
    model: Option<String>,
    effort: Option<String>,
    has_meta: bool,
    naming: Naming,
}

/// The model call that has not been counted yet.
struct Generation {
    id: String,
    last: Time,
    messages: u32,
    reasoning: u32,
    thinking: u32,
    /// There is something that no end has said yet.
    unsaid: bool,
}

#[derive(Default)]
struct Tool {
    ended: bool,
}

impl Codex {
    pub(super) fn new(transcript: &Transcript) -> Self {
        Codex {
            root: transcript.session_id.clone(),
            open: None,
            generations: 0,
            total: Usage::default(),
            tools: ById::default(),
            provider: None,
            model: None,
            effort: None,
            has_meta: false,
            naming: Naming::default(),
        }
    }

    pub(super) fn line<E>(
        &mut self,
        line: &Members<'_>,
        totals: &mut Totals,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        let (Some(kind), Some(raw)) = (line.text("type"), line.get("payload")) else {
            return Ok(());
        };
        let Some(payload) = Members::parse(raw.get()) else {
            return Ok(());
        };
        let item = payload.text("type").unwrap_or_default();
        match (kind.as_ref(), item.as_ref()) {
            ("session_meta", _) => self.meta(&payload, out),
            ("turn_context", _) => self.turn(&payload, out),
            ("response_item", "message") => self.message(&payload, totals, out),
            ("response_item", "reasoning") => self.reasoning(raw, totals, out),
            ("response_item", item) if item.ends_with("_call") => self.call(item, &payload, totals, out),
            ("response_item", item) if item.ends_with("_output") => self.call_output(&payload, totals, out),
            ("event_msg", "user_message") => self.user(&payload, out),
            ("event_msg", "agent_reasoning") => self.thinking(&payload, totals, out),
            ("event_msg", "token_count") => self.count(raw, &payload, totals, out),
            ("event_msg", "task_started" | "turn_started" | "turn_aborted") => self.abandon(out),
            _ => Ok(()),
        }
    }

    /// Hands on what is held back.
    pub(super) fn flush<E>(&mut self, out: &mut Out<'_, E>) -> Result<(), E> {
        let Some(open) = self.open.as_mut().filter(|open| open.unsaid) else {
            return Ok(());
        };
        open.unsaid = false;
        out.aside(open.last, SpanEnded::new(open.id.as_str()))
    }

    /// The open generation ends without having been counted.
    fn abandon<E>(&mut self, out: &mut Out<'_, E>) -> Result<(), E> {
        self.flush(out)?;
        self.open = None;
        Ok(())
    }

    fn meta<E>(&mut self, payload: &Members<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
        // A session that continues another one has a copy of its lines, with its `session_meta`.
        if std::mem::replace(&mut self.has_meta, true) {
            return Ok(());
        }
        let mut root = Attributes::default();
        for key in ["cwd", "originator", "source"] {
            if let Some(value) = payload.get(key) {
                root.put(key, value);
            }
        }
        if let Some(branch) = payload.object("git").and_then(|git| git.get("branch")) {
            root.put("gitBranch", branch);
        }
        out.attributes_aside(&self.root, root)?;
        self.provider = payload.text("model_provider").map(|provider| provider.into_owned());
        out.metadata(Metadata {
            version: payload.text("cli_version"),
            provider_id: self.provider.as_deref().map(Into::into),
            ..Metadata::new()
        })
    }

    fn turn<E>(&mut self, payload: &Members<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
        let text = |key: &str| payload.text(key).map(|text| text.into_owned());
        (self.model, self.effort) = (text("model"), text("effort"));
        match &self.model {
            Some(model) => self.naming.model(model, out),
            None => Ok(()),
        }
    }

    /// The open generation; begins one if there is none.
    fn generation<E>(&mut self, totals: &mut Totals, out: &mut Out<'_, E>) -> Result<&mut Generation, E> {
        if self.open.is_none() {
            self.generations += 1;
            totals.generations += 1;
            let id = format!("generation-{}", self.generations);
            let model = self.model.as_deref().map(|model| Model {
                model_id: Some(model.into()),
                provider_id: self.provider.as_deref().map(Into::into),
                variant: self.effort.as_deref().map(Into::into),
                ..Model::new()
            });
            let started =
                SpanStarted { model, ..SpanStarted::new(id.as_str(), SpanKind::Generation, "generation") };
            out.aside(out.now, started)?;
        }
        let id = || format!("generation-{}", self.generations);
        let open = self.open.get_or_insert_with(|| Generation {
            id: id(),
            last: out.now,
            messages: 0,
            reasoning: 0,
            thinking: 0,
            unsaid: true,
        });
        open.last = out.now;
        open.unsaid = true;
        Ok(open)
    }

    fn message<E>(
        &mut self,
        payload: &Members<'_>,
        totals: &mut Totals,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        let role = payload.text("role").unwrap_or_default();
        if role != "assistant" {
            let mut attributes = Attributes::default();
            attributes.put_rest("", payload, &["type", "role", "content"]);
            let id = format!("line-{}", out.line);
            return out.emit(Span {
                input: payload.get("content").map(|content| Payload::json(content.get())),
                attributes: attributes.payload(),
                ..Span::new(id, SpanKind::Text, role, out.now, out.now)
            });
        }
        let generation = self.generation(totals, out)?;
        generation.messages = generation.messages.saturating_add(1);
        let mut attributes = Attributes::default();
        let mut beside = Attributes::default();
        beside.put_rest("", payload, &["type", "role", "content"]);
        attributes.put_some(&nth_key("message", generation.messages), beside.finish());
        let content = payload.get("content");
        let blocks = content.map(|content| items(content).unwrap_or_else(|| vec![content]));
        for (place, raw) in blocks.unwrap_or_default().into_iter().enumerate() {
            let block = Members::parse(raw.get()).unwrap_or_default();
            let said =
                if is_string(raw) { Some(raw) } else { block.get("text").filter(|text| is_string(text)) };
            match said {
                Some(text) => {
                    out.emit(SpanText::new(generation.id.as_str(), Text(Payload::json(text.get()))))?;
                    let mut beside = Attributes::default();
                    beside.put_rest("", &block, &["type", "text"]);
                    attributes
                        .put_some(&format!("textBlock.{}.{place}", generation.messages), beside.finish());
                }
                None => attributes.put(&format!("content.{}.{place}", generation.messages), raw),
            }
        }
        out.attributes(&generation.id, attributes)
    }

    fn reasoning<E>(&mut self, raw: &RawValue, totals: &mut Totals, out: &mut Out<'_, E>) -> Result<(), E> {
        let generation = self.generation(totals, out)?;
        generation.reasoning = generation.reasoning.saturating_add(1);
        let mut attributes = Attributes::default();
        attributes.put(&nth_key("reasoning", generation.reasoning), raw);
        out.attributes(&generation.id, attributes)
    }

    fn thinking<E>(
        &mut self,
        payload: &Members<'_>,
        totals: &mut Totals,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        let Some(thinking) = payload.get("text") else {
            return Ok(());
        };
        let generation = self.generation(totals, out)?;
        generation.thinking = generation.thinking.saturating_add(1);
        let mut attributes = Attributes::default();
        attributes.put(&nth_key("thinking", generation.thinking), thinking);
        out.attributes(&generation.id, attributes)
    }

    fn call<E>(
        &mut self,
        item: &str,
        payload: &Members<'_>,
        totals: &mut Totals,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        let parent = self.generation(totals, out)?.id.clone();
        let call_id = payload.id("call_id");
        let id = call_id.clone().unwrap_or_else(|| format!("line-{}", out.line));
        let (tool, new) = self.tools.entry(&id);
        totals.tools += u64::from(new);
        let name = payload.text("name").unwrap_or_else(|| item.trim_end_matches("_call").into());
        let mut attributes = Attributes::default();
        attributes.put_rest("", payload, &["type", "call_id", "name", "arguments", "input", "action"]);
        out.emit(SpanStarted {
            parent_span_id: Some(parent.into()),
            input: input(payload),
            attributes: attributes.payload(),
            call_id: call_id.as_deref().map(Into::into),
            ..SpanStarted::new(id.as_str(), SpanKind::Tool, name)
        })?;
        if call_id.is_some() {
            return Ok(());
        }
        // A call without an id has no line with its output: the provider ran it, and it is over.
        let failed = payload.text("status").is_some_and(|status| status == "failed");
        totals.failed_tools += u64::from(failed && !std::mem::replace(&mut tool.ended, true));
        out.emit(SpanEnded { status: failed.then_some(SpanStatus::Error), ..SpanEnded::new(id) })
    }

    fn call_output<E>(
        &mut self,
        payload: &Members<'_>,
        totals: &mut Totals,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        let Some(id) = payload.id("call_id") else {
            return Ok(());
        };
        let (tool, new) = self.tools.entry(&id);
        if new {
            totals.tools += 1;
            out.emit(SpanStarted {
                call_id: Some(id.as_str().into()),
                ..SpanStarted::new(id.as_str(), SpanKind::Tool, "")
            })?;
        }
        let output = payload.get("output");
        let failure = output.and_then(failure);
        if !std::mem::replace(&mut tool.ended, true) {
            totals.failed_tools += u64::from(failure.is_some());
        }
        let mut attributes = Attributes::default();
        attributes.put_rest("output.", payload, &["type", "call_id", "output"]);
        out.emit(SpanEnded {
            status: failure.as_ref().map(|_| SpanStatus::Error),
            status_message: failure.map(Into::into),
            output: output.map(|output| Payload::json(output.get())),
            attributes: attributes.payload(),
            ..SpanEnded::new(id)
        })
    }

    fn user<E>(&mut self, payload: &Members<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
        let Some(message) = payload.get("message") else {
            return Ok(());
        };
        self.abandon(out)?;
        let mut attributes = Attributes::default();
        attributes.put_rest("", payload, &["type", "message"]);
        let id = format!("line-{}", out.line);
        out.emit(Span {
            input: Some(Payload::json(message.get())),
            attributes: attributes.payload(),
            ..Span::new(id, SpanKind::UserMessage, "user", out.now, out.now)
        })?;
        self.naming.said(|| text(message).unwrap_or_default(), out)
    }

    fn count<E>(
        &mut self,
        raw: &RawValue,
        payload: &Members<'_>,
        totals: &mut Totals,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        let total = payload
            .object("info")
            .and_then(|info| info.object("total_token_usage"))
            .map(|usage| Usage::of(&usage));
        let Some(total) = total.filter(|total| *total != self.total) else {
            return Ok(());
        };
        let tokens = total.since(&std::mem::replace(&mut self.total, total)).disjoint();
        totals.tokens = totals.tokens.plus(&tokens);
        let mut attributes = Attributes::default();
        attributes.put("tokenCount", raw);
        let id = self.generation(totals, out)?.id.clone();
        self.open = None;
        out.emit(SpanEnded {
            tokens: Some(Tokens::from(tokens)),
            attributes: attributes.payload(),
            ..SpanEnded::new(id)
        })
    }
}

/// What a tool was called with. The arguments of a function are JSON inside a string: the text in it is the input.
fn input(payload: &Members<'_>) -> Option<Payload<'static>> {
    if let Some(arguments) = payload.get("arguments") {
        return Some(match text(arguments) {
            Some(inner) if Members::parse(&inner).is_some() => Payload::owned_json(inner.into_owned()),
            _ => Payload::owned_json(arguments.get()),
        });
    }
    let input = payload.get("input").or_else(|| payload.get("action"))?;
    Some(Payload::owned_json(input.get()))
}

/// What an output says of a failure: `success` is `false`, or the exit code of its metadata is not 0. Many outputs are JSON
/// inside a string. What only the words of an output say is not judged.
fn failure(output: &RawValue) -> Option<String> {
    let inner = text(output);
    let members = Members::parse(inner.as_deref().unwrap_or(output.get()))?;
    let exit_code = members.object("metadata").and_then(|metadata| metadata.get("exit_code"));
    let failed = members.get("success").is_some_and(|success| success.get() == "false")
        || exit_code.is_some_and(|code| code.get() != "0");
    if !failed {
        return None;
    }
    let said = ["content", "output"].into_iter().find_map(|key| members.text(key));
    Some(match (said, exit_code) {
        (Some(said), _) if !said.is_empty() => said.into_owned(),
        (_, Some(code)) => format!("exit code {}", code.get()),
        _ => "failed".to_owned(),
    })
}
