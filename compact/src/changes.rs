//! Which spans may be shown differently than they were: so that those in front of them need not be written again.

use crate::fold::Fold;
use crate::ids::{SpanNo, at};
use crate::places::Place;
use crate::spans::{Flag, NONE, Spans};

/// What has happened to spans that had been met before, since this was last forgotten.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The first event of the first span that an event was about.
    from: Option<Place>,
    /// There are spans with the flag [`LATE`](Flag::LATE).
    pub(crate) late: bool,
}

impl Changes {
    /// The span that begins at `first` may be shown differently.
    pub(crate) fn note(&mut self, first: Place) {
        self.from = Some(self.from.map_or(first, |from| from.min(first)));
    }
}

/// How things stood that are not said by a span's own events, and decide how it is shown.
#[derive(Debug)]
pub(crate) struct Standing {
    root: (SpanNo, String),
    /// By run.
    interruptions: Vec<Option<String>>,
}

/// How far spans are shown as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unchanged {
    /// None of them.
    None,
    /// Those that begin before this place.
    Before(Place),
    /// All of them.
    All,
}

impl Unchanged {
    /// Whether the span that begins at `first` is shown as it was.
    pub(crate) fn covers(self, first: Place) -> bool {
        match self {
            Unchanged::None => false,
            Unchanged::Before(place) => first < place,
            Unchanged::All => true,
        }
    }
}

impl Fold {
    /// From here on changes count.
    pub(crate) fn forget_changes(&mut self) -> Standing {
        if std::mem::take(&mut self.spans.changes).late {
            self.spans.rows_mut().iter_mut().for_each(|row| row.clear(Flag::LATE));
        }
        Standing {
            root: (self.root, self.summary().root_span_id.clone()),
            interruptions: self.interruptions(),
        }
    }

    fn interruptions(&self) -> Vec<Option<String>> {
        let text = |position| self.runs.interruption(position).map(|(time, why)| format!("{time:?} {why}"));
        (0..self.runs.count_all()).map(text).collect()
    }

    /// How far spans are shown as they were when things stood like this, but for what they say of each other.
    pub(crate) fn unchanged_since(&self, before: &Standing) -> Unchanged {
        if (self.root, &self.summary().root_span_id) != (before.root.0, &before.root.1) {
            return Unchanged::None;
        }
        let mut from = self.spans.changes.from;
        let mut note = |row| {
            let first = self.spans.first(row);
            from = from.into_iter().chain(first).min();
        };
        if self.spans.changes.late {
            // Until then the root stood for them.
            self.spans.rows().iter().filter(|row| self.spans.has_late_parent(row)).for_each(&mut note);
        }
        let interruptions = self.interruptions();
        let is_closed_otherwise = |run| {
            interruptions.get(at(run)).and_then(Option::as_ref)
                != before.interruptions.get(at(run)).and_then(Option::as_ref)
        };
        let runs: Vec<bool> = (0..self.runs.count_all()).map(is_closed_otherwise).collect();
        if runs.contains(&true) {
            let is_open =
                |row: &&crate::spans::Row| row.end().is_none() && runs.get(at(row.run)) == Some(&true);
            self.spans.rows().iter().filter(is_open).for_each(&mut note);
        }
        from.map_or(Unchanged::All, Unchanged::Before)
    }
}

impl Spans {
    fn has_late_parent(&self, row: &crate::spans::Row) -> bool {
        row.parent != NONE
            && row.parent != self.root()
            && self.row(row.parent).is_some_and(|parent| parent.has(Flag::LATE))
    }
}
