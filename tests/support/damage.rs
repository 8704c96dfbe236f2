//! Damaged logs: what may happen to their bytes, and an oracle that says what a reader has to make of it. The oracle knows where each
//! record of the sound log is and compares bytes; it decodes none (SPEC.md section 7).

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use tracewal_format::log::{Item, LogReader, LogSource, Loss, LossKind, Memory, Reading, segment_file};

use super::random::Random;
use super::wal::{FIRST_RECORD, Files, Record, Segment, State, states};

/// A log without damage.
#[derive(Debug)]
pub(crate) struct Sound {
    pub(crate) files: Files,
    segments: Vec<Segment>,
    /// The events that name a crash slot: run, slot, and the event's number.
    named: Vec<(u32, u32, u64)>,
}

/// How a damaged log was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    /// Events that were shown.
    pub(crate) shown: u64,
    /// Events that were reported as missing.
    pub(crate) reported: u64,
    /// Events that nothing speaks of any more: the log may as well have ended before them.
    pub(crate) unknowable: u64,
}

/// What a reader said.
#[derive(Debug, Default)]
struct Said {
    /// Number, kind and body.
    events: Vec<(u64, u8, Vec<u8>)>,
    /// Run, number, and whether it was valid.
    slots: Vec<(u32, u32, bool)>,
    losses: Vec<Loss>,
}

impl Sound {
    /// A log of these files; of these `named` crash slots (run, slot) the event with this number speaks.
    pub(crate) fn new(files: Files, named: Vec<(u32, u32, u64)>) -> Self {
        let segments = files.iter().map(|(number, bytes)| Segment::walk(*number, bytes)).collect();
        Sound { files, segments, named }
    }

    /// The sound events: number, kind and body.
    pub(crate) fn events(&self) -> impl Iterator<Item = (u64, u8, &[u8])> {
        self.segments.iter().flat_map(|segment| {
            let events = segment.records.iter().filter(|record| record.is_event());
            events.map(|record| (record.seq, record.kind, &self.files[&segment.number][record.body.clone()]))
        })
    }

    /// The crash slots that are claimed: run, number, and whether they are valid.
    pub(crate) fn slots(&self) -> Vec<(u32, u32, bool)> {
        let slots = |segment: &Segment| {
            let slots = segment.slots(&self.files[&segment.number]).into_iter();
            slots.map(|(slot, is_valid)| (segment.run, slot, is_valid)).collect::<Vec<_>>()
        };
        self.segments.iter().flat_map(slots).collect()
    }

    /// The first and the last offset of the records of one segment.
    pub(crate) fn records(&self, number: u64) -> (usize, usize) {
        let segment = self.segments.iter().find(|segment| segment.number == number).unwrap();
        (FIRST_RECORD, segment.end)
    }

    /// Reads the log as `damaged`, and says what is wrong about what its reader says.
    pub(crate) fn judge(&self, damaged: &Files) -> Result<Verdict, String> {
        let said = read(damaged)?;
        let states = states(damaged);
        let looks: Vec<Look<'_>> = self
            .segments
            .iter()
            .filter(|segment| states.get(&segment.number) == Some(&State::Readable))
            .map(|segment| Look {
                segment,
                sound: &self.files[&segment.number],
                damaged: &damaged[&segment.number],
            })
            .collect();
        let verdict = self.judge_events(&looks, &said)?;
        whole_files(damaged, &states, &said)?;
        for look in &looks {
            look.judge_places(&said)?;
        }
        self.judge_slots(&looks, &said)?;
        Ok(verdict)
    }

