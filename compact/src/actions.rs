//! Which lifecycle actions are open, as the log goes on.

use std::collections::{BTreeMap, HashMap};

use tracewal_engine::guard::Guard;
use tracewal_format::event::Event;

/// The lifecycle actions that the run being read has begun and not ended.
#[derive(Debug, Default)]
pub(crate) struct OpenActions {
    by_order: BTreeMap<u64, String>,
    by_id: HashMap<String, u64>,
    begun: u64,
}

impl OpenActions {
    pub(crate) fn add(&mut self, event: &Event<'_>) {
        match event {
            Event::LifecycleBegun(e) => {
                self.end(&e.action_id);
                self.begun += 1;
                self.by_order.insert(self.begun, e.action_id.clone().into_owned());
                self.by_id.insert(e.action_id.clone().into_owned(), self.begun);
            }
            Event::LifecycleEnded(e) => self.end(&e.action_id),
            _ => (),
        }
    }

    fn end(&mut self, id: &str) {
        if let Some(order) = self.by_id.remove(id) {
            self.by_order.remove(&order);
        }
    }

    /// The one that was begun last: actions nest, and the nearest covers what happens.
    pub(crate) fn nearest(&self) -> Option<&str> {
        let nearest = if Guard::NearestAction.is_off() {
            self.by_order.first_key_value()
        } else {
            self.by_order.last_key_value()
        };
        nearest.map(|(_, id)| id.as_str())
    }

    /// Another run goes on writing: the actions of a process end with it. Returns the one that was nearest.
    pub(crate) fn leave_run(&mut self) -> Option<String> {
        let nearest = self.nearest().map(str::to_owned);
        self.by_order.clear();
        self.by_id.clear();
        nearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracewal_format::event::{LifecycleBegun, LifecycleEnded};

    #[test]
    fn the_nearest_open_action_wins() {
        let mut actions = OpenActions::default();
        let begin = |id: &'static str| LifecycleBegun::new(id, "shutdown").into();
        let end = |id: &'static str| LifecycleEnded::new(id).into();
        for event in [begin("a"), begin("b"), begin("c"), end("c"), end("a"), end("x")] {
            actions.add(&event);
        }
        assert_eq!(actions.nearest(), Some("b"));
        actions.add(&begin("a"));
        assert_eq!(actions.leave_run().as_deref(), Some("a"));
        assert_eq!(actions.nearest(), None);
    }
}
