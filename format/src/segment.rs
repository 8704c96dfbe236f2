//! A segment's header page: header, seal, crash slots (SPEC.md section 4).

use std::ops::RangeInclusive;

use std::borrow::Cow;

use crate::FORMAT_VERSION;
use crate::checksum::{Salted, crc};
use crate::event::{Crashed, Event, Evidence, FoundBy};
use crate::time::Time;

/// The size of the header page; where records begin.
pub const HEADER_PAGE: u64 = 4096;
/// The size of a header in bytes.
pub const HEADER_LEN: usize = 512;
/// Where the header's copy stands.
pub const HEADER_COPY_AT: u64 = 1024;
/// Where the seal stands.
pub const SEAL_AT: u64 = 512;
/// The size of a seal in bytes.
pub const SEAL_LEN: usize = 64;
/// Where the claims of crash slots are counted.
pub const CLAIMS_AT: u64 = 2040;
/// What one claim adds. Four equal bytes, so that no single flipped bit looks like a claim.
pub const CLAIM: u32 = 0x0101_0101;
/// Where the crash slots begin.
pub const SLOTS_AT: u64 = 2048;
/// The size of a crash slot in bytes.
pub const SLOT_LEN: usize = 512;
/// How many crash slots a run has.
pub const SLOTS: u32 = 4;
/// The size in bytes of a crash slot's fields in front of its text.
pub const SLOT_HEAD: usize = 60;
/// The most bytes of text that a crash slot holds.
pub const SLOT_TEXT: usize = 448;
/// The longest session id in bytes.
pub const ID_MAX: usize = 255;

/// The highest first sequence number of a segment.
pub const SEQ_MAX: u64 = 1 << 62;
/// Sequence numbers above this in a mark, gap or seal are not believed.
pub const NUMBER_MAX: u64 = 1 << 63;

const MAGIC: [u8; 8] = *b"\x89TWAL\r\n\x1a";
const SEAL_MAGIC: [u8; 8] = *b"TWALSEAL";

/// Reads and writes integers at fixed offsets; outside the slice they read as 0 and are not written.
struct At<B>(B);

impl<B: AsRef<[u8]>> At<B> {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.as_ref().get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }
}

impl<B: AsMut<[u8]>> At<B> {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(to) = self.0.as_mut().get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }
}

/// What the first 512 bytes of a segment say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Feature bits that may be ignored.
    pub compatible: u32,
    /// Raised by repair and redaction.
    pub generation: u32,
    /// Random, the same in every segment of a session.
    pub session_uid: u128,
    /// The writer that made the segment.
    pub writer: u128,
    /// The boot during which it was made; 0 = unknown.
    pub boot_id: u128,
    /// The segment's number, as in its file name.
    pub number: u64,
    /// The run.
    pub run: u32,
    /// The writer's process id; 0 = unknown.
    pub pid: u32,
    /// Of the first event.
    pub first_seq: u64,
    /// Random, of this segment alone.
    pub salt: u64,
    /// What record times are relative to, in nanoseconds since the epoch.
    pub wall_base_ns: i64,
    /// The writer's monotonic clock in nanoseconds; 0 = unknown.
    pub monotonic_base_ns: u64,
    /// The file's size in bytes.
    pub capacity: u64,
    /// The segment that holds this run's crash slots.
    pub run_first_segment: u64,
    /// The session's id: 1 to 255 bytes.
    pub session_id: String,
}

/// Why a header can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// It is not a header, or it is damaged.
    Invalid,
    /// A newer version of the format wrote it.
    TooNew,
}

