//! Reading a log once.

use std::collections::BTreeSet;

use tracewal_format::event::{Event, SessionStarted, Tokens};
use tracewal_format::log::{Entry, Item, LogReader, LogSource, SlotEntry};
use tracewal_format::time::Time;

use crate::actions::{Cover, OpenActions};
use crate::crashes::{Crash, Crashes};
use crate::facts::Facts;
use crate::ids::SpanNo;
use crate::incident::{Close, CloseKind, Gathered, Now};
use crate::places::Places;
use crate::runs::Runs;
use crate::spans::Spans;
use crate::summary::{Status, Summary, merge_metadata};
use crate::usage::tokens_at;

/// What is kept of a log that has been read: bounded by the number of its spans and events, not by what is in them.
///
/// ```
/// use tracewal_compact::{Fold, Status};
/// use tracewal_format::log::{LogReader, Memory, Reading};
///
/// let Ok(mut log) = LogReader::new(Memory::new(vec![]), Reading::Whole);
/// let Ok(fold) = Fold::of(&mut log);
/// assert_eq!(fold.summary().status, Status::Running);
/// ```
#[derive(Debug, Default)]
pub struct Fold {
    pub(crate) places: Places,
    pub(crate) spans: Spans,
    pub(crate) runs: Runs,
    pub(crate) root: SpanNo,
    crashes: Crashes,
    actions: OpenActions,
    gathered: Gathered,
    current_run: Option<u32>,
    trace_id: Option<String>,
    root_span_id: Option<String>,
    name: Option<String>,
    times: Option<(Time, Time)>,
    summary: Summary,
}

impl Fold {
    /// Reads a log from where it stands, which should be its beginning, to its end.
    ///
    /// # Errors
    /// The source's.
    pub fn of<S: LogSource>(log: &mut LogReader<S>) -> Result<Self, S::Error> {
        let mut fold = Fold::default();
        fold.read_on(log)?;
        Ok(fold)
    }

    /// Reads what has been written since, with the reader that the fold was made with, after its
    /// [`refresh`](LogReader::refresh).
    ///
    /// # Errors
    /// The source's. The fold has then read a part, and goes on behind it.
    pub fn read_on<S: LogSource>(&mut self, log: &mut LogReader<S>) -> Result<(), S::Error> {
        self.read_on_with(log, |_, _| true).map(|_| ())
    }

