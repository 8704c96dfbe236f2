//! Who is whose parent, judged over the whole log.

use crate::ids::SpanNo;
use crate::spans::{Flag, NONE, Spans};

impl Spans {
    /// The parent that an event gave, if it is a span that the log knows, or the root.
    fn given_parent(&self, span: SpanNo, root: SpanNo) -> Option<SpanNo> {
        let parent = self.row(span).filter(|_| span != root)?.parent;
        (parent == root || self.row(parent).is_some_and(|row| row.start().is_some())).then_some(parent)
    }

    /// A span's parent in the trace: the root for unknown parents, spans that are their own ancestors, and none given.
    pub(crate) fn parent(&self, span: SpanNo, root: SpanNo) -> SpanNo {
        let in_cycle = self.row(span).is_some_and(|row| row.has(Flag::IN_CYCLE));
        self.given_parent(span, root).filter(|_| !in_cycle).unwrap_or(root)
    }

    /// Finds the spans that are their own ancestors, if that may have changed. Every span is walked over at most three times.
    pub(crate) fn find_cycles(&mut self, root: SpanNo) {
        if !std::mem::take(&mut self.relinked) {
            return;
        }
        let numbers = 0..SpanNo::try_from(self.len()).unwrap_or(NONE);
        self.note_cycles();
        for row in self.rows_mut() {
            row.clear(Flag::IN_CYCLE);
            row.clear(Flag::WALKED);
            row.clear(Flag::DONE);
        }
        for from in numbers {
            let met = self.walk(from, root, Flag::WALKED, |row| row.has(Flag::WALKED) || row.has(Flag::DONE));
            // What was met again on the same walk is in a cycle; what an earlier walk has done is not.
            if let Some(met) = met.filter(|met| self.row(*met).is_some_and(|row| !row.has(Flag::DONE))) {
                self.walk(met, root, Flag::IN_CYCLE, |row| row.has(Flag::IN_CYCLE));
            }
            self.walk(from, root, Flag::DONE, |row| row.has(Flag::DONE));
        }
        self.note_cycles();
    }

    /// Spans in cycles may be in none behind a new search, and the other way round.
    fn note_cycles(&mut self) {
        let in_cycles = self.rows().iter().filter(|row| row.has(Flag::IN_CYCLE));
        let first = in_cycles.filter_map(|row| self.first(row)).min();
        first.into_iter().for_each(|first| self.changes.note(first));
    }

    /// Sets a flag on a span and its ancestors, up to one where `stop` holds, which it returns.
    fn walk(
        &mut self,
        from: SpanNo,
        root: SpanNo,
        flag: Flag,
        stop: impl Fn(&crate::spans::Row) -> bool,
    ) -> Option<SpanNo> {
        let mut next = Some(from);
        while let Some(span) = next {
            let row = self.row_mut(span)?;
            if stop(row) {
                return Some(span);
            }
            row.set(flag);
            next = self.given_parent(span, root);
        }
        None
    }
}
