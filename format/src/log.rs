//! Reading a session's log: which events there are, in which order, and what is lost (SPEC.md section 7).
//!
//! The log is read through a [`LogSource`], so this works on files, on memory, and on whatever a test makes up.

use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;

use crate::checksum::{Salted, crc};
use crate::event::{Event, Gap, Malformed};
use crate::record::{self, RECORD_HEADER, RecordHeader, align};
use crate::segment::{
    CLAIMS_AT, HEADER_COPY_AT, HEADER_LEN, HEADER_PAGE, Header, HeaderError, NUMBER_MAX, SEAL_AT, SEAL_LEN,
    SLOT_LEN, SLOTS, SLOTS_AT, Seal, Slot, claimed_slots, slot_time,
};
use crate::time::Time;

mod items;
mod search;
mod segments;
mod source;

pub use items::{Entry, Item, Loss, LossKind, Reading, SlotEntry};
use segments::{Content, Readable, Segment};
pub use segments::{segment_file, segment_number};
pub use source::{LogSource, Memory};

#[derive(Clone, Debug)]
struct BadPlace {
    /// The segment, if it is one that can be read.
    segment: Option<u64>,
    file: String,
    offset: u64,
    length: u64,
    kind: LossKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Enter,
    Records,
    Tail,
    Slots,
    Done,
}

/// Reads a log from its first event to its last.
#[derive(Debug)]
pub struct LogReader<S> {
    source: S,
    reading: Reading,
    segments: Vec<Segment>,
    uid: u128,
    phase: Phase,
    index: usize,
    position: u64,
    next: u64,
    durable: u64,
    highest_mark: Option<u64>,
    bad: Vec<BadPlace>,
    ready: VecDeque<Loss>,
    slots: VecDeque<SlotEntry>,
    named_slots: HashSet<(u32, u32)>,
    /// The run of the last event and its time; those of the runs before it.
    last_time: (u32, Time),
    last_times: HashMap<u32, Time>,
    last_end: Option<(u64, u64, u64)>,
    /// The end of a live log has been reached; a refresh goes on from there.
    paused: bool,
    /// What had been delivered before the last refresh. Recovery may have copied it into a segment that is new since.
    refreshed: u64,
}

/// What one step found, without borrowing from the source.
enum Step {
    Loss(Loss),
    Record { offset: u64, header: RecordHeader, seq: u64 },
    Slot(SlotEntry),
    End,
}

impl<S: LogSource> LogReader<S> {
    /// Opens the log for reading from its first event.
    ///
    /// # Errors
    /// The source's.
    pub fn new(source: S, reading: Reading) -> Result<Self, S::Error> {
        let mut reader = LogReader {
            source,
            reading,
            segments: Vec::new(),
            uid: 0,
            phase: Phase::Enter,
            index: 0,
            position: 0,
            next: 1,
            durable: 0,
            highest_mark: None,
            bad: Vec::new(),
            ready: VecDeque::new(),
            slots: VecDeque::new(),
            named_slots: HashSet::new(),
            last_time: (0, Time::default()),
            last_times: HashMap::new(),
            last_end: None,
            paused: false,
            refreshed: 0,
        };
        reader.load()?;
        Ok(reader)
    }

    /// Where it is read from.
    pub fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// The headers of the segments that can be read, in order.
    pub fn headers(&self) -> impl Iterator<Item = &Header> {
        self.segments.iter().filter_map(Segment::readable).map(|readable| &readable.header)
    }

    /// The seal of a segment, if it has one.
    #[must_use]
    pub fn seal(&self, number: u64) -> Option<Seal> {
        self.segments.iter().find(|s| s.number == number)?.readable()?.seal
    }

    /// The highest sequence number that a delivered mark says was durable.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// The sequence number that is expected next: one more than the last event, delivered or lost.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// The highest segment number that is there, readable or not; 0 when there is none.
    #[must_use]
    pub fn last_segment(&self) -> u64 {
        self.segments.last().map_or(0, |s| s.number)
    }

    /// The number of the first segment that only a newer version can read.
    #[must_use]
    pub fn too_new(&self) -> Option<u64> {
        self.segments.iter().find(|s| matches!(s.content, Content::TooNew { .. })).map(|s| s.number)
    }

