//! Events that can be told apart: each begins with its lane and its number there, and is found again without being remembered.

use tracewal::Event;
use tracewal::event::Note;

use super::board::LANE_EVENTS;

/// The events of one lane. Slices of one text that is made beforehand, so that a loop that appends them does little else.
#[derive(Debug)]
pub(crate) struct Lane {
    lane: u64,
    text: String,
}

impl Lane {
    pub(crate) fn new(lane: u64, events: u64) -> Self {
        let mut text = String::new();
        for n in 0..events + 16 {
            let word = lane << 32 | n;
            text.extend(
                (0..16).rev().map(|digit| char::from_digit((word >> (digit * 4)) as u32 & 15, 16).unwrap()),
            );
        }
        Lane { lane, text }
    }

    pub(crate) fn whole(lane: u64) -> Self {
        Lane::new(lane, LANE_EVENTS)
    }

    /// What event `n` says: 16 digits that name it, and up to 200 more.
    pub(crate) fn text(&self, n: u64) -> &str {
        let more = (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ self.lane) % 201;
        let from = usize::try_from(n * 16).unwrap();
        &self.text[from..from + 16 + usize::try_from(more).unwrap()]
    }

    pub(crate) fn event(&self, n: u64) -> Event<'_> {
        Note::new(self.text(n)).into()
    }
}

/// The lane and number that a text names.
pub(crate) fn lane_and_number(text: &str) -> (u64, u64) {
    let word = u64::from_str_radix(&text[..16], 16).unwrap_or_else(|_| panic!("never appended: {text:?}"));
    (word >> 32, word & 0xFFFF_FFFF)
}
