//! The event that everybody appends: a time, three ids, a kind, a name and a JSON payload, and the two ways in which peers encode it.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::clock::Clock;

/// Ids are 16 characters long, as 64-bit span ids in hexadecimal are.
pub const ID_LEN: usize = 16;

/// What a tool call that begins is, without its time: whoever appends it reads a clock.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    pub span_id: &'a str,
    pub parent_span_id: &'a str,
    pub call_id: &'a str,
    pub name: &'a str,
    pub input: &'a RawValue,
}

/// The kind of every event: a tool call.
const KIND: u8 = 3;

/// The event as bincode, standard configuration. The payload comes last.
#[derive(bincode::Encode, bincode::BorrowDecode)]
pub struct Encoded<'a> {
    pub time_ns: u64,
    pub span_id: &'a str,
    pub parent_span_id: &'a str,
    pub call_id: &'a str,
    pub kind: u8,
    pub name: &'a str,
    pub input: &'a [u8],
}

/// The event as a line of JSON.
#[derive(Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line<'a> {
    pub time: u64,
    pub r#type: &'a str,
    pub span_id: &'a str,
    pub parent_span_id: &'a str,
    pub call_id: &'a str,
    pub kind: &'a str,
    pub name: &'a str,
    #[serde(borrow)]
    pub input: &'a RawValue,
}

impl<'a> Event<'a> {
    /// With the time of now, to be encoded.
    #[inline]
    pub fn now(&self, clock: &Clock) -> Encoded<'a> {
        Encoded {
            time_ns: clock.now_ns(),
            span_id: self.span_id,
            parent_span_id: self.parent_span_id,
            call_id: self.call_id,
            kind: KIND,
            name: self.name,
            input: self.input.get().as_bytes(),
        }
    }

    /// With the time of now, to be written as a line.
    pub fn line_now(&self, clock: &Clock) -> Line<'a> {
        Line {
            time: clock.now_ns(),
            r#type: "span-started",
            span_id: self.span_id,
            parent_span_id: self.parent_span_id,
            call_id: self.call_id,
            kind: "tool",
            name: self.name,
            input: self.input,
        }
    }

    /// The bytes that any store has to keep: ids, name and JSON text.
    pub fn text_bytes(&self) -> usize {
        self.span_id.len()
            + self.parent_span_id.len()
            + self.call_id.len()
            + self.name.len()
            + self.input.get().len()
    }
}

impl Encoded<'_> {
    /// Appends the encoded event to `out`.
    #[inline]
    pub fn write_to(&self, out: &mut Vec<u8>) {
        bincode::encode_into_std_write(self, out, bincode::config::standard())
            .expect("a Vec takes everything");
    }
}

/// The call id of an encoded event: the kill test hides a number there.
pub fn call_id(encoded: &[u8]) -> Option<&str> {
    let decoded = bincode::borrow_decode_from_slice::<Encoded<'_>, _>(encoded, bincode::config::standard());
    decoded.ok().map(|(event, _)| event.call_id)
}
