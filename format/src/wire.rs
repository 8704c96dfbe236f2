//! Fields on the wire and in JSON (SPEC.md sections 6 and 8), and the macro that makes structures of them.
//!
//! The wire form is bincode's with variable integers; what writes the primitives comes from the crate, what reads them is in `decoder`, and
//! the structure around them (presence bits, skippable newer fields) is written here.

use std::borrow::Cow;

use bincode::config::{self, Configuration};
use bincode::enc::write::Writer;
use bincode::enc::{Encode, EncoderImpl};
use bincode::error::EncodeError;
use crc32fast::Hasher;
use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) use crate::decoder::Decoder;
use crate::event::{Payload, Text};
use crate::json::{self, EventError};
use crate::time::{self, Time};

const CONFIG: Configuration = config::standard();

/// A body that breaks the rules of the wire form, or does not fit where it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Where a record's body is written. It is summed as it is written.
pub struct Body<'b>(EncoderImpl<Summed<'b>, Configuration>);

impl<'b> Body<'b> {
    /// Fills `bytes`; `sum` has seen nothing yet.
    #[inline]
    pub(crate) fn new(bytes: &'b mut [u8], sum: Hasher) -> Self {
        Body(EncoderImpl::new(Summed { bytes, len: 0, sum, summed: 0 }, CONFIG))
    }

    /// Goes on with these bytes. `None`: there is no room for them.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Option<()> {
        use bincode::enc::Encoder;
        self.0.writer().write(bytes).ok()
    }

    #[inline]
    fn put<T: Encode + ?Sized>(&mut self, value: &T) -> Result<(), Malformed> {
        value.encode(&mut self.0).map_err(|_| Malformed)
    }

    /// Their number, then the bytes: what bincode makes of a slice.
    #[inline]
    fn put_bytes(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        use bincode::enc::Encoder;
        if self.0.writer().write_short(bytes).is_some() {
            return Ok(());
        }
        self.put(&u64::try_from(bytes.len()).map_err(|_| Malformed)?)?;
        self.write(bytes).ok_or(Malformed)
    }

    /// The checksum of what was written, and how long it is.
    #[inline]
    pub(crate) fn finish(self) -> (u32, usize) {
        let mut written = self.0.into_writer();
        written.sum_up();
        (written.sum.finalize(), written.len)
    }
}

/// From this length on bytes are summed where they come from. Reading back what has just been stored waits for the store; below, one
/// sum over everything costs less than several.
const SUMMED_AT_SOURCE: usize = 1024;

struct Summed<'b> {
    bytes: &'b mut [u8],
    len: usize,
    sum: Hasher,
    /// How much of what is written has been summed.
    summed: usize,
}

impl Summed<'_> {
    /// At most 250 bytes, behind a byte that is their number. `None`: there are more, or no room.
    #[inline]
    fn write_short(&mut self, bytes: &[u8]) -> Option<()> {
        let number = u8::try_from(bytes.len()).ok().filter(|number| *number <= 250)?;
        let end = self.len + 1 + bytes.len();
        let (first, rest) = self.bytes.get_mut(self.len..end)?.split_first_mut()?;
        *first = number;
        copy_short(rest, bytes);
        self.len = end;
        Some(())
    }

    #[inline]
    fn sum_up(&mut self) {
        if let Some(bytes) = self.bytes.get(self.summed..self.len) {
            self.sum.update(bytes);
        }
    }
}

impl Writer for Summed<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let end = self.len + bytes.len();
        if bytes.len() >= SUMMED_AT_SOURCE && end <= self.bytes.len() {
            self.sum_up();
            self.sum.update(bytes);
            self.summed = end;
        }
        self.bytes.get_mut(self.len..end).ok_or(EncodeError::UnexpectedEnd)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}

/// Copies; what is as short as an id without a call.
#[inline]
fn copy_short(to: &mut [u8], from: &[u8]) {
    match (from.first_chunk::<16>(), from.last_chunk::<16>(), from.len() <= 32 && to.len() == from.len()) {
        (Some(first), Some(last), true) => {
            // The two may overlap.
            if let Some(to) = to.first_chunk_mut() {
                *to = *first;
            }
            if let Some(to) = to.last_chunk_mut() {
                *to = *last;
            }
        }
        _ => to.copy_from_slice(from),
    }
}