impl Header {
    /// The header's bytes. An id over 255 bytes is cut; callers refuse it before.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut to = At([0; HEADER_LEN]);
        to.put(0, &MAGIC);
        to.put(8, &FORMAT_VERSION.to_le_bytes());
        to.put(10, &u16::try_from(HEADER_PAGE).unwrap_or(0).to_le_bytes());
        to.put(12, &self.compatible.to_le_bytes());
        to.put(20, &self.generation.to_le_bytes());
        to.put(24, &self.session_uid.to_be_bytes());
        to.put(40, &self.writer.to_be_bytes());
        to.put(56, &self.boot_id.to_be_bytes());
        to.put(72, &self.number.to_le_bytes());
        to.put(80, &self.run.to_le_bytes());
        to.put(84, &self.pid.to_le_bytes());
        to.put(88, &self.first_seq.to_le_bytes());
        to.put(96, &self.salt.to_le_bytes());
        to.put(104, &self.wall_base_ns.to_le_bytes());
        to.put(112, &self.monotonic_base_ns.to_le_bytes());
        to.put(120, &self.capacity.to_le_bytes());
        to.put(128, &self.run_first_segment.to_le_bytes());
        let id = self.session_id.as_bytes();
        let id = id.get(..ID_MAX).unwrap_or(id);
        to.put(208, &[u8::try_from(id.len()).unwrap_or(0)]);
        to.put(209, id);
        let checksum = crc(to.0.get(..508).unwrap_or_default());
        to.put(508, &checksum.to_le_bytes());
        to.0
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let from = At(bytes.get(..HEADER_LEN).ok_or(HeaderError::Invalid)?);
        if from.bytes(0) != MAGIC || crc(bytes.get(..508).unwrap_or_default()) != from.u32(508) {
            return Err(HeaderError::Invalid);
        }
        let [codec, cipher] = from.bytes(136);
        if from.u16(8) > FORMAT_VERSION || from.u32(16) != 0 || codec != 0 || cipher != 0 {
            return Err(HeaderError::TooNew);
        }
        let [id_len] = from.bytes(208);
        let id = bytes.get(209..209 + usize::from(id_len)).unwrap_or_default();
        let header = Header {
            compatible: from.u32(12),
            generation: from.u32(20),
            session_uid: u128::from_be_bytes(from.bytes(24)),
            writer: u128::from_be_bytes(from.bytes(40)),
            boot_id: u128::from_be_bytes(from.bytes(56)),
            number: from.u64(72),
            run: from.u32(80),
            pid: from.u32(84),
            first_seq: from.u64(88),
            salt: from.u64(96),
            wall_base_ns: i64::from_le_bytes(from.bytes(104)),
            monotonic_base_ns: from.u64(112),
            capacity: from.u64(120),
            run_first_segment: from.u64(128),
            session_id: std::str::from_utf8(id).map_err(|_| HeaderError::Invalid)?.to_owned(),
        };
        let sound = from.u16(8) == FORMAT_VERSION
            && Self::first_record(bytes) >= HEADER_PAGE
            && Self::first_record(bytes).is_multiple_of(8)
            && (1..=SEQ_MAX).contains(&header.first_seq)
            && !header.session_id.is_empty();
        if sound { Ok(header) } else { Err(HeaderError::Invalid) }
    }

    /// Where a header's bytes say that records begin. This version writes [`HEADER_PAGE`].
    #[must_use]
    pub fn first_record(bytes: &[u8]) -> u64 {
        u64::from(At(bytes).u16(10))
    }
}

/// What a sealed segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Events in it.
    pub count: u64,
    /// The sequence number of the last; the segment's first − 1 when there is none.
    pub last_seq: u64,
    /// The offset behind the last record.
    pub end: u64,
}

impl Seal {
    /// The seal's bytes.
    #[must_use]
    pub fn encode(&self, salted: &Salted) -> [u8; SEAL_LEN] {
        let mut to = At([0; SEAL_LEN]);
        to.put(0, &SEAL_MAGIC);
        to.put(8, &self.count.to_le_bytes());
        to.put(16, &self.last_seq.to_le_bytes());
        to.put(24, &self.end.to_le_bytes());
        let checksum = salted.crc(&[], to.0.get(..60).unwrap_or_default());
        to.put(60, &checksum.to_le_bytes());
        to.0
    }

    /// Reads a seal of a segment whose records may end at these offsets: from the first record's to the capacity. `None`:
    /// there is no valid one.
    #[must_use]
    pub fn decode(bytes: &[u8], salted: &Salted, ends: RangeInclusive<u64>) -> Option<Self> {
        let from = At(bytes.get(..SEAL_LEN)?);
        let seal = Seal { count: from.u64(8), last_seq: from.u64(16), end: from.u64(24) };
        let checked = from.bytes(0) == SEAL_MAGIC && salted.crc(&[], bytes.get(..60)?) == from.u32(60);
        (checked && seal.last_seq <= NUMBER_MAX && ends.contains(&seal.end)).then_some(seal)
    }
}

/// What a filled crash slot means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// The process is dying of it.
    Crash,
    /// A signal that the program handles itself: evidence, unless the run dies without an ending.
    Pending,
}

/// What a crash slot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot<'t> {
    /// Who filled it.
    pub found_by: FoundBy,
    /// What it means.
    pub state: SlotState,
    /// Linux's number of the signal; 0 = none.
    pub signal: i32,
    /// `si_code`.
    pub signal_code: i32,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// `si_addr`, where the signal has one.
    pub address: u64,
    /// Nanoseconds since the epoch; 0 = unknown.
    pub time_ns: i64,
    /// The last published event at that time.
    pub last_seq: u64,
    /// The reason; may be empty.
    pub text: Cow<'t, str>,
}

