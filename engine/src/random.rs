//! Numbers that nobody else has.

use std::path::Path;

use crate::error::{Error, Result};

pub(crate) fn u64() -> Result<u64> {
    getrandom::u64().map_err(|e| Error::io("get random numbers from", Path::new("the system"), e.into()))
}

pub(crate) fn u128() -> Result<u128> {
    Ok((u128::from(u64()?) << 64) | u128::from(u64()?))
}
