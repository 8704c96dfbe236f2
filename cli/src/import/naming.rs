//! What people call a session: its title, what was asked, and the model, from what the lines say in passing.

use std::borrow::Cow;

use tracewal_format::event::Metadata;

use super::out::Out;

/// How long a title may be, in characters.
const TITLE_LIMIT: usize = 80;

/// What a session's metadata has already.
#[derive(Default)]
pub(super) struct Naming {
    has_model: bool,
    has_prompt: bool,
    has_summary: bool,
}

impl Naming {
    /// The first model is that of the session.
    pub(super) fn model<E>(&mut self, model: &str, out: &mut Out<'_, E>) -> Result<(), E> {
        if std::mem::replace(&mut self.has_model, true) {
            return Ok(());
        }
        out.metadata(Metadata { model: Some(model.into()), ..Metadata::new() })
    }

    /// The tool itself says what the session is about: the last word counts.
    pub(super) fn summary<E>(
        &mut self,
        summary: Option<Cow<'_, str>>,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        let Some(summary) = summary.map(|s| title(&s)).filter(|summary| !summary.is_empty()) else {
            return Ok(());
        };
        self.has_summary = true;
        out.metadata(Metadata { title: Some(summary.into()), ..Metadata::new() })
    }

    /// The first thing that the user said is the prompt, and a title as long as there is no better one. A slash command is said
    /// too; the output of local commands, and that the user interrupted something, is not.
    pub(super) fn said<'a, E>(
        &mut self,
        prompt: impl FnOnce() -> Cow<'a, str>,
        out: &mut Out<'_, E>,
    ) -> Result<(), E> {
        if self.has_prompt {
            return Ok(());
        }
        let prompt = prompt();
        if prompt.trim().is_empty()
            || prompt.starts_with("<local-command-")
            || prompt.starts_with("[Request interrupted by user")
        {
            return Ok(());
        }
        self.has_prompt = true;
        let title = match command(&prompt) {
            Some(command) => title(&command),
            None => title(&prompt),
        };
        out.metadata(Metadata {
            title: (!self.has_summary).then(|| title.into()),
            prompt: Some(prompt),
            ..Metadata::new()
        })
    }
}

/// The first line of a text that says something.
fn title(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let title: String = line.unwrap_or_default().chars().take(TITLE_LIMIT).collect();
    title.trim_end().to_owned()
}

/// A slash command as it was typed. Claude Code writes `<command-name>/review</command-name> ... <command-args>42</command-args>`.
fn command(prompt: &str) -> Option<String> {
    let between = |tag: &str| {
        let (_, rest) = prompt.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once(&format!("</{tag}>"))?.0.trim())
    };
    let name = between("command-name").filter(|_| prompt.starts_with("<command-"))?;
    Some(format!("{name} {}", between("command-args").unwrap_or_default()))
}
