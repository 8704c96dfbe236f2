//! Which lifecycle actions are open, as the log goes on, and what is known of them.

use std::sync::Arc;

use tracewal_engine::label::label;
use tracewal_engine::nesting::Nesting;
use tracewal_format::event::{Event, LifecycleBegun};

/// A lifecycle action, as far as anybody may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: String,
    /// Who began it: `server-handler`, `config`, `cli`, `runtime` or `unknown`. `None`: nobody said.
    pub source: Option<&'static str>,
    /// By which operation.
    pub operation: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The action that it is a part of.
    pub parent: Option<String>,
    /// Whether that one was open when this one began.
    pub parent_is_known: bool,
    /// The sequence number of its beginning.
    pub seq: u64,
}

const SOURCES: [&str; 5] = ["server-handler", "config", "cli", "runtime", "unknown"];

impl Action {
    fn of(event: &LifecycleBegun<'_>, seq: u64, parent_is_known: bool) -> Self {
        let shown = |text: Option<&str>| text.map(|text| label(text).to_owned());
        let origin = event.origin.as_ref();
        Action {
            id: label(&event.action_id).to_owned(),
            kind: label(&event.kind).to_owned(),
            source: origin.map(|origin| {
                let known = SOURCES.into_iter().find(|source| *source == origin.source);
                known.unwrap_or("unknown")
            }),
            operation: shown(origin.and_then(|origin| origin.operation.as_deref())),
            reason: shown(origin.and_then(|origin| origin.reason.as_deref())),
            parent: shown(event.parent_action_id.as_deref()),
            parent_is_known,
            seq,
        }
    }
}

/// What covers an ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// The action's id.
    pub id: String,
    /// `None`: the ending names it, and it was not open.
    pub action: Option<Arc<Action>>,
}

impl Cover {
    /// An action that is named, and of which nothing is known.
    pub(crate) fn named(id: &str) -> Self {
        Cover { id: label(id).to_owned(), action: None }
    }
}

/// The lifecycle actions that the run being read has begun and not ended.
#[derive(Debug, Default)]
pub(crate) struct OpenActions(Nesting<Arc<Action>>);

impl OpenActions {
    pub(crate) fn add(&mut self, event: &Event<'_>, seq: u64) {
        match event {
            Event::LifecycleBegun(e) => {
                let parent_is_known =
                    e.parent_action_id.as_deref().is_some_and(|id| self.0.get(id).is_some());
                self.0.begin(&e.action_id, Arc::new(Action::of(e, seq, parent_is_known)));
            }
            Event::LifecycleEnded(e) => self.0.end(&e.action_id),
            _ => (),
        }
    }

    /// The innermost one.
    pub(crate) fn innermost(&self) -> Option<&Arc<Action>> {
        self.0.innermost().map(|(_, action)| action)
    }

    /// What covers an ending that names this action, or none.
    pub(crate) fn cover(&self, named: Option<&str>) -> Option<Cover> {
        match named {
            Some(id) => Some(Cover { action: self.0.get(id).cloned(), ..Cover::named(id) }),
            None => {
                self.innermost().map(|action| Cover { id: action.id.clone(), action: Some(action.clone()) })
            }
        }
    }

    /// Another run goes on writing: the actions of a process end with it. Returns what was innermost.
    pub(crate) fn leave_run(&mut self) -> Option<Cover> {
        let cover = self.cover(None);
        self.0.clear();
        cover
    }
}
