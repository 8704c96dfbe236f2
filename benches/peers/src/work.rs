//! The work: which events are appended, the same for everybody.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::{Event, ID_LEN};
use crate::frame;

/// How large an event is: its frame of the raw loops, header and checksum included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Size {
    B128,
    B512,
    KiB4,
}

impl Size {
    pub const ALL: [Size; 3] = [Size::B128, Size::B512, Size::KiB4];

    pub fn bytes(self) -> u64 {
        match self {
            Size::B128 => 128,
            Size::B512 => 512,
            Size::KiB4 => 4096,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Size::B128 => "128 B",
            Size::B512 => "512 B",
            Size::KiB4 => "4 KiB",
        }
    }
}

struct Template {
    span_id: String,
    parent_span_id: String,
    call_id: String,
    input: Box<RawValue>,
}

/// A few different events, over and over: a program has just made what it appends, so the source is in the cache.
pub struct Work {
    templates: Vec<Template>,
}

/// A power of two; of 4 KiB events they fit into a second-level cache.
const TEMPLATES: u64 = 64;
const NAME: &str = "bash";

impl Work {
    pub fn of(size: Size) -> Self {
        let mut random = fastrand::Rng::with_seed(1);
        let around = r#"{"command":""}"#.len();
        let input_len = input_len(size);
        let mut id = |_| format!("{:016x}", random.u64(..));
        let ids: Vec<[String; 3]> = (0..TEMPLATES).map(|_| [0, 1, 2].map(&mut id)).collect();
        let templates = ids.into_iter().map(|[span_id, parent_span_id, call_id]| {
            // Letters at random: nobody gains by compressing them.
            let text: String = (around..input_len).map(|_| random.lowercase()).collect();
            let json = format!(r#"{{"command":"{text}"}}"#);
            let input = RawValue::from_string(json).expect("valid JSON");
            Template { span_id, parent_span_id, call_id, input }
        });
        let work = Work { templates: templates.collect() };
        debug_assert!(work.templates.iter().all(|template| template.call_id.len() == ID_LEN));
        work
    }

    /// Event number `n`.
    #[inline]
    pub fn event(&self, n: u64) -> Event<'_> {
        let template = &self.templates[(n % TEMPLATES) as usize];
        Event {
            span_id: &template.span_id,
            parent_span_id: &template.parent_span_id,
            call_id: &template.call_id,
            name: NAME,
            input: &template.input,
        }
    }
}

/// How long the JSON text is, so that a frame has the size of its class.
fn input_len(size: Size) -> usize {
    // A time that is 9 bytes as a variable integer, strings with a byte of length before them, the kind.
    let fields = 9 + 3 * (1 + ID_LEN) + 1 + (1 + NAME.len());
    let left = size.bytes() as usize - frame::HEADER_LEN - fields;
    // The length of the input itself is a variable integer too.
    if left - 1 <= 250 { left - 1 } else { left - 3 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_frame_has_the_size_of_its_class() {
        for size in Size::ALL {
            let work = Work::of(size);
            for n in 0..TEMPLATES {
                let mut bytes = Vec::new();
                work.event(n).now(&Clock::System).write_to(&mut bytes);
                assert_eq!((bytes.len() + frame::HEADER_LEN) as u64, size.bytes());
            }
        }
    }
}