/// How many bytes an unsigned number takes: those up to 250 one, others a byte that says how many follow.
#[inline]
const fn size_of_number(value: u64) -> usize {
    match value {
        0..=250 => 1,
        251..=0xFFFF => 3,
        0x1_0000..=0xFFFF_FFFF => 5,
        _ => 9,
    }
}

/// The same, of a signed number: its sign is its lowest bit.
#[inline]
fn size_of_signed(value: i128) -> usize {
    let zigzag = (value << 1) ^ (value >> 127);
    u64::try_from(zigzag).map_or(17, size_of_number)
}

#[inline]
fn size_of_bytes(bytes: &[u8]) -> usize {
    size_of_number(u64::try_from(bytes.len()).unwrap_or(u64::MAX)) + bytes.len()
}

/// One field of a structure: its bytes, and its JSON.
pub(crate) trait Field<'a>: Sized {
    /// Its length on the wire in bytes.
    fn size(&self) -> usize;
    fn encode(&self, to: &mut Body<'_>) -> Result<(), Malformed>;
    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed>;
    fn write_json(&self, out: &mut Vec<u8>);
    /// What a JSON value of this field has to be, for messages.
    const EXPECTED: &'static str;
    /// Whether JSON's `null` stands for a field that is not there.
    const NULL_IS_ABSENT: bool = true;
    fn read_json(raw: &'a RawValue) -> Result<Self, FieldError>;
}

/// Why a JSON value is not this field's.
pub(crate) enum FieldError {
    /// The value itself has the wrong type or range.
    Type,
    /// Something inside a nested structure is wrong.
    Inside(EventError),
}

/// What is found out about a structure before it is written.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Which optional fields are there.
    pub(crate) presence: u64,
    /// Its length on the wire in bytes.
    pub(crate) size: usize,
}

impl Measure {
    /// The length of the body in bytes.
    #[must_use]
    #[inline]
    pub fn body_len(self) -> usize {
        self.size
    }
}

