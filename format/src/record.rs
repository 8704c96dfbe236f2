//! The frame around one event (SPEC.md section 5).

use crate::checksum::Salted;
use crate::time::Time;
pub use crate::wire::Body;

/// The size of a record's header in bytes.
pub const RECORD_HEADER: usize = 24;
/// The longest body in bytes.
pub const BODY_MAX: u32 = 1 << 30;
/// The first kind that is a record of the log itself and takes no sequence number.
pub const FIRST_LOG_KIND: u8 = 224;
/// Kind of a durable mark.
pub const DURABLE_MARK: u8 = 240;
/// Kind of a gap that repair left.
pub const GAP: u8 = 241;
/// Kind of the note that a sync failed.
pub const POISON: u8 = 242;

/// Flag: a reservation that was given up; there is no event.
pub const VOID: u8 = 1;
/// Flag: the event has been replaced.
pub const REDACTED: u8 = 2;
/// Flag: the body begins with the time.
pub const EXPLICIT_TIME: u8 = 4;
/// The size of an explicit time in bytes.
pub const EXPLICIT_TIME_LEN: usize = 16;

/// Where the record behind one that ends at `end` begins.
#[must_use]
pub const fn align(end: u64) -> u64 {
    (end.saturating_add(7)) & !7
}

/// A record's time, as it fits: relative to the segment's wall base, or explicit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// 48 bits of nanoseconds from the wall base.
    Delta(i64),
    /// In the body.
    Explicit(Time),
}

impl Stamp {
    /// How a time of 64 bits is written in a segment with this wall base.
    #[must_use]
    #[inline]
    pub fn near(time_ns: i64, wall_base_ns: i64) -> Self {
        match time_ns.checked_sub(wall_base_ns) {
            Some(delta) if (-(1 << 47)..1 << 47).contains(&delta) => Stamp::Delta(delta),
            _ => Stamp::Explicit(Time::from_ns(i128::from(time_ns))),
        }
    }

    /// How `time` is written in a segment with this wall base.
    #[must_use]
    pub fn new(time: Time, wall_base_ns: i64) -> Self {
        match i64::try_from(time.as_ns() - i128::from(wall_base_ns)) {
            Ok(delta) if (-(1 << 47)..1 << 47).contains(&delta) => Stamp::Delta(delta),
            _ => Stamp::Explicit(time),
        }
    }

    /// How many bytes of the body it takes.
    #[must_use]
    #[inline]
    pub fn body_len(self) -> usize {
        match self {
            Stamp::Delta(_) => 0,
            Stamp::Explicit(_) => EXPLICIT_TIME_LEN,
        }
    }
}

/// The fields of a record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Which event, or record of the log.
    pub kind: u8,
    /// `VOID`, `REDACTED`, `EXPLICIT_TIME`.
    pub flags: u8,
    /// Nanoseconds from the segment's wall base, 48 bits.
    pub time_delta_ns: i64,
    /// Length of the body in bytes.
    pub body_len: u32,
    /// Checksum of the body.
    pub body_crc: u32,
    /// Sequence number − the segment's first.
    pub seq_delta: u32,
}

impl RecordHeader {
    /// The header's bytes for a record at `offset` of its segment. The first 8 of them are the publish word, to be stored last.
    #[must_use]
    #[inline]
    pub fn encode(&self, salted: &Salted, offset: u64) -> [u8; RECORD_HEADER] {
        let [t0, t1, t2, t3, t4, t5, ..] = self.time_delta_ns.to_le_bytes();
        let [l0, l1, l2, l3] = self.body_len.to_le_bytes();
        let [c0, c1, c2, c3] = self.body_crc.to_le_bytes();
        let [s0, s1, s2, s3] = self.seq_delta.to_le_bytes();
        let [kind, flags] = [self.kind, self.flags];
        let before = u64::from_le_bytes([kind, flags, t4, t5, l0, l1, l2, l3]);
        let sums = u64::from_le_bytes([c0, c1, c2, c3, s0, s1, s2, s3]);
        let low_time = u32::from_le_bytes([t0, t1, t2, t3]);
        let [h0, h1, h2, h3] = salted.words([offset, before, sums], low_time).to_le_bytes();
        [h0, h1, h2, h3, kind, flags, t4, t5, l0, l1, l2, l3, c0, c1, c2, c3, s0, s1, s2, s3, t0, t1, t2, t3]
    }

