//! A session's log, as far as the protocols look at it: the order of its records, the crash slots, and what is on stable storage.

/// The number of a run, from 1.
pub type Run = u8;

/// A record. `SessionEnded` stands for `completed` and `error`: the protocols treat both alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// The first event of a session, in run 1.
    SessionStarted,
    /// The first event of a run.
    RunStarted(Run),
    /// An event of the embedder.
    Event(Run),
    /// The session ended in order.
    SessionEnded(Run),
    /// The run was closed in order, without an ending.
    RunEnded(Run),
    /// A crash record about this run.
    Crashed(Run),
    /// The first so many records are durable.
    Mark(u8),
}

/// How a session stands (I5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It has no ending yet.
    Running,
    /// It ended in order. `error` is like it.
    Completed,
    /// It has a crash record.
    Crashed,
}

/// What somebody has seen of a log: the first `records`, and the crash slots of `slots`. Records and slots are read one after the other,
/// so this need not be what there was at any one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Look {
    /// How many records.
    pub records: u8,
    /// The runs, as bits, of which a crash slot was seen.
    pub slots: u8,
}

/// A log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Log {
    records: Vec<Record>,
    /// Runs that have a segment.
    begun: Run,
    /// Records on stable storage.
    synced: u8,
    /// Runs, as bits, with a claimed crash slot.
    slots: u8,
    /// Runs, as bits, whose slot a crash record names.
    named: u8,
}

impl Log {
    /// A new session's first segment, with what it holds when it gets its name.
    #[must_use]
    pub fn begun() -> Self {
        let records = vec![Record::SessionStarted, Record::RunStarted(1)];
        Log { records, begun: 1, ..Log::default() }
    }

    /// All that there is to be seen now.
    #[must_use]
    pub fn end(&self) -> Look {
        Look { records: self.len(), slots: self.slots }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> u8 {
        u8::try_from(self.records.len()).unwrap_or(u8::MAX)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The run of the last segment.
    #[must_use]
    pub fn last_run(&self) -> Run {
        self.begun
    }

    /// Publishes a record.
    pub fn append(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Names the first segment of the next run.
    pub fn begin_run(&mut self) {
        self.begun += 1;
    }

    /// Claims a crash slot of a run.
    pub fn claim_slot(&mut self, run: Run) {
        self.slots |= 1 << run;
    }

    /// Everything that is published is on stable storage.
    pub fn sync(&mut self) {
        self.synced = self.len();
    }

    /// The segment that recovery writes: a crash record, if there has to be one, and a mark. Synced before it has its name.
    pub fn commit_tail(&mut self, crash: Option<Run>) {
        if let Some(run) = crash {
            self.append(Record::Crashed(run));
            self.named |= self.slots & (1 << run);
        }
        self.append(Record::Mark(self.len()));
        self.sync();
    }

    fn seen(&self, look: Look) -> &[Record] {
        self.records.get(..usize::from(look.records)).unwrap_or(&self.records)
    }

    /// The one place where a status is decided (I5, SPEC.md section 11.1).
    #[must_use]
    pub fn status(&self, look: Look) -> Status {
        if self.has_crash(look) {
            Status::Crashed
        } else if self.ending(look).is_some() {
            Status::Completed
        } else {
            Status::Running
        }
    }

    /// Whether a crash record or a crash slot was seen.
    #[must_use]
    pub fn has_crash(&self, look: Look) -> bool {
        look.slots != 0 || self.seen(look).iter().any(|record| matches!(record, Record::Crashed(_)))
    }

    /// Whether there is a crash record; slots apart.
    #[must_use]
    pub fn has_crash_record(&self) -> bool {
        self.has_crash(Look { slots: 0, ..self.end() })
    }

    /// Where the ending stands that decides: of the last run with an event of the embedder.
    fn ending(&self, look: Look) -> Option<u8> {
        let seen = self.seen(look);
        let last = seen.iter().rev().find_map(|record| match record {
            Record::SessionStarted => Some(1),
            Record::Event(run) | Record::SessionEnded(run) => Some(*run),
            _ => None,
        })?;
        let at = seen.iter().rposition(|record| *record == Record::SessionEnded(last))?;
        u8::try_from(at).ok()
    }

    /// Whether a mark that was seen covers the ending that decides.
    #[must_use]
    pub fn ending_is_marked(&self, look: Look) -> bool {
        self.ending(look).is_some_and(|at| at < self.marked(look))
    }

    /// Whether the ending that decides is on stable storage in truth.
    #[must_use]
    pub fn ending_is_durable(&self, look: Look) -> bool {
        self.ending(look).is_some_and(|at| at < self.synced)
    }

    /// The highest mark that was seen.
    #[must_use]
    pub fn marked(&self, look: Look) -> u8 {
        let marks = self.seen(look).iter().map(|record| if let Record::Mark(n) = record { *n } else { 0 });
        marks.max().unwrap_or(0)
    }

    /// Whether a mark covers every event.
    #[must_use]
    pub fn is_marked_to_the_end(&self) -> bool {
        let marked = usize::from(self.marked(self.end()));
        self.records.iter().skip(marked).all(|record| matches!(record, Record::Mark(_)))
    }

    /// Whether a run has an ending or a crash record, slots included.
    #[must_use]
    pub fn has_ended(&self, look: Look, run: Run) -> bool {
        look.slots & (1 << run) != 0 || self.has_ending_record(look, run)
    }

    fn has_ending_record(&self, look: Look, run: Run) -> bool {
        let ends = |record: &Record| match record {
            Record::SessionEnded(of) | Record::RunEnded(of) | Record::Crashed(of) => *of == run,
            _ => false,
        };
        self.seen(look).iter().any(ends)
    }

    /// The last run of which an event was seen.
    #[must_use]
    pub fn last_shown_run(&self, look: Look) -> Run {
        let runs = self.seen(look).iter().map(|record| match record {
            Record::SessionStarted | Record::Mark(_) => 1,
            Record::RunStarted(run)
            | Record::Event(run)
            | Record::SessionEnded(run)
            | Record::RunEnded(run)
            | Record::Crashed(run) => *run,
        });
        runs.max().unwrap_or(1)
    }

    /// The run that recovery has to write a crash record about.
    #[must_use]
    pub fn crash_to_record(&self) -> Option<Run> {
        let run = self.begun;
        let unnamed = (self.slots & !self.named) & (1 << run) != 0;
        (unnamed || !self.has_ending_record(self.end(), run)).then_some(run)
    }

    /// How many records there are up to the last event.
    #[must_use]
    pub fn behind_last_event(&self) -> u8 {
        let last = self.records.iter().rposition(|record| !matches!(record, Record::Mark(_)));
        last.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0)
    }

    /// Whether two looks show the same session: marks are not shown.
    #[must_use]
    pub fn is_same(&self, one: Look, other: Look) -> bool {
        let (from, to) = (one.records.min(other.records), one.records.max(other.records));
        let between = self.records.get(usize::from(from)..usize::from(to)).unwrap_or_default();
        one.slots == other.slots && between.iter().all(|record| matches!(record, Record::Mark(_)))
    }

    /// How many events were seen.
    #[must_use]
    pub fn events(&self, look: Look) -> usize {
        self.seen(look).iter().filter(|record| !matches!(record, Record::Mark(_))).count()
    }

    /// How many crash records there are: events, and slots that none of them names.
    #[must_use]
    pub fn crashes(&self) -> u32 {
        let records = self.records.iter().filter(|record| matches!(record, Record::Crashed(_))).count();
        u32::try_from(records).unwrap_or(u32::MAX) + (self.slots & !self.named).count_ones()
    }
}