    /// Every event of which each byte is there is shown, as it was; every other one that anything speaks of is reported missing.
    fn judge_events(&self, looks: &[Look<'_>], said: &Said) -> Result<Verdict, String> {
        let mut intact = BTreeMap::new();
        for look in looks {
            for record in look.records().filter(|record| record.is_event() && look.keeps(record)) {
                intact.insert(record.seq, (record.kind, &look.sound[record.body.clone()]));
            }
        }
        let mut last = 0;
        for (seq, kind, body) in &said.events {
            ensure(*seq > last, || format!("event {seq} comes behind {last}"))?;
            last = *seq;
            let sound = intact
                .get(seq)
                .ok_or_else(|| format!("event {seq} is shown, and its bytes are not intact"))?;
            ensure(*sound == (*kind, body), || format!("event {seq} is not what was appended"))?;
        }
        let shown: BTreeSet<u64> = said.events.iter().map(|(seq, ..)| *seq).collect();
        let hidden = intact.keys().find(|seq| !shown.contains(seq));
        ensure(hidden.is_none(), || format!("event {hidden:?} is intact and not shown"))?;

        let end = self.segments.iter().flat_map(|segment| &segment.records).map(|record| record.seq).max();
        let known = looks.iter().filter_map(Look::knows_through).max().unwrap_or(0);
        let gone: BTreeSet<u64> = (1..end.unwrap_or(0) + 1).filter(|seq| !shown.contains(seq)).collect();
        // A log record may stand behind the last event, with the number of the next.
        let gone: BTreeSet<u64> = gone.into_iter().filter(|seq| self.has_number(*seq)).collect();
        let expected: BTreeSet<u64> = gone.iter().copied().filter(|seq| *seq <= known).collect();
        let mut reported = BTreeSet::new();
        for (first, last) in said.losses.iter().filter_map(|loss| loss.missing) {
            for seq in first..=last {
                ensure(reported.insert(seq), || format!("event {seq} is reported twice"))?;
            }
        }
        ensure(reported == expected, || format!("missing: {expected:?}, and reported: {reported:?}"))?;
        let count = |set: &BTreeSet<u64>| u64::try_from(set.len()).unwrap();
        Ok(Verdict {
            shown: count(&shown),
            reported: count(&reported),
            unknowable: count(&gone) - count(&reported),
        })
    }

    /// Whether an event, or a gap in front of one, has this number.
    fn has_number(&self, seq: u64) -> bool {
        let events =
            self.segments.iter().flat_map(|segment| &segment.records).filter(|record| record.is_event());
        events.map(|record| record.seq).max().is_some_and(|last| seq <= last)
    }

    fn judge_slots(&self, looks: &[Look<'_>], said: &Said) -> Result<(), String> {
        let is_named = |run, slot| {
            let names = |(of, number, seq): &(u32, u32, u64)| {
                (*of, *number) == (run, slot) && said.events.iter().any(|event| event.0 == *seq)
            };
            self.named.iter().any(names)
        };
        let mut expected = Vec::new();
        for look in looks {
            let run = look.segment.run;
            let slots = look.segment.slots(look.damaged).into_iter();
            expected.extend(
                slots
                    .map(|(slot, is_valid)| (run, slot, is_valid))
                    .filter(|(run, slot, _)| !is_named(*run, *slot)),
            );
        }
        ensure(said.slots == expected, || format!("crash slots: {expected:?}, and shown: {:?}", said.slots))
    }
}

/// A segment that can be read, as it was and as it is.
struct Look<'a> {
    segment: &'a Segment,
    sound: &'a [u8],
    damaged: &'a [u8],
}

impl<'a> Look<'a> {
    fn records(&self) -> impl DoubleEndedIterator<Item = &'a Record> + use<'a> {
        self.segment.records.iter()
    }

    fn is_same(&self, from: usize, to: usize) -> bool {
        self.damaged.get(from..to) == Some(&self.sound[from..to])
    }

    fn keeps(&self, record: &Record) -> bool {
        self.is_same(record.start, record.end)
    }

    /// Whether the header is as it was, and the file is long enough for what it says.
    fn keeps_header(&self, record: &Record) -> bool {
        self.is_same(record.start, record.start + 24) && record.end <= self.damaged.len()
    }

    fn is_sealed(&self) -> bool {
        self.segment.keeps_seal(self.sound, self.damaged)
    }

    fn bound(&self) -> usize {
        if self.is_sealed() { self.segment.end } else { self.segment.capacity }
    }

    /// What says that there was something at the end, if not a record.
    fn has_an_end(&self) -> bool {
        self.is_sealed() || self.damaged.len() < self.bound()
    }

    /// The last event's number that this segment gives away: by a header behind it, a mark, a seal, or its own first number.
    fn knows_through(&self) -> Option<u64> {
        let headers: Vec<&Record> = self.records().filter(|record| self.keeps_header(record)).collect();
        let behind = headers.iter().map(|record| record.seq - 1);
        let marks = headers.iter().filter(|record| self.keeps(record)).filter_map(|record| record.mark);
        let seal = self.segment.sealed.filter(|_| self.is_sealed());
        // The last record of which the header checks says of itself that it is there, if it cannot be an append that was cut off.
        let last =
            headers.last().filter(|record| record.is_event() && (self.keeps(record) || self.has_an_end()));
        behind
            .chain(marks)
            .chain(seal)
            .chain(last.map(|record| record.seq))
            .chain([self.segment.first_seq - 1])
            .max()
    }

