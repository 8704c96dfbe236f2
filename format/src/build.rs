//! Builds a segment in memory, record by record: for repair, and for tests that need a log just so.

use crate::checksum::Salted;
use crate::event::{Event, Gap};
use crate::record::{self, Frame, RECORD_HEADER, Stamp, align, write_record};
use crate::segment::{
    CLAIM, CLAIMS_AT, HEADER_COPY_AT, HEADER_PAGE, Header, SEAL_AT, SLOT_LEN, SLOTS_AT, Seal, Slot,
};
use crate::time::Time;

/// A segment that grows in memory. Its header's `capacity` is set when it is finished.
#[derive(Clone, Debug)]
pub struct SegmentBuilder {
    header: Header,
    salted: Salted,
    bytes: Vec<u8>,
    seq_delta: u32,
    claims: u32,
    sealed: bool,
}

impl SegmentBuilder {
    /// A segment with this header and no record.
    #[must_use]
    pub fn new(header: Header) -> Self {
        let salted = Salted::new(header.salt);
        let page = usize::try_from(HEADER_PAGE).unwrap_or(0);
        SegmentBuilder { header, salted, bytes: vec![0; page], seq_delta: 0, claims: 0, sealed: false }
    }

    /// The sequence number that the next event gets.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.header.first_seq + u64::from(self.seq_delta)
    }

    /// Where the next record goes: also the length in bytes so far.
    #[must_use]
    pub fn end(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    /// Appends an event.
    pub fn event(&mut self, time: Time, event: &Event<'_>) -> &mut Self {
        let mut body = vec![0; event.encoded_len()];
        // The buffer has the counted length.
        let _fits = event.encode_into(&mut body);
        self.body(time, event.kind(), 0, &body)
    }

    /// Appends an event as the bytes of its body. Kinds of the log itself take no sequence number.
    pub fn body(&mut self, time: Time, kind: u8, flags: u8, body: &[u8]) -> &mut Self {
        let stamp = Stamp::new(time, self.header.wall_base_ns);
        let start = self.bytes.len();
        self.bytes.resize(start + RECORD_HEADER + stamp.body_len() + body.len(), 0);
        let frame = Frame {
            salted: &self.salted,
            offset: u64::try_from(start).unwrap_or(u64::MAX),
            kind,
            flags,
            seq_delta: self.seq_delta,
            stamp,
        };
        if let Some(record) = self.bytes.get_mut(start..) {
            let word = write_record(record, &frame, body.len(), |to| to.write(body));
            if let (Some(word), Some(to)) = (word, record.get_mut(..8)) {
                to.copy_from_slice(&word);
            }
        }
        let end = usize::try_from(align(self.end())).unwrap_or(usize::MAX);
        self.bytes.resize(end, 0);
        if kind < record::FIRST_LOG_KIND {
            self.seq_delta += 1;
        }
        self
    }

    /// Appends a durable mark.
    pub fn durable_mark(&mut self, through: u64) -> &mut Self {
        let base = Time::from_ns(i128::from(self.header.wall_base_ns));
        self.body(base, record::DURABLE_MARK, 0, &through.to_le_bytes())
    }

    /// Appends a gap: these events are lost, and the next event is the one behind them.
    pub fn gap(&mut self, gap: &Gap<'_>) -> &mut Self {
        let base = Time::from_ns(i128::from(self.header.wall_base_ns));
        if let Ok(body) = gap.encode_body() {
            self.body(base, record::GAP, 0, &body);
            if gap.first <= gap.last {
                let behind = gap.last.saturating_add(1).saturating_sub(self.header.first_seq);
                self.seq_delta = u32::try_from(behind).unwrap_or(u32::MAX);
            }
        }
        self
    }

    /// Fills the next crash slot.
    pub fn slot(&mut self, slot: &Slot<'_>) -> &mut Self {
        let bytes = slot.encode(&self.salted, self.claims);
        let at =
            usize::try_from(SLOTS_AT).unwrap_or(0) + usize::try_from(self.claims).unwrap_or(0) * SLOT_LEN;
        self.put(at, &bytes);
        self.claim()
    }

    /// Claims a crash slot without filling it.
    pub fn claim(&mut self) -> &mut Self {
        self.claims += 1;
        let word = self.claims.wrapping_mul(CLAIM);
        self.put(usize::try_from(CLAIMS_AT).unwrap_or(0), &word.to_le_bytes());
        self
    }

    /// Seals the segment behind what it has.
    pub fn seal(&mut self) -> &mut Self {
        self.sealed = true;
        self
    }

    /// The segment's bytes, `spare` zeros longer than its records.
    #[must_use]
    pub fn finish(mut self, spare: usize) -> Vec<u8> {
        let seal = Seal { count: u64::from(self.seq_delta), last_seq: self.next_seq() - 1, end: self.end() };
        self.bytes.resize(self.bytes.len() + spare, 0);
        self.header.capacity = self.end();
        let header = self.header.encode();
        self.put(0, &header);
        self.put(usize::try_from(HEADER_COPY_AT).unwrap_or(0), &header);
        if self.sealed {
            let seal = seal.encode(&self.salted);
            self.put(usize::try_from(SEAL_AT).unwrap_or(0), &seal);
        }
        self.bytes
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(to) = self.bytes.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }
}
