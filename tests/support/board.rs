//! Memory that a test shares with its children: what a child stored there survives its SIGKILL.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// Appends that one lane can hold.
pub(crate) const LANE_EVENTS: u64 = 1 << 14;
const FIRST_LANE: u64 = 64;
/// Begun, then the sequence number that each append returned. A line of its own for what threads write all the time.
const LANE_WORDS: u64 = 8 + LANE_EVENTS;

/// Words that a child and its parent both see.
#[derive(Debug)]
pub(crate) struct Board {
    map: MmapRaw,
    path: PathBuf,
}

impl Board {
    /// Makes one with room for `lanes` of appends.
    pub(crate) fn create(path: &Path, lanes: u64) -> Self {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).unwrap();
        file.set_len((FIRST_LANE + lanes * LANE_WORDS) * 8).unwrap();
        Board::open(path)
    }

    /// The one that another process has made.
    pub(crate) fn open(path: &Path) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        Board { map: MmapOptions::new().map_raw(&file).unwrap(), path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn word(&self, at: u64) -> &AtomicU64 {
        let at = usize::try_from(at).unwrap();
        assert!((at + 1) * 8 <= self.map.len(), "word {at} is outside the board");
        // SAFETY: inside the mapping and aligned, and only ever used as an atomic, by every process.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().cast::<u64>().add(at)) }
    }

    /// One of 64 words that a test gives a meaning.
    pub(crate) fn get(&self, word: u64) -> u64 {
        assert!(word < FIRST_LANE);
        self.word(word).load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, word: u64, value: u64) {
        assert!(word < FIRST_LANE);
        self.word(word).store(value, Ordering::Release);
    }

    /// Says that append `n` of a lane is about to be called.
    pub(crate) fn begin(&self, lane: u64, n: u64) {
        self.word(FIRST_LANE + lane * LANE_WORDS).store(n + 1, Ordering::Release);
    }

    /// Says that append `n` of a lane has returned `seq`.
    pub(crate) fn acknowledge(&self, lane: u64, n: u64, seq: u64) {
        assert!(n < LANE_EVENTS);
        self.word(FIRST_LANE + lane * LANE_WORDS + 8 + n).store(seq, Ordering::Release);
    }

    /// How many appends of a lane have been called.
    pub(crate) fn begun(&self, lane: u64) -> u64 {
        self.word(FIRST_LANE + lane * LANE_WORDS).load(Ordering::Acquire)
    }

    /// What append `n` of a lane returned; `None`: nothing yet.
    pub(crate) fn acknowledged(&self, lane: u64, n: u64) -> Option<u64> {
        let seq = self.word(FIRST_LANE + lane * LANE_WORDS + 8 + n).load(Ordering::Acquire);
        (seq != 0).then_some(seq)
    }

    /// Whether a call of this lane had not returned when its process was killed.
    pub(crate) fn is_in_flight(&self, lane: u64) -> bool {
        let begun = self.begun(lane);
        begun > 0 && self.acknowledged(lane, begun - 1).is_none()
    }
}