    /// Begins at the first event at or behind `seq`, without reading the segments before it. Losses before it are not
    /// reported, and events before it in its segment still are delivered.
    pub fn skip_to(&mut self, seq: u64) {
        let candidate =
            self.segments.iter().rposition(|s| s.readable().is_some_and(|r| r.header.first_seq <= seq));
        if let Some((index, first)) =
            candidate.and_then(|i| Some((i, self.segments.get(i)?.readable()?.header.first_seq)))
        {
            self.index = index;
            self.next = first;
            self.phase = Phase::Enter;
        }
    }

    /// The next thing in the log; `None` at its end.
    ///
    /// # Errors
    /// The source's.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, S::Error> {
        if let Some((at, header, seq)) = self.next_at_hand() {
            return Ok(Some(Item::Event(self.take_at_hand(at, &header, seq))));
        }
        self.next_step()
    }

    /// The next record, when it is an event in its turn, as almost all are, and its bytes are at hand: what [`step`](Self::step) would
    /// find, without looking for anything else. The record, where its segment begins and its sequence number.
    #[inline(always)] // What it returns would be passed through memory.
    fn next_at_hand(&self) -> Option<(u64, RecordHeader, u64)> {
        if self.phase != Phase::Records || !self.ready.is_empty() || !self.bad.is_empty() {
            return None;
        }
        let segment = self.segments.get(self.index)?;
        let readable = segment.readable()?;
        let (at, bytes) = (self.position, self.source.at_hand(self.position));
        let header = RecordHeader::decode(bytes, &readable.salted, at)?;
        let seq = readable.header.first_seq + u64::from(header.seq_delta);
        let body = bytes.get(RECORD_HEADER..RECORD_HEADER + usize_of(header.body_len))?;
        let is_in_turn = header.is_plain_event()
            && header.end(at) <= readable.avail()
            && seq == self.next
            && seq < segment.limit
            && self.last_time.0 == readable.header.run
            && readable.salted.plain_crc(body) == header.body_crc;
        is_in_turn.then_some((at, header, seq))
    }

    #[inline(always)]
    fn take_at_hand(&mut self, at: u64, header: &RecordHeader, seq: u64) -> Entry<'_> {
        self.position = align(header.end(at));
        self.next = seq + 1;
        let of = self.segments.get(self.index);
        let of = of.and_then(|s| s.readable().map(|r| (s.number, r.header.run, r.header.wall_base_ns)));
        let (number, run, wall_base_ns) = of.unwrap_or_default();
        let body = self.source.at_hand(at + 24).get(..usize_of(header.body_len)).unwrap_or_default();
        let entry = entry((number, run), at, header, seq, body, wall_base_ns);
        self.last_time.1 = entry.time;
        entry
    }

    fn next_step(&mut self) -> Result<Option<Item<'_>>, S::Error> {
        match self.step()? {
            Step::End => Ok(None),
            Step::Loss(loss) => Ok(Some(Item::Loss(loss))),
            Step::Slot(slot) => Ok(Some(Item::Slot(slot))),
            Step::Record { offset, header, seq } => self.deliver(offset, header, seq).map(Some),
        }
    }

    /// The event whose record begins at `offset` of segment `number`, as an earlier [`Entry`] said. `None`: it is no longer
    /// there.
    ///
    /// # Errors
    /// The source's.
    pub fn entry_at(&mut self, number: u64, offset: u64) -> Result<Option<Entry<'_>>, S::Error> {
        let Ok(index) = self.segments.binary_search_by_key(&number, |s| s.number) else {
            return Ok(None);
        };
        let Some(readable) = self.segments.get(index).and_then(Segment::readable) else {
            return Ok(None);
        };
        let (salted, wall_base_ns) = (readable.salted.clone(), readable.header.wall_base_ns);
        let (run, first_seq) = (readable.header.run, readable.header.first_seq);
        let mut header = None;
        if self.source.has_selected(number) {
            // What is at hand may be as it was before the record was written.
            header = self.header_at(offset, &salted)?;
        }
        if header.is_none() {
            self.source.select(number)?;
            header = self.header_at(offset, &salted)?;
        }
        let Some(header) = header else { return Ok(None) };
        let body = self.source.read(offset + 24, usize_of(header.body_len))?;
        let seq = first_seq + u64::from(header.seq_delta);
        Ok(Some(entry((number, run), offset, &header, seq, body, wall_base_ns)))
    }

    /// The header of the record at `offset` of the segment that is read, if the record checks.
    fn header_at(&mut self, offset: u64, salted: &Salted) -> Result<Option<RecordHeader>, S::Error> {
        let Some(header) = RecordHeader::decode(self.source.read(offset, RECORD_HEADER)?, salted, offset)
        else {
            return Ok(None);
        };
        let body = self.source.read(offset + 24, usize_of(header.body_len))?;
        let checks = body.len() == usize_of(header.body_len) && salted.plain_crc(body) == header.body_crc;
        Ok(checks.then_some(header))
    }

    /// Looks again for what has been written since the end was reached.
    ///
    /// # Errors
    /// The source's.
    pub fn refresh(&mut self) -> Result<(), S::Error> {
        let (index, number) = (self.index, self.segments.get(self.index).map(|s| s.number));
        self.refreshed = self.next;
        self.load()?;
        self.index = match number {
            Some(number) => self.segments.iter().position(|s| s.number == number).unwrap_or(index),
            None => index.min(self.segments.len()),
        };
        if std::mem::take(&mut self.paused) {
            self.phase = Phase::Records;
        } else if matches!(self.phase, Phase::Tail | Phase::Slots | Phase::Done) {
            self.phase = Phase::Enter;
        }
        if let (Phase::Records, Some(number)) = (self.phase, number) {
            self.source.select(number)?;
        }
        Ok(())
    }

    fn load(&mut self) -> Result<(), S::Error> {
        // A mark may have come since.
        self.highest_mark = None;
        let mut segments = Vec::new();
        let numbers = self.source.segments()?;
        let last = numbers.last().copied();
        let mut expected = 1;
        for number in numbers {
            if number > expected {
                segments.push(Segment { number: expected, content: Content::Absent, limit: u64::MAX });
            }
            expected = number.saturating_add(1);
            let content = self.load_segment(number, Some(number) == last)?;
            segments.push(Segment { number, content, limit: u64::MAX });
        }
        // The session is the one that most headers name: a file of another session must not make the others foreign.
        let mut votes: Vec<(u128, usize)> = Vec::new();
        for readable in segments.iter().filter_map(Segment::readable) {
            match votes.iter_mut().find(|(uid, _)| *uid == readable.header.session_uid) {
                Some((_, count)) => *count += 1,
                None => votes.push((readable.header.session_uid, 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max().unwrap_or(0);
        self.uid = votes.iter().find(|(_, count)| *count == most).map_or(0, |(uid, _)| *uid);
        let mut limit = u64::MAX;
        for segment in segments.iter_mut().rev() {
            let foreign = segment
                .readable()
                .is_some_and(|r| r.header.session_uid != self.uid || r.header.number != segment.number);
            if let (true, Some(readable)) = (foreign, segment.readable()) {
                segment.content = Content::Unreadable { size: readable.size };
            }
            segment.limit = limit;
            if let Some(readable) = segment.readable() {
                limit = limit.min(readable.header.first_seq);
            }
        }
        self.segments = segments;
        Ok(())
    }

    fn load_segment(&mut self, number: u64, is_last: bool) -> Result<Content, S::Error> {
        let Some(size) = self.source.select(number)? else {
            return Ok(Content::Absent);
        };
        // What a file that is too short does not have reads as zeros.
        let mut page = vec![0; usize_of_u64(HEADER_PAGE)];
        for (to, from) in page.iter_mut().zip(self.source.read(0, usize_of_u64(HEADER_PAGE))?) {
            *to = *from;
        }
        let at = |offset: u64, len: usize| {
            let from = usize_of_u64(offset);
            page.get(from..from + len).unwrap_or_default()
        };
        let (first, copy) =
            (Header::decode(at(0, HEADER_LEN)), Header::decode(at(HEADER_COPY_AT, HEADER_LEN)));
        let mut page_damage = Vec::new();
        let mut read_at = 0;
        let header = match (first, copy) {
            (Err(HeaderError::TooNew), _) | (Err(HeaderError::Invalid), Err(HeaderError::TooNew)) => {
                return Ok(Content::TooNew { size });
            }
            (Ok(header), Ok(_)) => header,
            (Ok(header), Err(HeaderError::TooNew | HeaderError::Invalid)) => {
                page_damage.push((HEADER_COPY_AT, 512));
                header
            }
            (Err(HeaderError::Invalid), Ok(header)) => {
                page_damage.push((0, 512));
                read_at = HEADER_COPY_AT;
                header
            }
            (Err(HeaderError::Invalid), Err(HeaderError::Invalid)) => {
                let unborn = is_last && search::is_zero(&mut self.source, CLAIMS_AT)?;
                return Ok(if unborn { Content::Unborn } else { Content::Unreadable { size } });
            }
        };
        let salted = Salted::new(header.salt);
        let seal_bytes = at(SEAL_AT, SEAL_LEN);
        let first_record = Header::first_record(at(read_at, HEADER_LEN));
        let seal = Seal::decode(seal_bytes, &salted, first_record..=header.capacity);
        // The magic is stored last: without it the seal was being written.
        if seal.is_none() && seal_bytes.iter().take(8).any(|b| *b != 0) {
            page_damage.push((SEAL_AT, 64));
        }
        let mut slots = Vec::new();
        if header.run_first_segment == number {
            let word = at(CLAIMS_AT, 4).first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
            let claimed = claimed_slots(word);
            let mut uncounted = claimed.is_none();
            for slot in 0..SLOTS {
                let from = SLOTS_AT + u64::from(slot) * 512;
                let content = Slot::decode(at(from, SLOT_LEN), &salted, slot);
                let is_claimed = slot < claimed.unwrap_or(0);
                // A valid one is not there by chance: it is the word that has lost it.
                uncounted |= !is_claimed && content.is_some();
                if is_claimed || content.is_some() {
                    slots.push((slot, content));
                }
            }
            if uncounted {
                page_damage.push((CLAIMS_AT, 4));
            }
        }
        page_damage.sort_unstable();
        Ok(Content::Readable(Box::new(Readable {
            header,
            salted,
            first_record,
            seal,
            size,
            page_damage,
            slots,
        })))
    }

    fn step(&mut self) -> Result<Step, S::Error> {
        loop {
            if let Some(loss) = self.ready.pop_front() {
                return Ok(Step::Loss(loss));
            }
            match self.phase {
                Phase::Enter => self.enter_segment()?,
                Phase::Records => {
                    if let Some(step) = self.step_in_segment()? {
                        return Ok(step);
                    }
                }
                Phase::Tail => self.finish_records()?,
                Phase::Slots => match self.slots.pop_front() {
                    Some(slot) => return Ok(Step::Slot(slot)),
                    None => self.phase = Phase::Done,
                },
                Phase::Done => return Ok(Step::End),
            }
        }
    }

    fn enter_segment(&mut self) -> Result<(), S::Error> {
        let Some(segment) = self.segments.get(self.index).cloned() else {
            self.phase = Phase::Tail;
            return Ok(());
        };
        let readable = match segment.content {
            Content::Readable(ref readable) => readable,
            Content::Unborn => {
                self.index += 1;
                return Ok(());
            }
            Content::Absent => {
                self.whole_file_is_bad(&segment, 0, LossKind::Damage);
                return Ok(());
            }
            Content::Unreadable { size } => {
                self.whole_file_is_bad(&segment, size, LossKind::Damage);
                return Ok(());
            }
            Content::TooNew { size } => {
                self.whole_file_is_bad(&segment, size, LossKind::TooNew);
                return Ok(());
            }
        };
        let place = |offset, length| BadPlace {
            segment: Some(segment.number),
            file: segment.file(),
            offset,
            length,
            kind: LossKind::Damage,
        };
        // A segment that is superseded as a whole must not make the events of the copy look missing.
        let first = readable.header.first_seq.min(segment.limit);
        if first > self.next {
            self.missing(first - 1, place(HEADER_PAGE, 0))?;
        }
        let page_damage = readable.page_damage.iter().map(|(offset, length)| place(*offset, *length));
        self.ready.extend(page_damage.map(|place| place.into_loss(None)));
        self.source.select(segment.number)?;
        self.position = readable.first_record;
        self.phase = Phase::Records;
        Ok(())
    }

    fn whole_file_is_bad(&mut self, segment: &Segment, size: u64, kind: LossKind) {
        self.bad.push(BadPlace { segment: None, file: segment.file(), offset: 0, length: size, kind });
        self.index += 1;
    }

    fn leave_segment(&mut self) {
        self.index += 1;
        self.phase = Phase::Enter;
    }

    fn step_in_segment(&mut self) -> Result<Option<Step>, S::Error> {
        let Some(segment) = self.segments.get(self.index) else {
            self.leave_segment();
            return Ok(None);
        };
        let Some(readable) = segment.readable() else {
            self.leave_segment();
            return Ok(None);
        };
        let (p, avail) = (self.position, readable.avail());
        let header = RecordHeader::decode(self.source.read(p, RECORD_HEADER)?, &readable.salted, p)
            .filter(|header| header.end(p) <= avail);
        let Some(header) = header else {
            return self.no_record_here();
        };
        let seq = readable.header.first_seq + u64::from(header.seq_delta);
        let limit = segment.limit;
        if seq < self.next {
            if seq >= self.refreshed {
                let place = self.place(p, header.end(p) - p, LossKind::Damage);
                self.bad.push(place);
            }
            self.position = align(header.end(p));
            return Ok(None);
        }
        if seq > limit || (header.is_event() && seq == limit) {
            self.leave_segment();
            return Ok(None);
        }
        if seq > self.next {
            let place = self.place(p, 0, LossKind::Damage);
            self.missing(seq - 1, place)?;
            return Ok(None);
        }
        let body = self.source.read(p + 24, usize_of(header.body_len))?;
        if body.len() != usize_of(header.body_len) || crc(body) != header.body_crc {
            return self.body_does_not_check(p, &header, seq);
        }
        if !self.bad.is_empty() {
            self.flush();
            return Ok(None);
        }
        self.position = align(header.end(p));
        if header.is_event() {
            self.next = seq + 1;
            if header.flags & record::VOID != 0 {
                return Ok(None);
            }
        }
        Ok(Some(Step::Record { offset: p, header, seq }))
    }

    /// The header at `p` checks and its body does not: damage, or at the very end an append that was cut off.
    fn body_does_not_check(
        &mut self,
        p: u64,
        header: &RecordHeader,
        seq: u64,
    ) -> Result<Option<Step>, S::Error> {
        if self.is_live_end() {
            self.pause();
            return Ok(None);
        }
        let Some(readable) = self.segments.get(self.index).and_then(Segment::readable).cloned() else {
            self.leave_segment();
            return Ok(None);
        };
        let behind = align(header.end(p));
        if readable.seal.is_none()
            && readable.size >= readable.bound()
            && search::find_header(&mut self.source, behind, readable.avail(), &readable.salted)?.is_none()
        {
            return self.end_of_segment(p, &readable);
        }
        let place = self.place(p, header.end(p) - p, LossKind::Damage);
        self.position = behind;
        if header.is_event() {
            self.flush();
            self.missing(seq, place)?;
        } else {
            self.bad.push(place);
        }
        Ok(None)
    }

    /// The end for now: what the crash slots say, and then nothing until a refresh.
    fn pause(&mut self) {
        self.paused = true;
        self.flush();
        self.collect_slots();
    }

    /// Whether this is the segment that a live writer appends to: then what does not check is not there yet.
    fn is_live_end(&self) -> bool {
        self.reading == Reading::Live
            && self.index + 1 == self.segments.len()
            && self.segments.last().and_then(Segment::readable).is_some_and(|r| r.seal.is_none())
    }

    /// There is no record at the position: another one behind it, or the end of the segment.
    fn no_record_here(&mut self) -> Result<Option<Step>, S::Error> {
        if self.is_live_end() {
            self.pause();
            return Ok(None);
        }
        let Some(readable) = self.segments.get(self.index).and_then(Segment::readable).cloned() else {
            self.leave_segment();
            return Ok(None);
        };
        let p = self.position;
        if let Some(q) =
            search::find_header(&mut self.source, p.saturating_add(8), readable.avail(), &readable.salted)?
        {
            let place = self.place(p, q - p, LossKind::Damage);
            self.bad.push(place);
            self.position = q;
            return Ok(None);
        }
        self.end_of_segment(p, &readable)
    }

    fn end_of_segment(&mut self, p: u64, readable: &Readable) -> Result<Option<Step>, S::Error> {
        let bound = readable.bound();
        if readable.seal.is_some() || readable.size < bound {
            if p < bound {
                let place = self.place(p, bound - p, LossKind::Damage);
                self.bad.push(place);
            }
        } else {
            let word = self.source.read(p, 8)?;
            if word.iter().any(|b| *b != 0) {
                let end = align(search::last_nonzero(&mut self.source, p)? + 1);
                let place = self.place(p, end - p, LossKind::Torn);
                self.bad.push(place);
            }
        }
        let limit = self.segments.get(self.index).map_or(u64::MAX, |s| s.limit);
        if let Some(seal) = readable.seal {
            let last = seal.last_seq.min(limit - 1);
            if self.next <= last {
                let place = self.place(p, 0, LossKind::Damage);
                self.missing(last, place)?;
            }
        }
        self.last_end = Some((readable.header.number, p, bound.saturating_sub(p)));
        self.leave_segment();
        Ok(None)
    }

    fn finish_records(&mut self) -> Result<(), S::Error> {
        if self.next <= self.durable {
            let (number, offset, length) = self.last_end.unwrap_or_default();
            let (segment, file) = (Some(number), segment_file(number));
            let place = BadPlace { segment, file, offset, length, kind: LossKind::Damage };
            self.missing(self.durable, place)?;
        }
        self.flush();
        self.collect_slots();
        Ok(())
    }

    fn collect_slots(&mut self) {
        let mut slots = Vec::new();
        for readable in self.segments.iter().filter_map(Segment::readable) {
            let run = readable.header.run;
            let base = Time::from_ns(i128::from(readable.header.wall_base_ns));
            let last = match self.last_time {
                (last, time) if last == run => time,
                _ => self.last_times.get(&run).copied().unwrap_or(base),
            };
            for (slot, content) in &readable.slots {
                if !self.named_slots.contains(&(run, *slot)) {
                    let time = slot_time(content.as_ref(), last);
                    slots.push(SlotEntry { run, slot: *slot, time, content: content.clone() });
                }
            }
        }
        slots.sort_by_key(|s| s.run);
        self.slots = slots.into();
        self.phase = Phase::Slots;
    }

    fn deliver(&mut self, offset: u64, header: RecordHeader, seq: u64) -> Result<Item<'_>, S::Error> {
        let (number, run, wall_base_ns) = self
            .segments
            .get(self.index)
            .and_then(|s| s.readable().map(|r| (s.number, r.header.run, r.header.wall_base_ns)))
            .unwrap_or_default();
        let body = self.source.read(offset + 24, usize_of(header.body_len))?;
        let entry = entry((number, run), offset, &header, seq, body, wall_base_ns);
        if header.is_event() {
            if self.last_time.0 != run {
                let (before, time) = self.last_time;
                self.last_times.insert(before, time);
            }
            self.last_time = (run, entry.time);
            if let Some(Ok(Event::Crashed(crashed))) = (entry.kind == 15).then(|| entry.event()).flatten()
                && let Some(slot) = crashed.slot
            {
                self.named_slots.insert((crashed.run.unwrap_or(run), slot));
            }
            return Ok(Item::Event(entry));
        }
        match header.kind {
            record::DURABLE_MARK => {
                let mark = mark_of(entry.body);
                self.durable = self.durable.max(mark);
                Ok(Item::DurableMark(mark))
            }
            record::GAP => match Gap::decode_body(entry.body) {
                Ok(gap) => {
                    if gap.first == self.next && (gap.first..=NUMBER_MAX).contains(&gap.last) {
                        self.next = gap.last + 1;
                    }
                    Ok(Item::Loss(Loss::of_gap(&gap)))
                }
                Err(Malformed) => Ok(Item::LogRecord(entry)),
            },
            record::POISON => Ok(Item::Poison(mark_of(entry.body))),
            _ => Ok(Item::LogRecord(entry)),
        }
    }

    fn place(&self, offset: u64, length: u64, kind: LossKind) -> BadPlace {
        let number = self.segments.get(self.index).map_or(0, |segment| segment.number);
        BadPlace { segment: Some(number), file: segment_file(number), offset, length, kind }
    }

    /// Reports the bad places, with `next` to `last` as missing, and goes on behind `last`.
    fn missing(&mut self, last: u64, fallback: BadPlace) -> Result<(), S::Error> {
        let first = mem::replace(&mut self.next, last.saturating_add(1));
        if self.bad.is_empty() {
            self.bad.push(fallback);
        }
        for (at, mut place) in mem::take(&mut self.bad).into_iter().enumerate() {
            let missing = (at == 0).then_some((first, last));
            if missing.is_some() && place.kind != LossKind::TooNew {
                place.kind = if self.was_unsynced(place.segment, first)? {
                    LossKind::Unsynced
                } else {
                    LossKind::Damage
                };
            }
            self.ready.push_back(place.into_loss(missing));
        }
        Ok(())
    }

    /// Reports the bad places; nothing is missing.
    fn flush(&mut self) {
        self.ready.extend(self.bad.drain(..).map(|place| place.into_loss(None)));
    }

    /// Whether a power cut may have taken `first`, of this segment, because it had not been synced.
    fn was_unsynced(&mut self, segment: Option<u64>, first: u64) -> Result<bool, S::Error> {
        let Some(number) = segment else { return Ok(false) };
        let boot = self.headers().find(|header| header.number == number).map_or(0, |header| header.boot_id);
        let restarted = |header: &Header| header.number > number && ![0, boot].contains(&header.boot_id);
        Ok(boot != 0 && self.headers().any(restarted) && self.highest_mark()? < first)
    }

    /// The highest sequence number in any valid durable mark of the log.
    fn highest_mark(&mut self) -> Result<u64, S::Error> {
        if let Some(mark) = self.highest_mark {
            return Ok(mark);
        }
        let mut highest = 0;
        for at in 0..self.segments.len() {
            let Some(segment) = self.segments.get(at).cloned() else {
                break;
            };
            let Some(readable) = segment.readable() else {
                continue;
            };
            self.source.select(segment.number)?;
            let mut p = readable.first_record;
            while let Some(q) = search::find_header(&mut self.source, p, readable.avail(), &readable.salted)?
            {
                let Some(header) =
                    RecordHeader::decode(self.source.read(q, RECORD_HEADER)?, &readable.salted, q)
                else {
                    break;
                };
                if header.kind == record::DURABLE_MARK {
                    let body = self.source.read(q + 24, usize_of(header.body_len))?;
                    if crc(body) == header.body_crc {
                        let (_, body) = header.split_body(body, readable.header.wall_base_ns);
                        highest = highest.max(mark_of(body));
                    }
                }
                p = align(header.end(q));
            }
        }
        if let Some(current) = self.segments.get(self.index).map(|s| s.number) {
            self.source.select(current)?;
        }
        self.highest_mark = Some(highest);
        Ok(highest)
    }
}

impl BadPlace {
    fn into_loss(self, missing: Option<(u64, u64)>) -> Loss {
        let kind =
            if missing.is_some() && self.kind == LossKind::Torn { LossKind::Damage } else { self.kind };
        Loss { file: self.file, offset: self.offset, length: self.length, kind, was: None, missing }
    }
}

/// The sequence number in the body of a mark; 0 when it is not a mark's.
fn mark_of(body: &[u8]) -> u64 {
    let mark = <[u8; 8]>::try_from(body).map_or(0, u64::from_le_bytes);
    if mark <= NUMBER_MAX { mark } else { 0 }
}

#[inline(always)] // Passed through memory, it would be waited for.
fn entry<'a>(
    (segment, run): (u64, u32),
    offset: u64,
    header: &RecordHeader,
    seq: u64,
    body: &'a [u8],
    wall_base_ns: i64,
) -> Entry<'a> {
    let (time, body) = header.split_body(body, wall_base_ns);
    Entry { segment, offset, run, seq, time, kind: header.kind, flags: header.flags, body }
}

#[inline]
fn usize_of(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn usize_of_u64(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