/// A structure of fields: the presence bits, the required fields, the optional ones that are present.
pub(crate) trait Structure<'a>: Sized {
    fn measure(&self) -> Measure;
    fn encode(&self, measure: Measure, to: &mut Body<'_>) -> Result<(), Malformed>;
    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed>;
    /// Appends `,"key":value` for every field that is there.
    fn write_json_fields(&self, out: &mut Vec<u8>);
    fn read_json_fields(fields: &mut json::Fields<'a>) -> Result<Self, EventError>;
}

/// Skips fields of a newer version: those whose presence bits are at or above `known`.
#[inline]
pub(crate) fn skip_newer(from: &mut Decoder<'_>, presence: u64, known: u32) -> Result<(), Malformed> {
    let newer = presence.checked_shr(known).unwrap_or(0).count_ones();
    for _ in 0..newer {
        from.take::<&[u8]>()?;
    }
    Ok(())
}

macro_rules! structure {
    (
        $(#[$meta:meta])*
        $name:ident<$lt:lifetime> {
            $($(#[$rmeta:meta])* $rfield:ident: $rtype:ty = $rkey:literal,)*
            ;
            $($(#[$ometa:meta])* $ofield:ident: $otype:ty = $okey:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name<$lt> {
            $($(#[$rmeta])* pub $rfield: $rtype,)*
            $($(#[$ometa])* pub $ofield: Option<$otype>,)*
            #[doc(hidden)]
            pub lifetime: std::marker::PhantomData<&$lt ()>,
        }

        impl<$lt> $name<$lt> {
            /// With the required fields, and no optional one.
            #[must_use]
            #[allow(clippy::too_many_arguments, clippy::new_without_default)]
            pub fn new($($rfield: impl Into<$rtype>),*) -> Self {
                $name {
                    $($rfield: $rfield.into(),)*
                    $($ofield: None,)*
                    lifetime: std::marker::PhantomData,
                }
            }
        }

        impl<$lt> crate::wire::Structure<$lt> for $name<$lt> {
            #[inline]
            #[allow(unused_mut, unused_assignments, unused_variables)]
            fn measure(&self) -> crate::wire::Measure {
                let (mut presence, mut bit, mut size) = (0_u64, 1_u64, 0);
                $(size += crate::wire::Field::size(&self.$rfield);)*
                $(
                    if let Some(value) = &self.$ofield {
                        presence |= bit;
                        size += crate::wire::Field::size(value);
                    }
                    bit <<= 1;
                )*
                size += crate::wire::Field::size(&presence);
                crate::wire::Measure { presence, size }
            }

            #[inline]
            fn encode(
                &self,
                measure: crate::wire::Measure,
                to: &mut crate::wire::Body<'_>,
            ) -> Result<(), crate::wire::Malformed> {
                crate::wire::Field::encode(&measure.presence, to)?;
                $(crate::wire::Field::encode(&self.$rfield, to)?;)*
                $(
                    if let Some(value) = &self.$ofield {
                        crate::wire::Field::encode(value, to)?;
                    }
                )*
                Ok(())
            }

            #[inline(always)] // Fields that are passed through memory are waited for.
            fn decode(from: &mut crate::wire::Decoder<$lt>) -> Result<Self, crate::wire::Malformed> {
                let presence = <u64 as crate::wire::Field>::decode(from)?;
                #[allow(unused_mut, unused_assignments)]
                let mut known = 0_u32;
                let value = $name {
                    $($rfield: crate::wire::Field::decode(from)?,)*
                    $($ofield: {
                        let bit = known;
                        known += 1;
                        if presence >> bit & 1 == 1 { Some(crate::wire::Field::decode(from)?) } else { None }
                    },)*
                    lifetime: std::marker::PhantomData,
                };
                crate::wire::skip_newer(from, presence, known)?;
                Ok(value)
            }

            #[allow(unused_variables)]
            fn write_json_fields(&self, out: &mut Vec<u8>) {
                $(
                    out.extend_from_slice(concat!(",\"", $rkey, "\":").as_bytes());
                    crate::wire::Field::write_json(&self.$rfield, out);
                )*
                $(
                    if let Some(value) = &self.$ofield {
                        out.extend_from_slice(concat!(",\"", $okey, "\":").as_bytes());
                        crate::wire::Field::write_json(value, out);
                    }
                )*
            }

            #[allow(unused_variables)]
            fn read_json_fields(
                fields: &mut crate::json::Fields<$lt>,
            ) -> Result<Self, crate::json::EventError> {
                Ok($name {
                    $($rfield: fields.required($rkey)?,)*
                    $($ofield: fields.optional($okey)?,)*
                    lifetime: std::marker::PhantomData,
                })
            }
        }
    };
}
pub(crate) use structure;

/// Makes a structure usable as a field of another one.
macro_rules! nested {
    ($($name:ident),*) => {$(
        impl<'a> crate::wire::Field<'a> for $name<'a> {
            const EXPECTED: &'static str = "an object";

            fn size(&self) -> usize {
                crate::wire::Structure::measure(self).size
            }

            fn encode(&self, to: &mut crate::wire::Body<'_>) -> Result<(), crate::wire::Malformed> {
                crate::wire::Structure::encode(self, crate::wire::Structure::measure(self), to)
            }

            #[inline]
            fn decode(from: &mut crate::wire::Decoder<'a>) -> Result<Self, crate::wire::Malformed> {
                crate::wire::Structure::decode(from)
            }

            fn write_json(&self, out: &mut Vec<u8>) {
                let start = out.len();
                crate::wire::Structure::write_json_fields(self, out);
                crate::json::close_object(out, start);
            }

            fn read_json(raw: &'a serde_json::value::RawValue) -> Result<Self, crate::wire::FieldError> {
                let mut fields = crate::json::Fields::parse(raw.get())
                    .map_err(|_| crate::wire::FieldError::Type)?;
                let read = |fields: &mut crate::json::Fields<'a>| {
                    let value = crate::wire::Structure::read_json_fields(fields)?;
                    fields.finish()?;
                    Ok(value)
                };
                read(&mut fields).map_err(crate::wire::FieldError::Inside)
            }
        }
    )*};
}
pub(crate) use nested;

/// An enumeration of one byte on the wire and a string in JSON.
macro_rules! enumeration {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal $text:literal,)* }
        unknown: $first:ident
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)*
        }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$($name::$variant),*];

            /// Its name in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),* }
            }

            /// The one with this name in JSON.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some($name::$variant),)* _ => None }
            }

            /// Its number on the wire.
            #[must_use]
            pub fn number(self) -> u8 {
                match self { $($name::$variant => $number),* }
            }

            /// The one with this number; an unknown number is read as the first.
            #[must_use]
            pub fn from_number(number: u8) -> Self {
                match number { $($number => $name::$variant,)* _ => $name::$first }
            }
        }

        impl<'a> crate::wire::Field<'a> for $name {
            const EXPECTED: &'static str = concat!("one of", $(" ", $text),*);

            #[inline]
            fn size(&self) -> usize {
                1
            }

            #[inline]
            fn encode(&self, to: &mut crate::wire::Body<'_>) -> Result<(), crate::wire::Malformed> {
                crate::wire::Field::encode(&self.number(), to)
            }

            #[inline]
            fn decode(from: &mut crate::wire::Decoder<'a>) -> Result<Self, crate::wire::Malformed> {
                Ok(Self::from_number(crate::wire::Field::decode(from)?))
            }

            fn write_json(&self, out: &mut Vec<u8>) {
                crate::json::write_str(self.as_str(), out);
            }

            fn read_json(raw: &'a serde_json::value::RawValue) -> Result<Self, crate::wire::FieldError> {
                let name = crate::wire::string(raw)?;
                Self::from_name(&name).ok_or(crate::wire::FieldError::Type)
            }
        }
    };
}
pub(crate) use enumeration;

