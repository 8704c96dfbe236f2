//! A log's files by the layout of SPEC.md alone: for oracles, which must not share code with the reader that they judge.

use std::collections::BTreeMap;
use std::ops::Range;

/// The segment files of one log, by number.
pub(crate) type Files = BTreeMap<u64, Vec<u8>>;

/// Where the records begin: section 4.
pub(crate) const FIRST_RECORD: usize = 4096;
const SEAL: Range<usize> = 512..576;
const COPY: usize = 1024;
const CLAIMS: usize = 2040;
const SLOTS: usize = 2048;

const DURABLE_MARK: u8 = 240;
const EXPLICIT_TIME: u8 = 4;

/// CRC-32 of SPEC.md section 2.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    const fn entry(byte: u32) -> u32 {
        let (mut crc, mut bit) = (byte, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        crc
    }
    const TABLE: [u32; 256] = {
        let (mut table, mut byte) = ([0; 256], 0);
        while byte < 256 {
            table[byte as usize] = entry(byte);
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, byte| (crc >> 8) ^ TABLE[((crc ^ u32::from(*byte)) & 0xFF) as usize])
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    // What a file that is too short does not have reads as zeros.
    std::array::from_fn(|n| bytes.get(at + n).copied().unwrap_or(0))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, at))
}

/// What a header, or its copy, is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    Valid { uid: [u8; 16], number: u64 },
    TooNew,
    Invalid,
}

fn head(bytes: &[u8], at: usize) -> Head {
    let header: [u8; 512] = bytes_at(bytes, at);
    if header[..8] != *b"\x89TWAL\r\n\x1a" || crc(&header[..508]) != u32_at(&header, 508) {
        return Head::Invalid;
    }
    let version = u16::from_le_bytes(bytes_at(&header, 8));
    match version {
        0 => Head::Invalid,
        1 if u32_at(&header, 16) == 0 && header[136..138] == [0, 0] => {
            Head::Valid { uid: bytes_at(&header, 24), number: u64_at(&header, 72) }
        }
        _ => Head::TooNew,
    }
}

/// Changes a byte of a header and of its copy, as a writer of another version may have written them.
pub(crate) fn rewrite_header(segment: &mut [u8], at: usize, value: u8) {
    for start in [0, COPY] {
        segment[start + at] = value;
        let checksum = crc(&segment[start..start + 508]);
        segment[start + 508..start + 512].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// What can be done with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Unborn,
    Unreadable,
    TooNew,
    Readable,
}

/// What can be done with each file: sections 4 and 7.
pub(crate) fn states(files: &Files) -> BTreeMap<u64, State> {
    let last = files.keys().next_back();
    let heads: BTreeMap<u64, Head> = files
        .iter()
        .map(|(number, bytes)| {
            let head = match (head(bytes, 0), head(bytes, COPY)) {
                (Head::Invalid, copy) => copy,
                (head, _) => head,
            };
            (*number, head)
        })
        .collect();
    let mut votes: Vec<([u8; 16], usize)> = Vec::new();
    for head in heads.values() {
        let Head::Valid { uid, .. } = head else { continue };
        match votes.iter_mut().find(|(of, _)| of == uid) {
            Some((_, count)) => *count += 1,
            None => votes.push((*uid, 1)),
        }
    }
    // With a tie, the first: that of the lowest number.
    let session = votes.iter().rev().max_by_key(|(_, count)| *count).map(|(uid, _)| *uid);
    let state = |number: &u64, head: &Head| match head {
        Head::TooNew => State::TooNew,
        Head::Valid { uid, number: own } if Some(*uid) == session && own == number => State::Readable,
        Head::Valid { .. } => State::Unreadable,
        Head::Invalid => {
            let rest = files[number].get(CLAIMS..).unwrap_or_default();
            let is_unborn = Some(number) == last && rest.iter().all(|byte| *byte == 0);
            if is_unborn { State::Unborn } else { State::Unreadable }
        }
    };
    heads.iter().map(|(number, head)| (*number, state(number, head))).collect()
}

/// One record of a sound segment.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) start: usize,
    /// Behind its body.
    pub(crate) end: usize,
    /// Of an event; of a log record, that of the next event.
    pub(crate) seq: u64,
    pub(crate) kind: u8,
    /// Where the body of the event is: behind an explicit time.
    pub(crate) body: Range<usize>,
    /// What a durable mark says.
    pub(crate) mark: Option<u64>,
}

