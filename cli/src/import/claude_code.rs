//! The lines of Claude Code.
//!
//! | line | becomes |
//! |---|---|
//! | `assistant` | a generation per `message.id`; each `tool_use` in it a tool span under it; `text` is streamed text; `thinking` an attribute, like every other kind of content |
//! | `user` | each `tool_result` the end of its tool span; the rest of the content a `user-message` span |
//! | any other | a note `claude-code.<type>`; titles and links to sub-agents are taken from it as well |
//!
//! One model call stands in several lines with the same `message.id`, each with the usage known by then, so the last one
//! counts. The end of a generation is held back until another one begins, and repeated if a line of it comes later still.
//! Attributes that more than one line or block of a generation has are numbered: `thinking`, `thinking.2`.

use std::collections::BTreeMap;

use tracewal_format::event::{
    Metadata, Model, Payload, Span, SpanEnded, SpanKind, SpanStarted, SpanStatus, SpanText, Text, Tokens,
};
use tracewal_format::time::Time;

use super::Transcript;
use super::content::{Block, Blocks, Kind, input};
use super::discover::time;
use super::json::{Attributes, Members, bounded_id, nth_key, text};
use super::naming::Naming;
use super::out::{ById, Out, Totals};
use super::tokens::TokenCounts;

/// Members that are mostly the same in all lines of a session: the root span has the first value, other spans only what differs.
const SHARED: [&str; 9] =
    ["cwd", "gitBranch", "version", "userType", "entrypoint", "slug", "sessionId", "agentId", "isSidechain"];

/// Members that events carry in their own fields.
const CARRIED: [&str; 2] = ["type", "message"];

/// The same, of the message of an assistant line.
const MESSAGE_CARRIED: [&str; 7] = ["id", "type", "role", "model", "content", "usage", "stop_reason"];

pub(super) struct ClaudeCode {
    root: String,
    shared: BTreeMap<&'static str, String>,
    generations: ById<Generation>,
    current: Option<Current>,
    tools: ById<Tool>,
    naming: Naming,
}

/// What is remembered of a model call.
#[derive(Default)]
struct Generation {
    tokens: Option<TokenCounts>,
    lines: u32,
    blocks: u32,
    thinking: u32,
}

/// The model call that the last assistant line belongs to.
struct Current {
    id: String,
    last: Time,
    usage: Option<String>,
    tokens: Option<TokenCounts>,
    finish_reason: Option<String>,
    /// The text of an error that stands in the place of an answer.
    error: Option<String>,
    /// There is something that no end has said yet.
    unsaid: bool,
}

impl Current {
    fn new(id: String) -> Self {
        Current {
            id,
            last: Time::default(),
            usage: None,
            tokens: None,
            finish_reason: None,
            error: None,
            unsaid: true,
        }
    }
}

#[derive(Default)]
struct Tool {
    ended: bool,
    linked: bool,
}

impl ClaudeCode {
    pub(super) fn new(transcript: &Transcript) -> Self {
        let quoted = |id: &String| serde_json::to_string(id).unwrap_or_default();
        let mut shared = BTreeMap::new();
        // What the ids of session, parent and sub-agent say already.
        let session_id = transcript.parent.as_ref().unwrap_or(&transcript.session_id);
        shared.insert("sessionId", quoted(session_id));
        shared.insert("isSidechain", transcript.agent_id.is_some().to_string());
        if let Some(agent_id) = &transcript.agent_id {
            shared.insert("agentId", quoted(agent_id));
        }
        ClaudeCode {
            root: transcript.session_id.clone(),
            shared,
            generations: ById::default(),
            current: None,
            tools: ById::default(),
            naming: Naming::default(),
        }
    }

    pub(super) fn line<E>(
        &mut self,
        line: &Members<'_>,
        totals: &mut Totals,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        self.share(line, out)?;
        match line.text("type").as_deref() {
            Some("assistant") => self.assistant(line, totals, out),
            Some("user") => self.user(line, totals, out),
            Some("progress") => self.progress(line, out),
            Some("summary") => self.naming.summary(line.text("summary"), out),
            Some("custom-title") => self.naming.summary(line.text("customTitle"), out),
            Some("ai-title") => self.naming.summary(line.text("aiTitle"), out),
            _ => Ok(()),
        }
    }

