//! What stands in `message.content` and in the content of a tool's result.

use serde_json::value::RawValue;
use tracewal_format::event::Payload;

use super::json::{Members, is_string, items, text};

/// The content of a message or of a tool's result: a string, or an array of blocks.
pub(super) struct Blocks<'a>(Vec<Block<'a>>);

pub(super) struct Block<'a> {
    /// Its place in the array.
    pub(super) place: usize,
    pub(super) raw: &'a RawValue,
    pub(super) members: Members<'a>,
    pub(super) kind: Kind<'a>,
}

pub(super) enum Kind<'a> {
    Text(&'a RawValue),
    Thinking(&'a RawValue),
    /// `tool_use`, and what providers run themselves: `server_tool_use`, `mcp_tool_use`.
    ToolUse,
    /// `tool_result`, `web_search_tool_result` and the like.
    ToolResult,
    Other,
}

impl<'a> Blocks<'a> {
    pub(super) fn of(message: &Members<'a>) -> Self {
        message.get("content").map_or(Blocks(Vec::new()), Self::of_content)
    }

    pub(super) fn of_content(content: &'a RawValue) -> Self {
        let blocks = match items(content) {
            Some(blocks) => blocks,
            None => vec![content],
        };
        Blocks(blocks.into_iter().enumerate().map(Block::of).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Block<'a>> {
        self.0.iter()
    }

    /// Its texts, decoded, one per line.
    pub(super) fn text(&self) -> String {
        let texts: Vec<_> = self
            .iter()
            .filter_map(|block| match block.kind {
                Kind::Text(raw) => text(raw),
                _ => None,
            })
            .collect();
        texts.join("\n")
    }
}

impl<'a> Block<'a> {
    fn of((place, raw): (usize, &'a RawValue)) -> Self {
        let members = Members::parse(raw.get()).unwrap_or_default();
        let string = |key: &str| members.get(key).filter(|value| is_string(value));
        let kind = match members.text("type").as_deref() {
            _ if is_string(raw) => Kind::Text(raw),
            Some("text") => string("text").map_or(Kind::Other, Kind::Text),
            Some("thinking") => string("thinking").map_or(Kind::Other, Kind::Thinking),
            Some(kind) if kind.ends_with("tool_use") => Kind::ToolUse,
            Some(kind) if kind.ends_with("tool_result") => Kind::ToolResult,
            _ => Kind::Other,
        };
        Block { place, raw, members, kind }
    }

    pub(super) fn is_tool_use(&self) -> bool {
        matches!(self.kind, Kind::ToolUse)
    }
}

/// What the user said: the string if it is one, else the array of what was said, in the spelling of the line.
pub(super) fn input(said: &[&Block<'_>]) -> Payload<'static> {
    if let [only] = said
        && let Kind::Text(text) = only.kind
        && only.members.iter().count() <= 2
    {
        return Payload::owned_json(text.get());
    }
    let blocks: Vec<&str> = said.iter().map(|block| block.raw.get()).collect();
    Payload::owned_json(format!("[{}]", blocks.join(",")))
}
