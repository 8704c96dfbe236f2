//! Which lifecycle actions are open, as a log goes on: they nest, and the innermost counts (SPEC.md section 11.8).

use std::collections::{BTreeMap, HashMap};

use tracewal_format::segment::ID_MAX;

use crate::guard::Guard;

/// More open actions than this are not kept: the outermost are forgotten (I11).
const DEPTH: usize = 256;

/// The actions of one run that have begun and not ended, with what is known of each.
#[derive(Debug)]
pub struct Nesting<T> {
    by_order: BTreeMap<u64, (String, T)>,
    by_id: HashMap<String, u64>,
    begun: u64,
}

impl<T> Default for Nesting<T> {
    fn default() -> Self {
        Nesting { by_order: BTreeMap::new(), by_id: HashMap::new(), begun: 0 }
    }
}

impl<T> Nesting<T> {
    /// An action begins. One of the same id that is open is over. (What is longer than an id may be is none.)
    pub fn begin(&mut self, id: &str, known: T) {
        if id.len() > ID_MAX {
            return;
        }
        self.end(id);
        self.begun += 1;
        self.by_order.insert(self.begun, (id.to_owned(), known));
        self.by_id.insert(id.to_owned(), self.begun);
        if self.by_order.len() > DEPTH
            && let Some((_, (outermost, _))) = self.by_order.pop_first()
        {
            self.by_id.remove(&outermost);
        }
    }

    /// An action is over.
    pub fn end(&mut self, id: &str) {
        if let Some(order) = self.by_id.remove(id) {
            self.by_order.remove(&order);
        }
    }

    /// The one that was begun last: it covers what happens.
    #[must_use]
    pub fn innermost(&self) -> Option<(&str, &T)> {
        let innermost = if Guard::NearestAction.is_off() {
            self.by_order.first_key_value()
        } else {
            self.by_order.last_key_value()
        };
        innermost.map(|(_, (id, known))| (id.as_str(), known))
    }

    /// The open action with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&T> {
        self.by_order.get(self.by_id.get(id)?).map(|(_, known)| known)
    }

    /// Another run goes on writing: the actions of a process end with it.
    pub fn clear(&mut self) {
        self.by_order.clear();
        self.by_id.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_open_action_wins() {
        let mut open = Nesting::default();
        for (number, id) in ["a", "b", "c"].into_iter().enumerate() {
            open.begin(id, number);
        }
        for id in ["c", "a", "x"] {
            open.end(id);
        }
        assert_eq!(open.innermost(), Some(("b", &1)));
        assert_eq!((open.get("b"), open.get("a")), (Some(&1), None));
        open.begin("a", 7);
        assert_eq!(open.innermost(), Some(("a", &7)));
        open.clear();
        assert_eq!(open.innermost(), None);
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut open = Nesting::default();
        for number in 0..100_000 {
            open.begin(&number.to_string(), number);
        }
        assert_eq!(open.by_order.len(), DEPTH);
        assert_eq!(open.by_id.len(), DEPTH);
        for number in (99_000..100_000).rev() {
            open.end(&number.to_string());
        }
        assert_eq!(open.innermost(), None);
    }
}