    /// Hands on what is held back.
    pub(super) fn flush<E>(&mut self, out: &mut Out<'_, E>) -> Result<(), E> {
        let Some(current) = self.current.as_mut().filter(|current| current.unsaid) else {
            return Ok(());
        };
        current.unsaid = false;
        let mut attributes = Attributes::default();
        attributes.put_some("usage", current.usage.clone());
        let ended = SpanEnded {
            status: current.error.as_ref().map(|_| SpanStatus::Error),
            status_message: current.error.as_deref().map(Into::into),
            finish_reason: current.finish_reason.as_deref().map(Into::into),
            tokens: current.tokens.map(Tokens::from),
            attributes: attributes.payload(),
            ..SpanEnded::new(current.id.as_str())
        };
        out.aside(current.last, ended)
    }

    fn share<E>(&mut self, line: &Members<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
        let mut root = Attributes::default();
        let mut version = None;
        for key in SHARED {
            if let Some(value) = line.get(key)
                && !self.shared.contains_key(key)
            {
                self.shared.insert(key, value.get().to_owned());
                match (key, text(value)) {
                    ("version", Some(text)) => version = Some(text),
                    _ => root.put(key, value),
                }
            }
        }
        if version.is_some() {
            out.metadata(Metadata { version, ..Metadata::new() })?;
        }
        let id = &self.root;
        out.attributes_aside(id, root)
    }

    /// What a line says besides its message, except what holds for the whole session.
    fn rest(&self, line: &Members<'_>, prefix: &str, except: &[&str]) -> Attributes {
        let mut rest = Attributes::default();
        let has_time = time(line).is_some();
        for (key, value) in line.iter() {
            let carried = CARRIED.contains(&key) || (key == "timestamp" && has_time);
            let shared = self.shared.get(key).is_some_and(|shared| shared == value.get());
            if !carried && !shared && !except.contains(&key) {
                rest.put(&format!("{prefix}{key}"), value);
            }
        }
        rest
    }

    fn assistant<E>(
        &mut self,
        line: &Members<'_>,
        totals: &mut Totals,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        let Some(message) = line.object("message") else {
            return Ok(());
        };
        let id = message.id("id").unwrap_or_else(|| line_id(line, out.line));
        if self.current.as_ref().is_none_or(|current| current.id != id) {
            self.flush(out)?;
            self.current = None;
        }
        let blocks = Blocks::of(&message);
        let rest = self.rest(line, "", &[]);
        let (generation, first) = self.generations.entry(&id);
        generation.lines = generation.lines.saturating_add(1);

        let mut attributes = Attributes::default();
        if first {
            attributes = rest;
            attributes.put_rest("message.", &message, &MESSAGE_CARRIED);
        } else {
            // The first tool call of a line has the line's own members.
            let rest = rest.finish().filter(|_| !blocks.iter().any(Block::is_tool_use));
            let mut beside = Attributes::default();
            beside.put_rest("", &message, &MESSAGE_CARRIED);
            attributes.put_some(&nth_key("line", generation.lines), rest);
            attributes.put_some(&nth_key("message", generation.lines), beside.finish());
        }
        generation.content(&blocks, &mut attributes);

        let tokens = message.object("usage").map(|usage| counted(&usage));
        if let Some(tokens) = tokens {
            let before = generation.tokens.replace(tokens).unwrap_or_default();
            totals.tokens = totals.tokens.minus(&before).plus(&tokens);
        }
        let tokens = generation.tokens;

        let model = message.text("model");
        if first {
            totals.generations += 1;
            let started = SpanStarted {
                model: model.clone().map(|id| Model { model_id: Some(id), ..Model::new() }),
                attributes: attributes.payload(),
                ..SpanStarted::new(id.as_str(), SpanKind::Generation, "generation")
            };
            out.emit(started)?;
        } else {
            out.attributes(&id, attributes)?;
        }
        // Messages of Claude Code itself, about errors for instance, name a model like `<synthetic>`.
        if let Some(model) = model.filter(|model| !model.starts_with('<')) {
            self.naming.model(&model, out)?;
        }

        let mut rest = Some(self.rest(line, "", &[]));
        for block in blocks.iter() {
            match &block.kind {
                Kind::Text(text) => out.emit(SpanText::new(id.as_str(), Text(Payload::json(text.get()))))?,
                Kind::ToolUse => self.tool_use(block, &id, rest.take().unwrap_or_default(), totals, out)?,
                Kind::ToolResult => self.tool_result(block, Attributes::default(), totals, out)?,
                Kind::Thinking(_) | Kind::Other => {}
            }
        }

        let error = line.flag("isApiErrorMessage").then(|| blocks.text());
        let current = self.current.get_or_insert(Current::new(id));
        current.unsaid = true;
        current.last = out.now;
        current.tokens = tokens;
        current.error = error.or(current.error.take());
        if let Some(usage) = message.get("usage") {
            current.usage = Some(usage.get().to_owned());
        }
        if let Some(reason) = message.text("stop_reason") {
            current.finish_reason = Some(reason.into_owned());
        }
        Ok(())
    }