impl Slot<'_> {
    /// The slot's first 60 bytes, in front of a text of `text_len` bytes. Allocates nothing, and takes little stack.
    #[must_use]
    pub fn head(&self, text_len: usize) -> [u8; SLOT_HEAD] {
        let mut to = At([0; SLOT_HEAD]);
        let state = match self.state {
            SlotState::Crash => 1,
            SlotState::Pending => 2,
        };
        to.put(0, &[1, self.found_by.number(), state]);
        to.put(4, &self.signal.to_le_bytes());
        to.put(8, &self.signal_code.to_le_bytes());
        to.put(12, &self.pid.to_le_bytes());
        to.put(16, &self.address.to_le_bytes());
        to.put(24, &self.time_ns.to_le_bytes());
        to.put(32, &self.last_seq.to_le_bytes());
        to.put(40, &self.tid.to_le_bytes());
        to.put(44, &u16::try_from(text_len).unwrap_or(0).to_le_bytes());
        to.0
    }

    /// The slot's bytes. Text over 448 bytes is cut.
    #[must_use]
    pub fn encode(&self, salted: &Salted, number: u32) -> [u8; SLOT_LEN] {
        let mut len = self.text.len().min(SLOT_TEXT);
        while !self.text.is_char_boundary(len) {
            len -= 1;
        }
        let mut to = At([0; SLOT_LEN]);
        to.put(0, &self.head(len));
        to.put(SLOT_HEAD, self.text.as_bytes().get(..len).unwrap_or_default());
        let checksum = salted.crc(&number.to_le_bytes(), to.0.get(..508).unwrap_or_default());
        to.put(508, &checksum.to_le_bytes());
        to.0
    }

    /// Reads slot `number`. `None`: it is not valid.
    #[must_use]
    pub fn decode(bytes: &[u8], salted: &Salted, number: u32) -> Option<Slot<'static>> {
        let from = At(bytes.get(..SLOT_LEN)?);
        let [version, found_by, state] = from.bytes(0);
        let len = usize::from(from.u16(44));
        let checked = salted.crc(&number.to_le_bytes(), bytes.get(..508)?) == from.u32(508);
        if !checked || version != 1 || len > SLOT_TEXT {
            return None;
        }
        Some(Slot {
            found_by: FoundBy::from_number(found_by),
            state: match state {
                1 => SlotState::Crash,
                2 => SlotState::Pending,
                _ => return None,
            },
            signal: i32::from_le_bytes(from.bytes(4)),
            signal_code: i32::from_le_bytes(from.bytes(8)),
            pid: from.u32(12),
            tid: from.u32(40),
            address: from.u64(16),
            time_ns: i64::from_le_bytes(from.bytes(24)),
            last_seq: from.u64(32),
            text: String::from_utf8_lossy(bytes.get(60..60 + len)?).into_owned().into(),
        })
    }

    /// The signal's name, if it was one.
    #[must_use]
    pub fn signal_name(&self) -> Option<String> {
        (self.signal != 0).then(|| signal_name(self.signal))
    }

    /// The event that the slot stands for.
    #[must_use]
    pub fn event(&self) -> Event<'static> {
        let signal = self.signal_name();
        match self.state {
            SlotState::Crash => {
                let reason = if self.text.is_empty() {
                    signal.clone().unwrap_or("unknown".into())
                } else {
                    self.text.clone().into_owned()
                };
                Crashed {
                    signal: signal.map(Into::into),
                    pid: Some(self.pid),
                    found_by: Some(self.found_by),
                    ..Crashed::new(reason)
                }
                .into()
            }
            SlotState::Pending => {
                Evidence { cause: signal.map(Into::into), ..Evidence::new("signal", "pending") }.into()
            }
        }
    }
}

/// The event that a claimed slot stands for when it is not valid.
#[must_use]
pub fn invalid_slot_event() -> Event<'static> {
    Crashed { found_by: Some(FoundBy::Handler), ..Crashed::new("unknown") }.into()
}

/// How many crash slots the claims word says are taken. `None`: the word is damaged.
#[must_use]
pub fn claimed_slots(word: u32) -> Option<u32> {
    let claims = word & 0xFF;
    (claims.wrapping_mul(CLAIM) == word).then_some(claims.min(SLOTS))
}

/// The time that a slot's event has: its own, or else that of the last record of its run.
#[must_use]
pub fn slot_time(slot: Option<&Slot<'_>>, last_of_run: Time) -> Time {
    match slot {
        Some(slot) if slot.time_ns != 0 => Time::from_ns(i128::from(slot.time_ns)),
        _ => last_of_run,
    }
}

const SIGNALS: [(i32, &str); 18] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
    (31, "SIGSYS"),
];

/// The name of a signal by Linux's number.
#[must_use]
pub fn signal_name(number: i32) -> String {
    match SIGNALS.iter().find(|(n, _)| *n == number) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("signal {number}"),
    }
}