    /// Each place that is bad is reported, and no other: in the header page exactly, among the records around them.
    fn judge_places(&self, said: &Said) -> Result<(), String> {
        let file = segment_file(self.segment.number);
        let size = u64::try_from(self.damaged.len()).unwrap();
        let of_file = said.losses.iter().filter(|loss| loss.file == file && loss.length > 0);
        let losses: Vec<(u64, u64, LossKind)> =
            of_file.map(|loss| (loss.offset, loss.length, loss.kind)).collect();
        ensure(!losses.iter().any(|(at, length, _)| (*at, *length) == (0, size)), || {
            format!("{file} is given up")
        })?;
        let page = losses.iter().filter(|(at, ..)| *at < 4096).map(|(at, length, _)| (*at, *length));
        let (page, expected) =
            (page.collect::<Vec<_>>(), self.segment.bad_places_of_the_page(self.sound, self.damaged));
        ensure(page == expected, || {
            format!("{file}: places of the page: {expected:?}, and reported: {page:?}")
        })?;

        let places: Vec<(usize, usize, LossKind)> = losses
            .iter()
            .filter(|(at, ..)| *at >= 4096)
            .map(|(at, length, kind)| (at_usize(*at), at_usize(at + length), *kind))
            .collect();
        for record in self.records().filter(|record| self.keeps(record)) {
            let over = places.iter().find(|(from, to, _)| *from < record.end && record.start < *to);
            ensure(over.is_none(), || format!("{file}: {over:?} is reported, and {record:?} is intact"))?;
        }
        let tail = self.tail();
        for record in self.records().filter(|record| record.start < tail && !self.keeps(record)) {
            let around = places.iter().any(|(from, to, _)| *from <= record.start && record.end <= *to);
            ensure(around, || format!("{file}: {record:?} is damaged, and not in a place that is reported"))?;
        }
        let behind: Vec<_> = places.iter().filter(|(from, ..)| *from >= tail).collect();
        if self.has_an_end() {
            let expected = (tail < self.bound()).then_some((tail, self.bound()));
            let found = behind.first().map(|(from, to, _)| (*from, *to));
            return ensure(behind.len() <= 1 && found == expected, || {
                format!("{file}: the rest from {tail} on: {expected:?}, and reported: {behind:?}")
            });
        }
        let rest = &self.damaged[tail.min(self.damaged.len())..];
        let is_torn = rest.iter().take(8).any(|byte| *byte != 0);
        let end =
            tail + rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1).next_multiple_of(8);
        let found: Vec<_> = behind.iter().map(|(from, to, _)| (*from, *to)).collect();
        let expected = if is_torn { vec![(tail, end)] } else { Vec::new() };
        ensure(found == expected, || format!("{file}: torn at {expected:?}, and reported: {behind:?}"))
    }

    /// Where nothing follows that checks.
    fn tail(&self) -> usize {
        let Some(last) = self.records().rfind(|record| self.keeps_header(record)) else {
            return FIRST_RECORD;
        };
        if self.keeps(last) || self.has_an_end() { last.end.next_multiple_of(8) } else { last.start }
    }
}

/// Files that cannot be read as a segment of this log, and numbers that have none.
fn whole_files(damaged: &Files, states: &BTreeMap<u64, State>, said: &Said) -> Result<(), String> {
    let mut expected = BTreeSet::new();
    let mut next = 1;
    for (number, bytes) in damaged {
        if *number > next {
            expected.insert((segment_file(next), 0, false));
        }
        next = number + 1;
        let size = u64::try_from(bytes.len()).unwrap();
        match states[number] {
            State::Unreadable => drop(expected.insert((segment_file(*number), size, false))),
            State::TooNew => drop(expected.insert((segment_file(*number), size, true))),
            State::Unborn | State::Readable => {}
        }
    }
    for (file, length, is_too_new) in expected {
        let mut of_file = said.losses.iter().filter(|loss| loss.file == file);
        let loss = of_file.next().ok_or_else(|| format!("{file} is not reported"))?;
        ensure(of_file.next().is_none(), || format!("{file} is reported more than once"))?;
        let right =
            loss.offset == 0 && loss.length == length && (loss.kind == LossKind::TooNew) == is_too_new;
        ensure(right, || format!("{file} of {length} bytes is reported as {loss:?}"))?;
    }
    Ok(())
}