    fn tool_use<E>(
        &mut self,
        block: &Block<'_>,
        generation: &str,
        mut attributes: Attributes,
        totals: &mut Totals,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        let call_id = block.members.id("id");
        let id = call_id
            .clone()
            .unwrap_or_else(|| bounded_id(&format!("{generation}#{}-{}", out.line, block.place)));
        let (_, new) = self.tools.entry(&id);
        totals.tools += u64::from(new);
        attributes.put_rest("call.", &block.members, &["id", "type", "name", "input"]);
        out.emit(SpanStarted {
            parent_span_id: Some(generation.into()),
            input: block.members.get("input").map(|input| Payload::json(input.get())),
            attributes: attributes.payload(),
            call_id: call_id.map(Into::into),
            ..SpanStarted::new(id.as_str(), SpanKind::Tool, block.members.text("name").unwrap_or_default())
        })
    }

    fn tool_result<E>(
        &mut self,
        block: &Block<'_>,
        mut attributes: Attributes,
        totals: &mut Totals,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        let Some(id) = block.members.id("tool_use_id") else {
            // Whose result it is, nobody can say.
            return out.note("claude-code.tool_result", Payload::json(block.raw.get()));
        };
        let failed = block.members.flag("is_error");
        let (tool, new) = self.tools.entry(&id);
        if new {
            totals.tools += 1;
            out.emit(SpanStarted {
                call_id: Some(id.as_str().into()),
                ..SpanStarted::new(id.as_str(), SpanKind::Tool, "")
            })?;
        }
        if !std::mem::replace(&mut tool.ended, true) {
            totals.failed_tools += u64::from(failed);
        }
        let known = ["type", "tool_use_id", "content", "is_error"];
        attributes.put_rest("result.", &block.members, &known);
        let content = block.members.get("content");
        out.emit(SpanEnded {
            status: failed.then_some(SpanStatus::Error),
            status_message: content
                .filter(|_| failed)
                .map(|content| Blocks::of_content(content).text())
                .filter(|message| !message.is_empty())
                .map(Into::into),
            output: content.map(|content| Payload::json(content.get())),
            attributes: attributes.payload(),
            ..SpanEnded::new(id.as_str())
        })
    }