    /// The same for one who keeps more than the fold does, or has not the time to read to the end: `seen` is given everything that is
    /// read, when the fold has taken it in, and says whether to go on. `false`: it said no; what is behind is read after the next refresh.
    ///
    /// # Errors
    /// Those of [`read_on`](Self::read_on).
    pub fn read_on_with<S: LogSource>(
        &mut self,
        log: &mut LogReader<S>,
        mut seen: impl FnMut(&Self, &Item<'_>) -> bool,
    ) -> Result<bool, S::Error> {
        self.crashes.forget_slots();
        let mut is_whole = true;
        while is_whole && let Some(item) = log.next()? {
            match &item {
                Item::Event(entry) => self.add(entry),
                Item::Loss(loss) => {
                    if loss.missing.is_some() {
                        self.gathered.loss();
                    }
                    self.summary.losses.push(loss.clone());
                }
                Item::Slot(slot) => self.add_slot(slot),
                Item::DurableMark(_) | Item::Poison(_) | Item::LogRecord(_) => (),
            }
            is_whole = seen(self, &item);
        }
        self.finish(log);
        self.add_up(log)?;
        Ok(is_whole)
    }

    /// How the session stands.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Whether run `number` has an ending or a crash record.
    #[must_use]
    pub fn has_ended(&self, number: u32) -> bool {
        self.runs.has_ended(number)
    }

    /// Roughly how many bytes it takes.
    pub(crate) fn footprint(&self) -> usize {
        self.spans.footprint() + 2048
    }

    fn add(&mut self, entry: &Entry<'_>) {
        self.summary.events += 1;
        let first = self.times.map_or(entry.time, |(first, _)| first);
        self.times = Some((first, entry.time));
        let event = entry.event().and_then(Result::ok);
        let crash = match &event {
            Some(Event::Crashed(e)) => {
                Some((Crash::new(e, entry.time, e.run.unwrap_or(entry.run), e.slot), e.action_id.as_deref()))
            }
            _ => None,
        };
        let is_about_another = crash.as_ref().is_some_and(|(crash, _)| crash.run != entry.run);
        let position = self.runs.count(entry.run, entry.time, is_about_another);
        self.enter_run(entry.run);
        if let Some((crash, named)) = crash {
            self.add_crash(Crash { seq: Some(entry.seq), ..crash }, named, entry.run);
        }
        let (Some(event), Some(position)) = (event, position) else {
            return;
        };
        self.actions.add(&event, entry.seq);
        self.runs.add(position, (entry.seq, entry.time), &event, &self.actions);
        if matches!(event, Event::SessionEnded(_) | Event::RunEnded(_)) {
            self.runs.ended_at(position, self.places.place(entry.segment, entry.offset));
        }
        let now = |spans| Now { seq: entry.seq, actions: &self.actions, spans };
        match &event {
            Event::SessionStarted(e) => self.add_session(e),
            Event::Metadata(e) => merge_metadata(&mut self.summary.metadata, e),
            _ => {
                let Some(facts) = Facts::of(&event, entry.time) else {
                    self.gathered.event(&event, &now(&self.spans));
                    return;
                };
                if let Some(place) = self.places.place(entry.segment, entry.offset)
                    && let Some(added) = self.spans.add(place, position, &facts)
                    && let Some(row) = self.spans.row(added.span)
                {
                    self.gathered.span(&added, &facts, row, &now(&self.spans));
                }
            }
        }
    }

    fn enter_run(&mut self, run: u32) {
        if self.current_run == Some(run) {
            return;
        }
        let cover = self.actions.leave_run();
        if let Some(left) = self.current_run.replace(run) {
            self.runs.set_cover(left, cover.clone());
        }
        self.gathered.enter_run(run, cover);
    }

    fn add_crash(&mut self, mut crash: Crash, named: Option<&str>, recorded_in: u32) {
        crash.cover = if crash.run == recorded_in {
            self.actions.cover(named)
        } else {
            let open = self.runs.cover_of(crash.run).cloned();
            match named.map(Cover::named) {
                Some(named) => open.filter(|open| open.id == named.id).or(Some(named)),
                None => open,
            }
        };
        self.runs.crashed(crash.run, &crash.reason);
        self.gathered.crash(&crash, recorded_in);
        self.crashes.add(crash);
    }

    /// A slot stands for a crash record, unless it only tells of a signal that the program handles itself.
    fn add_slot(&mut self, slot: &SlotEntry) {
        if let Event::Crashed(e) = slot.event() {
            let mut crash = Crash::new(&e, slot.time, slot.run, Some(slot.slot));
            crash.cover = if self.current_run == Some(slot.run) {
                self.actions.cover(None)
            } else {
                self.runs.cover_of(slot.run).cloned()
            };
            self.runs.crashed_by_slot(crash.run, &crash.reason);
            self.crashes.add_slot(crash);
        }
    }

    fn add_session(&mut self, event: &SessionStarted<'_>) {
        let keep = |kept: &mut Option<String>, text: Option<&str>| {
            if kept.is_none() {
                *kept = text.map(str::to_owned);
            }
        };
        keep(&mut self.trace_id, event.trace_id.as_deref());
        keep(&mut self.root_span_id, event.root_span_id.as_deref());
        keep(&mut self.name, event.name.as_deref());
        if let Some(metadata) = &event.metadata {
            merge_metadata(&mut self.summary.metadata, metadata);
        }
    }

    /// Settles what only the whole log decides.
    fn finish<S: LogSource>(&mut self, log: &LogReader<S>) {
        let (mut uid, mut base) = (0, Time::default());
        self.summary.generation = log.headers().map(|header| header.generation).max().unwrap_or(0);
        if let Some(header) = log.headers().next() {
            uid = header.session_uid;
            base = Time::from_ns(i128::from(header.wall_base_ns));
            self.summary.session_id.clone_from(&header.session_id);
        }
        self.summary.last_seq = log.next_seq().saturating_sub(1);
        self.summary.trace_id = self.trace_id.clone().unwrap_or_else(|| format!("{uid:032x}"));
        self.summary.name = self.name.clone().unwrap_or_else(|| self.summary.session_id.clone());
        self.summary.root_span_id = self.root_span_id.clone().unwrap_or_else(|| self.free_root_id());
        self.root = self.spans.set_root(&self.summary.root_span_id);
        self.spans.find_cycles(self.root);

        let (first, last) = self.times.unwrap_or((base, base));
        self.summary.started_at = first;
        self.summary.decide(self.crashes.first(), self.runs.session_end(), last);
        self.summary.crashes = self.crashes.count();
        self.summary.runs = self.runs.shown();
        self.explain();
        let runs = &self.runs;
        self.summary.count(&self.spans, self.root, |run| runs.interruption(run).is_none());
    }

    /// Why it stopped.
    fn explain(&mut self) {
        let crash = self.summary.crash.as_ref();
        let deciding = crash.map_or_else(|| self.runs.deciding(), |crash| Some(crash.run));
        let root = self.root;
        // Open when their own run ended: what is said of them behind that is clean-up.
        let open = self.spans.iter().filter(|(span, row)| {
            let ending = self.runs.ending_at(row.run);
            *span != root
                && ending.is_some_and(|ending| {
                    row.start().is_some_and(|start| start < ending)
                        && row.end().is_none_or(|end| end > ending)
                })
        });
        let cut_short: BTreeSet<u32> = open.map(|(_, row)| row.run).collect();
        let is_cut_short =
            |run: u32| self.runs.position(run).is_some_and(|position| cut_short.contains(&position));
        let incidents =
            self.gathered.incidents(crash, self.crashes.slots(), deciding, &self.actions, is_cut_short);
        let ending = match (crash, self.runs.session_end(), self.runs.left()) {
            (Some(crash), ..) => Some((CloseKind::Crashed, crash.cover.as_ref())),
            (None, Some(end), _) => Some((CloseKind::SessionEnded, end.cover.as_ref())),
            (None, None, Some(cover)) => Some((CloseKind::RunEnded, cover)),
            (None, None, None) => None,
        };
        let is_completed = self.summary.status == Status::Completed;
        self.summary.close = ending.and_then(|(kind, cover)| {
            Close::of(kind, is_completed, cover.cloned(), incidents.terminal.as_ref())
        });
        self.summary.incidents = incidents;
    }

    /// Adds up what the spans used.
    fn add_up<S: LogSource>(&mut self, log: &mut LogReader<S>) -> Result<(), S::Error> {
        self.spans.settle_costs();
        self.spans.usage.subtract_replaced(&self.places, log)?;
        let own = self.spans.row(self.root).and_then(|row| self.spans.tokens(row));
        let own = match own {
            Some(place) => tokens_at(place, &self.places, log)?,
            None => None,
        };
        let [input, output, reasoning, cache_read, cache_write] = self.spans.usage.tokens(own);
        self.summary.tokens = Tokens::new(input, output, reasoning, cache_read, cache_write);
        self.summary.total_cost = self.spans.usage.cost(self.root);
        Ok(())
    }

    /// An id for the root, when the log gives none, that no span has.
    fn free_root_id(&self) -> String {
        let is_span = |id: &str| {
            let row = self.spans.ids.find(id).and_then(|span| self.spans.row(span));
            row.is_some_and(|row| row.start().is_some())
        };
        let mut id = "root".to_owned();
        let mut number = 2_u64;
        while is_span(&id) {
            id = format!("root-{number}");
            number += 1;
        }
        id
    }
}
