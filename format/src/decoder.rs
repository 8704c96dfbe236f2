//! Reading the primitives of the wire form (SPEC.md section 6). It is bincode's, and a test compares the two; the crate's own way takes
//! longer than finding and summing the record.

use crate::wire::Malformed;

/// Where bodies are read from.
pub(crate) struct Decoder<'a>(&'a [u8]);

/// A primitive.
pub(crate) trait Primitive<'a>: Sized {
    fn take(from: &mut Decoder<'a>) -> Result<Self, Malformed>;
}

impl<'a> Decoder<'a> {
    #[inline]
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Decoder(body)
    }

    #[inline]
    pub(crate) fn take<T: Primitive<'a>>(&mut self) -> Result<T, Malformed> {
        T::take(self)
    }

    /// Whether every byte has been used.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.take::<u64>()?).map_err(|_| Malformed)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// An unsigned number of at most so many bytes; the first byte is the number or says how many follow.
    fn long_number(&mut self, first: u8, most: usize) -> Result<u128, Malformed> {
        match first {
            251 if most >= 2 => Ok(u16::from_le_bytes(self.array()?).into()),
            252 if most >= 4 => Ok(u32::from_le_bytes(self.array()?).into()),
            253 if most >= 8 => Ok(u64::from_le_bytes(self.array()?).into()),
            254 if most >= 16 => Ok(u128::from_le_bytes(self.array()?)),
            _ => Err(Malformed),
        }
    }
}

macro_rules! unsigned {
    ($($type:ty)*) => {$(
        impl<'a> Primitive<'a> for $type {
            #[inline]
            fn take(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
                let [first] = from.array()?;
                if first < 251 {
                    return Ok(first.into());
                }
                let number = from.long_number(first, size_of::<$type>())?;
                <$type>::try_from(number).map_err(|_| Malformed)
            }
        }
    )*};
}

unsigned!(u16 u32 u64 u128);

impl<'a> Primitive<'a> for u8 {
    #[inline]
    fn take(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        from.array().map(|[byte]| byte)
    }
}

impl<'a> Primitive<'a> for bool {
    #[inline]
    fn take(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        match from.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Malformed),
        }
    }
}

impl<'a> Primitive<'a> for f64 {
    #[inline]
    fn take(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        from.array().map(f64::from_le_bytes)
    }
}

impl<'a> Primitive<'a> for i64 {
    #[inline]
    fn take(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        let number: u64 = from.take()?;
        let half = (number >> 1).cast_signed();
        Ok(if number & 1 == 0 { half } else { !half })
    }
}

impl<'a> Primitive<'a> for i128 {
    #[inline]
    fn take(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        let number: u128 = from.take()?;
        let half = (number >> 1).cast_signed();
        Ok(if number & 1 == 0 { half } else { !half })
    }
}

impl<'a> Primitive<'a> for &'a [u8] {
    #[inline]
    fn take(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        from.bytes()
    }
}

impl<'a> Primitive<'a> for &'a str {
    #[inline]
    fn take(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        std::str::from_utf8(from.bytes()?).map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use bincode::config::standard;
    use bincode::{BorrowDecode, borrow_decode_from_slice};

    use super::*;

    /// Reads the same bytes in both ways: the value and how much of them it took, or neither.
    fn compare<'a, T>(bytes: &'a [u8])
    where
        T: Primitive<'a> + BorrowDecode<'a, ()> + std::fmt::Debug,
    {
        let mut from = Decoder::new(bytes);
        let ours = from.take::<T>().map(|value| (format!("{value:?}"), bytes.len() - from.0.len())).ok();
        let theirs = borrow_decode_from_slice::<T, _>(bytes, standard());
        let theirs = theirs.map(|(value, length)| (format!("{value:?}"), length)).ok();
        assert_eq!(ours, theirs, "{bytes:?}");
    }

    #[test]
    fn the_primitives_are_bincodes() {
        let mut state = 1_u64;
        let mut random = move || {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            state.to_be_bytes()
        };
        for round in 0..20_000 {
            let mut bytes = [random(), random(), random()].concat();
            // The bytes that say how many follow, short strings, and the end of the bytes anywhere.
            let [choice, first, end, ..] = random();
            bytes[0] = match choice % 3 {
                0 => 245 + first % 11,
                1 => first % 6,
                _ => first,
            };
            if round % 2 == 0 {
                bytes.iter_mut().skip(1).for_each(|byte| *byte &= 0x7F);
            }
            bytes.truncate(usize::from(end) % 26);
            compare::<u8>(&bytes);
            compare::<u16>(&bytes);
            compare::<u32>(&bytes);
            compare::<u64>(&bytes);
            compare::<u128>(&bytes);
            compare::<i64>(&bytes);
            compare::<i128>(&bytes);
            compare::<bool>(&bytes);
            compare::<f64>(&bytes);
            compare::<&[u8]>(&bytes);
            compare::<&str>(&bytes);
        }
    }
}