    /// Reads the header at `offset` of its segment. `None`: it does not check.
    #[must_use]
    #[inline(always)] // A reader's inner loop: as a call it would be passed through memory.
    pub fn decode(bytes: &[u8], salted: &Salted, offset: u64) -> Option<Self> {
        let [h0, h1, h2, h3, fields @ ..] = bytes.first_chunk::<RECORD_HEADER>()?;
        let [kind, flags, t4, t5, l0, l1, l2, l3, c0, c1, c2, c3, s0, s1, s2, s3, t0, t1, t2, t3] = *fields;
        let body_len = u32::from_le_bytes([l0, l1, l2, l3]);
        let before = u64::from_le_bytes([kind, flags, t4, t5, l0, l1, l2, l3]);
        let sums = u64::from_le_bytes([c0, c1, c2, c3, s0, s1, s2, s3]);
        let low_time = u32::from_le_bytes([t0, t1, t2, t3]);
        if kind == 0
            || body_len > BODY_MAX
            || (flags & EXPLICIT_TIME != 0 && body_len < 16)
            || salted.words([offset, before, sums], low_time) != u32::from_le_bytes([*h0, *h1, *h2, *h3])
        {
            return None;
        }
        let time_hi = i64::from(i16::from_le_bytes([t4, t5]));
        Some(RecordHeader {
            kind,
            flags,
            time_delta_ns: (time_hi << 32) | i64::from(u32::from_le_bytes([t0, t1, t2, t3])),
            body_len,
            body_crc: u32::from_le_bytes([c0, c1, c2, c3]),
            seq_delta: u32::from_le_bytes([s0, s1, s2, s3]),
        })
    }

    /// Whether it takes a sequence number.
    #[must_use]
    pub fn is_event(&self) -> bool {
        self.kind < FIRST_LOG_KIND
    }

    /// Whether it is an event that was not given up, and not one that a reader has to look into.
    #[inline]
    pub(crate) fn is_plain_event(&self) -> bool {
        self.is_event() && self.kind != crate::event::Crashed::KIND && self.flags & VOID == 0
    }

    /// The offset behind the body of the record at `offset`.
    #[must_use]
    pub fn end(&self, offset: u64) -> u64 {
        offset.saturating_add(24).saturating_add(u64::from(self.body_len))
    }

    /// Splits a body into its explicit time, if it has one, and the rest; with the record's time.
    #[must_use]
    #[inline]
    pub fn split_body<'a>(&self, body: &'a [u8], wall_base_ns: i64) -> (Time, &'a [u8]) {
        if self.flags & EXPLICIT_TIME != 0
            && let Some((time, rest)) = body.split_first_chunk::<EXPLICIT_TIME_LEN>()
        {
            return (Time::from_ns(i128::from_le_bytes(*time)), rest);
        }
        (Time::from_ns(i128::from(wall_base_ns) + i128::from(self.time_delta_ns)), body)
    }
}

/// Writes a whole record into `to`, which begins at `offset` of the segment, except for its publish word, which is returned:
/// the caller stores it last. `fill` writes the event body of `body_len` bytes.
///
/// Returns `None` when `to` is too short, or `fill` fails or writes less; then nothing may be published.
#[inline]
pub fn write_record(
    to: &mut [u8],
    frame: &Frame<'_>,
    body_len: usize,
    fill: impl FnOnce(&mut Body<'_>) -> Option<()>,
) -> Option<[u8; 8]> {
    let (header, rest) = to.split_first_chunk_mut::<RECORD_HEADER>()?;
    let whole_len = body_len + frame.stamp.body_len();
    let mut body = Body::new(rest.get_mut(..whole_len)?, frame.salted.plain());
    let (flags, time_delta_ns) = match frame.stamp {
        Stamp::Delta(delta) => (frame.flags, delta),
        Stamp::Explicit(time) => {
            body.write(&time.as_ns().to_le_bytes())?;
            (frame.flags | EXPLICIT_TIME, 0)
        }
    };
    fill(&mut body)?;
    let (body_crc, written) = body.finish();
    let body_len = u32::try_from(whole_len).ok().filter(|len| *len <= BODY_MAX && written == whole_len)?;
    let (kind, seq_delta) = (frame.kind, frame.seq_delta);
    let fields = RecordHeader { kind, flags, time_delta_ns, body_len, body_crc, seq_delta };
    let [h0, h1, h2, h3, h4, h5, h6, h7, tail @ ..] = fields.encode(frame.salted, frame.offset);
    *header.last_chunk_mut::<{ RECORD_HEADER - 8 }>()? = tail;
    Some([h0, h1, h2, h3, h4, h5, h6, h7])
}

/// What a record says besides its body.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The segment's checksums.
    pub salted: &'a Salted,
    /// Where in the segment the record begins.
    pub offset: u64,
    /// Which event, or record of the log.
    pub kind: u8,
    /// `VOID`, `REDACTED`.
    pub flags: u8,
    /// Sequence number − the segment's first.
    pub seq_delta: u32,
    /// When.
    pub stamp: Stamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trip() {
        let salted = Salted::new(42);
        for time_delta_ns in [0, 1, -1, (1 << 47) - 1, -(1 << 47), 1 << 33, -(1 << 33)] {
            let header = RecordHeader {
                kind: 5,
                flags: 0,
                time_delta_ns,
                body_len: 77,
                body_crc: 1,
                seq_delta: u32::MAX,
            };
            let bytes = header.encode(&salted, 4096);
            assert_eq!(RecordHeader::decode(&bytes, &salted, 4096), Some(header));
            assert_eq!(RecordHeader::decode(&bytes, &salted, 4104), None);
            assert_eq!(RecordHeader::decode(&bytes, &Salted::new(43), 4096), None);
        }
    }
}