impl Record {
    pub(crate) fn is_event(&self) -> bool {
        self.kind < 224
    }
}

/// A sound segment.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) run: u32,
    pub(crate) first_seq: u64,
    pub(crate) capacity: usize,
    pub(crate) records: Vec<Record>,
    /// The offset behind the last record.
    pub(crate) end: usize,
    /// The last event's number, if it is sealed.
    pub(crate) sealed: Option<u64>,
    salt: [u8; 8],
    holds_slots: bool,
}

impl Segment {
    /// By the fields alone: nothing is checked.
    pub(crate) fn walk(number: u64, bytes: &[u8]) -> Self {
        let first_seq = u64_at(bytes, 88);
        let sealed = (bytes[SEAL.start..SEAL.start + 8] == *b"TWALSEAL").then(|| u64_at(bytes, 528));
        let (mut records, mut at) = (Vec::new(), FIRST_RECORD);
        while bytes.len() >= at + 24 && u64_at(bytes, at) != 0 {
            let (kind, flags, len) = (bytes[at + 4], bytes[at + 5], u32_at(bytes, at + 8) as usize);
            let end = at + 24 + len;
            let body = if flags & EXPLICIT_TIME == 0 { at + 24..end } else { at + 40..end };
            let mark = (kind == DURABLE_MARK).then(|| u64_at(bytes, body.start));
            let seq = first_seq + u64::from(u32_at(bytes, at + 16));
            records.push(Record { start: at, end, seq, kind, body, mark });
            at = end.next_multiple_of(8);
        }
        Segment {
            number,
            run: u32_at(bytes, 80),
            first_seq,
            capacity: usize::try_from(u64_at(bytes, 120)).unwrap(),
            records,
            end: at,
            sealed,
            salt: bytes_at(bytes, 96),
            holds_slots: u64_at(bytes, 128) == number,
        }
    }

    /// Whether the seal of the sound segment is still there.
    pub(crate) fn keeps_seal(&self, sound: &[u8], damaged: &[u8]) -> bool {
        self.sealed.is_some() && damaged.get(SEAL) == Some(&sound[SEAL])
    }

    /// The places of the header page that a reader has to speak of: offset and length. (The segment can be read.)
    pub(crate) fn bad_places_of_the_page(&self, sound: &[u8], damaged: &[u8]) -> Vec<(u64, u64)> {
        let mut places = Vec::new();
        let is_valid = |at| matches!(head(damaged, at), Head::Valid { .. });
        if !is_valid(0) {
            places.push((0, 512));
        }
        let has_magic = bytes_at::<8>(damaged, SEAL.start) != [0; 8];
        if has_magic && !self.keeps_seal(sound, damaged) {
            places.push((512, 64));
        }
        if is_valid(0) && !is_valid(COPY) {
            places.push((1024, 512));
        }
        let counted = claims(damaged);
        let has_lost = |(number, _): &(u32, bool)| *number >= counted.unwrap_or(0);
        if self.holds_slots && (counted.is_none() || self.slots(damaged).iter().any(has_lost)) {
            places.push((2040, 4));
        }
        places
    }

    /// Its claimed crash slots: their numbers, and whether they are valid. A valid one is claimed, whatever the word says.
    pub(crate) fn slots(&self, damaged: &[u8]) -> Vec<(u32, bool)> {
        if !self.holds_slots {
            return Vec::new();
        }
        let slots = (0..4).map(|number| (number, self.has_valid_slot(number, damaged)));
        slots.filter(|(number, is_valid)| *is_valid || *number < claims(damaged).unwrap_or(0)).collect()
    }

    fn has_valid_slot(&self, number: u32, damaged: &[u8]) -> bool {
        let slot: [u8; 512] = bytes_at(damaged, SLOTS + number as usize * 512);
        let checked = [&self.salt[..], &number.to_le_bytes(), &slot[..508]].concat();
        let is_sound =
            slot[0] == 1 && matches!(slot[2], 1 | 2) && u16::from_le_bytes([slot[44], slot[45]]) <= 448;
        is_sound && crc(&checked) == u32_at(&slot, 508)
    }
}

/// How many crash slots are claimed; `None`: the word is damaged.
fn claims(bytes: &[u8]) -> Option<u32> {
    let word = u32_at(bytes, CLAIMS);
    let claims = word & 0xFF;
    (claims.wrapping_mul(0x0101_0101) == word).then_some(claims.min(4))
}
