//! The conversation of a session, as a list of messages: what was said by whom, and which tools each turn called.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use tracewal::Event;
use tracewal_format::event::{Payload, SpanKind};
use tracewal_format::json::{write_payload, write_str};

/// What a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// The session's prompt.
    Prompt,
    /// The span with this number.
    Span(u32),
    /// The event, loss or crash at this position of the log.
    Entry(usize),
}

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) of: Of,
    /// The numbers of the tools that it called.
    pub(crate) tools: Vec<u32>,
}

/// The messages, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Chat {
    messages: Vec<Message>,
    /// The messages of crash slots, behind the others.
    slots: usize,
    /// The message of a generation, by its number.
    of_generation: HashMap<u32, u32>,
    /// The last generation under a parent.
    last_under: HashMap<Option<u32>, u32>,
    has_user: bool,
    /// Of the prompt, as JSON: an embedder may record it again as what the user said.
    prompt: Option<u64>,
    hasher: RandomState,
}

impl Chat {
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn get(&self, position: usize) -> Option<&Message> {
        self.messages.get(position)
    }

    pub(crate) fn forget_slots(&mut self) {
        self.messages.truncate(self.messages.len() - self.slots);
        self.slots = 0;
    }

    fn push(&mut self, of: Of) -> Option<u32> {
        self.messages.push(Message { of, tools: Vec::new() });
        u32::try_from(self.messages.len() - 1).ok()
    }

    pub(crate) fn gap(&mut self, entry: usize) {
        self.push(Of::Entry(entry));
    }

    pub(crate) fn slot(&mut self, entry: usize) {
        self.push(Of::Entry(entry));
        self.slots += 1;
    }

    /// An event that is not about a span.
    pub(crate) fn event(&mut self, entry: usize, event: &Event<'_>) {
        let is_shown = match event {
            Event::SessionStarted(e) => {
                self.prompted(e.metadata.as_ref().and_then(|metadata| metadata.prompt.as_deref()));
                false
            }
            Event::Metadata(e) => {
                self.prompted(e.prompt.as_deref());
                false
            }
            // What an importer keeps of lines that it does not know has names with a dot.
            Event::Note(e) => !e.name.contains('.'),
            Event::RunStarted(_) => entry > 1,
            Event::Crashed(_) | Event::SessionEnded(_) | Event::LifecycleBegun(_) => true,
            _ => false,
        };
        if is_shown {
            self.push(Of::Entry(entry));
        }
    }

    fn prompted(&mut self, prompt: Option<&str>) {
        let Some(prompt) = prompt.filter(|_| self.prompt.is_none() && !self.has_user) else { return };
        let mut json = Vec::new();
        write_str(prompt, &mut json);
        self.prompt = Some(self.hasher.hash_one(&json));
        self.push(Of::Prompt);
    }

    /// A span has started.
    pub(crate) fn span(
        &mut self,
        number: u32,
        parent: Option<u32>,
        kind: SpanKind,
        input: Option<&Payload<'_>>,
    ) {
        match kind {
            SpanKind::Generation => {
                if let Some(message) = self.push(Of::Span(number)) {
                    self.of_generation.insert(number, message);
                    self.last_under.insert(parent, message);
                }
            }
            SpanKind::Tool => {
                let of_parent = parent.and_then(|parent| self.of_generation.get(&parent));
                let message = of_parent.or_else(|| self.last_under.get(&parent)).copied();
                let message = message.or_else(|| self.push(Of::Span(number)));
                let message = message.and_then(|message| usize::try_from(message).ok());
                if let Some(message) = message.and_then(|message| self.messages.get_mut(message)) {
                    message.tools.push(number);
                }
            }
            SpanKind::UserMessage => {
                self.has_user = true;
                let mut json = Vec::new();
                input.into_iter().for_each(|input| {
                    write_payload(input, &mut json);
                });
                // Said once, shown once.
                if self.prompt.take_if(|prompt| *prompt == self.hasher.hash_one(&json)).is_none() {
                    self.push(Of::Span(number));
                }
            }
            SpanKind::Text => {
                self.push(Of::Span(number));
            }
            SpanKind::Session | SpanKind::Span => {}
        }
    }
}