#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

/// The string that a JSON value is.
pub(crate) fn string(raw: &RawValue) -> Result<Cow<'_, str>, FieldError> {
    serde_json::from_str::<Borrowed<'_>>(raw.get()).map(|s| s.0).map_err(|_| FieldError::Type)
}

macro_rules! integer {
    ($($type:ty: |$value:ident| $size:expr;)*) => {$(
        impl<'a> Field<'a> for $type {
            const EXPECTED: &'static str = "a whole number that is not negative";

            #[inline]
            fn size(&self) -> usize {
                let $value = *self;
                $size
            }

            #[inline]
            fn encode(&self, to: &mut Body<'_>) -> Result<(), Malformed> {
                to.put(self)
            }

            #[inline]
            fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
                from.take()
            }

            fn write_json(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.to_string().as_bytes());
            }

            fn read_json(raw: &'a RawValue) -> Result<Self, FieldError> {
                serde_json::from_str(raw.get()).map_err(|_| FieldError::Type)
            }
        }
    )*};
}
integer! {
    u8: |_number| 1;
    u16: |number| size_of_number(u64::from(number));
    u32: |number| size_of_number(u64::from(number));
    u64: |number| size_of_number(number);
}

impl<'a> Field<'a> for bool {
    const EXPECTED: &'static str = "true or false";

    #[inline]
    fn size(&self) -> usize {
        1
    }

    #[inline]
    fn encode(&self, to: &mut Body<'_>) -> Result<(), Malformed> {
        to.put(self)
    }

    #[inline]
    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        from.take()
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }

    fn read_json(raw: &'a RawValue) -> Result<Self, FieldError> {
        serde_json::from_str(raw.get()).map_err(|_| FieldError::Type)
    }
}

impl<'a> Field<'a> for f64 {
    const EXPECTED: &'static str = "a number";

    #[inline]
    fn size(&self) -> usize {
        8
    }

    #[inline]
    fn encode(&self, to: &mut Body<'_>) -> Result<(), Malformed> {
        to.put(self)
    }

    #[inline]
    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        from.take()
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        time::write_f64(*self, out);
    }

    fn read_json(raw: &'a RawValue) -> Result<Self, FieldError> {
        // The text is a JSON value already. serde_json would read a number to within a digit of the last place, and not exactly.
        let is_number = raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let value: f64 = raw.get().parse().map_err(|_| FieldError::Type)?;
        if is_number && value.is_finite() { Ok(value) } else { Err(FieldError::Type) }
    }
}

impl<'a> Field<'a> for Time {
    const EXPECTED: &'static str = "a number of milliseconds";

    #[inline]
    fn size(&self) -> usize {
        size_of_signed(self.as_ns())
    }

    #[inline]
    fn encode(&self, to: &mut Body<'_>) -> Result<(), Malformed> {
        to.put(&self.as_ns())
    }

    #[inline]
    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        Ok(Time::from_ns(from.take()?))
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        time::write_ms(self.as_ns(), out);
    }

    fn read_json(raw: &'a RawValue) -> Result<Self, FieldError> {
        time::parse_ms(raw.get()).map(Time::from_ns).ok_or(FieldError::Type)
    }
}

/// A duration in nanoseconds; milliseconds in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationNs(pub i64);