fn at_usize(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn read(files: &Files) -> Result<Said, String> {
    let segments = files.iter().map(|(number, bytes)| (*number, bytes.as_slice())).collect();
    let size = files.values().map(Vec::len).sum::<usize>();
    let Ok(mut log) = LogReader::new(Counting::new(Memory::new(segments), size), Reading::Whole);
    let mut said = Said::default();
    loop {
        match log.next() {
            Ok(None) => return Ok(said),
            Ok(Some(Item::Event(entry))) => said.events.push((entry.seq, entry.kind, entry.body.to_vec())),
            Ok(Some(Item::Slot(slot))) => said.slots.push((slot.run, slot.slot, slot.content.is_some())),
            Ok(Some(Item::Loss(loss))) => said.losses.push(loss),
            Ok(Some(Item::DurableMark(_) | Item::Poison(_) | Item::LogRecord(_))) => {}
        }
        // Each thing that is said has at least a place of eight bytes of its own, but for what is missing.
        let things = said.events.len() + said.slots.len() + said.losses.len();
        ensure(things <= size / 8 + 64, || format!("{things} things in {size} bytes"))?;
    }
}

/// I11: counts what a reader asks for, and stops one that has no end.
pub(crate) struct Counting<S> {
    source: S,
    /// The log's size in bytes.
    size: usize,
    calls: usize,
}

impl<S> Counting<S> {
    pub(crate) fn new(source: S, size: usize) -> Self {
        Counting { source, size, calls: 0 }
    }

    fn count(&mut self, len: usize) {
        self.calls += 1;
        // No more than three calls for the eight bytes that a thing takes at least, nor more bytes at once than there are.
        assert!(self.calls <= 3 * self.size / 8 + 1024, "{} calls for {} bytes", self.calls, self.size);
        assert!(len <= self.size.max(64 * 1024), "{len} bytes are asked for at once, of {}", self.size);
    }
}

impl<S: LogSource<Error = Infallible>> LogSource for Counting<S> {
    type Error = Infallible;

    fn segments(&mut self) -> Result<Vec<u64>, Infallible> {
        self.count(0);
        self.source.segments()
    }

    fn select(&mut self, number: u64) -> Result<Option<u64>, Infallible> {
        self.count(0);
        self.source.select(number)
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<&[u8], Infallible> {
        self.count(len);
        self.source.read(offset, len)
    }
}

/// Changes bytes in up to four places: zeros, ones, noise, flipped bits, or a copy of other bytes of the log.
pub(crate) fn corrupt(sound: &Sound, random: &mut Random) -> Files {
    let mut files = sound.files.clone();
    for _ in 0..=random.below(4) {
        let number = pick(random, &files);
        let (first, end) = sound.records(number);
        let size = files[&number].len();
        let length = [1, 2, 8, 24, 64, 512, 4096][below(random, 7)];
        let at = match random.below(4) {
            0 => below(random, FIRST_RECORD),
            1 => below(random, size),
            _ => first + below(random, end - first + 32),
        };
        let length = (1 + below(random, length)).min(size.saturating_sub(at));
        let from = pick(random, &files);
        let source = &files[&from];
        let start = below(random, source.len().saturating_sub(length).max(1));
        let copy = source[start..start + length.min(source.len() - start)].to_vec();
        let how = random.below(5);
        let file = files.get_mut(&number).unwrap();
        for (n, byte) in file[at..at + length].iter_mut().enumerate() {
            *byte = match how {
                0 => 0,
                1 => 0xFF,
                2 => random.next().to_le_bytes()[0],
                3 => *byte ^ 1 << (random.next() % 8),
                _ => copy.get(n).copied().unwrap_or(*byte),
            };
        }
    }
    if random.below(16) == 0 {
        let number = pick(random, &files);
        let file = files.get_mut(&number).unwrap();
        file.truncate(below(random, file.len()));
    }
    files
}

fn below(random: &mut Random, limit: usize) -> usize {
    usize::try_from(random.below(u64::try_from(limit).unwrap())).unwrap()
}

fn pick(random: &mut Random, files: &Files) -> u64 {
    *files.keys().nth(below(random, files.len())).unwrap()
}