    fn user<E>(&mut self, line: &Members<'_>, totals: &mut Totals, out: &mut Out<'_, E>) -> Result<(), E> {
        let Some(message) = line.object("message") else {
            return Ok(());
        };
        let blocks = Blocks::of(&message);
        let mut said: Vec<&Block<'_>> = Vec::new();
        let mut results = 0_u32;
        for block in blocks.iter() {
            if !matches!(block.kind, Kind::ToolResult) {
                said.push(block);
                continue;
            }
            results += 1;
            // A line's own members belong to its result; with several, to the first.
            let attributes = if results == 1 { self.result_attributes(line) } else { Attributes::default() };
            self.tool_result(block, attributes, totals, out)?;
        }
        if said.is_empty() {
            return Ok(());
        }
        let carried_by_result: &[&str] = match results {
            0 => &[],
            _ => &["toolUseResult", "sourceToolAssistantUUID"],
        };
        let mut attributes = self.rest(line, "", carried_by_result);
        attributes.put_rest("message.", &message, &["role", "content"]);
        let id = line_id(line, out.line);
        out.emit(Span {
            input: Some(input(&said)),
            attributes: attributes.payload(),
            ..Span::new(id, SpanKind::UserMessage, "user", out.now, out.now)
        })?;
        // What Claude Code says in the user's name is not what the session is about.
        if line.flag("isMeta") || line.flag("isCompactSummary") {
            return Ok(());
        }
        self.naming.said(|| blocks.text().into(), out)
    }

    /// The members of a line that brings a tool's result. The span has `uuid` and others from its call already.
    fn result_attributes(&self, line: &Members<'_>) -> Attributes {
        let own = ["toolUseResult", "sourceToolAssistantUUID"];
        let mut attributes = self.rest(line, "result.", &own);
        for key in own {
            if let Some(value) = line.get(key) {
                attributes.put(key, value);
            }
        }
        if let Some(agent_id) = line.object("toolUseResult").and_then(|result| result.id("agentId")) {
            attributes.put_text("subagentSession", &format!("agent-{agent_id}"));
        }
        attributes
    }

    /// The progress of a sub-agent says which call started it.
    fn progress<E>(&mut self, line: &Members<'_>, out: &mut Out<'_, E>) -> Result<(), E> {
        let agent_id = line.object("data").and_then(|data| data.id("agentId"));
        let (Some(agent_id), Some(call_id)) = (agent_id, line.id("parentToolUseID")) else {
            return Ok(());
        };
        let Some(tool) = self.tools.get_mut(&call_id) else {
            return Ok(());
        };
        if std::mem::replace(&mut tool.linked, true) {
            return Ok(());
        }
        let mut link = Attributes::default();
        link.put_text("subagentSession", &format!("agent-{agent_id}"));
        out.attributes_aside(&call_id, link)
    }
}

impl Generation {
    /// What the content says that neither streamed text nor tool spans carry.
    fn content(&mut self, blocks: &Blocks<'_>, attributes: &mut Attributes) {
        for block in blocks.iter() {
            self.blocks = self.blocks.saturating_add(1);
            let beside = |known: &[&str]| {
                let mut beside = Attributes::default();
                beside.put_rest("", &block.members, known);
                beside.finish()
            };
            match block.kind {
                Kind::Thinking(thinking) => {
                    self.thinking = self.thinking.saturating_add(1);
                    attributes.put(&nth_key("thinking", self.thinking), thinking);
                    attributes
                        .put_some(&nth_key("thinkingBlock", self.thinking), beside(&["type", "thinking"]));
                }
                Kind::Text(_) => {
                    attributes.put_some(&format!("textBlock.{}", self.blocks), beside(&["type", "text"]));
                }
                Kind::Other => attributes.put(&format!("content.{}", self.blocks), block.raw),
                Kind::ToolUse | Kind::ToolResult => {}
            }
        }
    }
}

/// The tokens of a call. Claude Code does not tell reasoning from output.
fn counted(usage: &Members<'_>) -> TokenCounts {
    TokenCounts {
        input: usage.count("input_tokens"),
        output: usage.count("output_tokens"),
        reasoning: 0,
        cache_read: usage.count("cache_read_input_tokens"),
        cache_write: usage.count("cache_creation_input_tokens"),
    }
}

fn line_id(line: &Members<'_>, number: u64) -> String {
    line.id("uuid").unwrap_or_else(|| format!("line-{number}"))
}