impl From<std::time::Duration> for DurationNs {
    fn from(duration: std::time::Duration) -> Self {
        DurationNs(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl<'a> Field<'a> for DurationNs {
    const EXPECTED: &'static str = "a number of milliseconds";

    #[inline]
    fn size(&self) -> usize {
        size_of_signed(i128::from(self.0))
    }

    #[inline]
    fn encode(&self, to: &mut Body<'_>) -> Result<(), Malformed> {
        to.put(&self.0)
    }

    #[inline]
    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        from.take().map(DurationNs)
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        time::write_ms(i128::from(self.0), out);
    }

    fn read_json(raw: &'a RawValue) -> Result<Self, FieldError> {
        let ns = time::parse_ms(raw.get()).ok_or(FieldError::Type)?;
        Ok(DurationNs(i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })))
    }
}

impl<'a> Field<'a> for Cow<'a, str> {
    const EXPECTED: &'static str = "a string";

    #[inline]
    fn size(&self) -> usize {
        size_of_bytes(self.as_bytes())
    }

    #[inline]
    fn encode(&self, to: &mut Body<'_>) -> Result<(), Malformed> {
        to.put_bytes(self.as_bytes())
    }

    #[inline(always)]
    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        from.take::<&str>().map(Cow::Borrowed)
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        json::write_str(self, out);
    }

    fn read_json(raw: &'a RawValue) -> Result<Self, FieldError> {
        string(raw)
    }
}

impl<'a> Field<'a> for Vec<Cow<'a, str>> {
    const EXPECTED: &'static str = "an array of strings";

    #[inline]
    fn size(&self) -> usize {
        size_of_number(u64::try_from(self.len()).unwrap_or(u64::MAX))
            + self.iter().map(Field::size).sum::<usize>()
    }

    #[inline]
    fn encode(&self, to: &mut Body<'_>) -> Result<(), Malformed> {
        to.put(&u64::try_from(self.len()).map_err(|_| Malformed)?)?;
        self.iter().try_for_each(|s| Field::encode(s, to))
    }

    #[inline]
    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        // The count is not trusted with memory: each string takes at least one byte of the body.
        let count: u64 = from.take()?;
        let mut strings = Vec::new();
        for _ in 0..count {
            strings.push(Field::decode(from)?);
        }
        Ok(strings)
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for s in self {
            out.push(b',');
            json::write_str(s, out);
        }
        json::close_array(out, start);
    }

    fn read_json(raw: &'a RawValue) -> Result<Self, FieldError> {
        let strings: Vec<Borrowed<'a>> = serde_json::from_str(raw.get()).map_err(|_| FieldError::Type)?;
        Ok(strings.into_iter().map(|s| s.0).collect())
    }
}

impl<'a> Field<'a> for Payload<'a> {
    const EXPECTED: &'static str = "JSON";
    const NULL_IS_ABSENT: bool = false;

    #[inline]
    fn size(&self) -> usize {
        1 + size_of_bytes(&self.bytes)
    }

    #[inline]
    fn encode(&self, to: &mut Body<'_>) -> Result<(), Malformed> {
        to.put(&self.encoding)?;
        to.put_bytes(&self.bytes)
    }

    #[inline(always)]
    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        let encoding = from.take()?;
        let bytes: &'a [u8] = from.take()?;
        Ok(Payload { encoding, bytes: Cow::Borrowed(bytes) })
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        json::write_payload(self, out);
    }

    fn read_json(raw: &'a RawValue) -> Result<Self, FieldError> {
        Ok(Payload::json(raw.get()))
    }
}

impl<'a> Field<'a> for Text<'a> {
    const EXPECTED: &'static str = "a string";

    #[inline]
    fn size(&self) -> usize {
        self.0.size()
    }

    #[inline]
    fn encode(&self, to: &mut Body<'_>) -> Result<(), Malformed> {
        self.0.encode(to)
    }

    #[inline]
    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        Payload::decode(from).map(Text)
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        json::write_text(&self.0, out);
    }

    fn read_json(raw: &'a RawValue) -> Result<Self, FieldError> {
        match string(raw) {
            Ok(Cow::Borrowed(text)) => Ok(Text::new(text)),
            Ok(Cow::Owned(text)) => Ok(text.into()),
            // A string with a lone surrogate has no UTF-8: it is kept as it was spelled.
            Err(_) if raw.get().starts_with('"') => Ok(Text(Payload::json(raw.get()))),
            Err(error) => Err(error),
        }
    }
}
