//! Numbers that one seed gives again.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl From<u64> for Random {
    /// The stream of this seed.
    fn from(seed: u64) -> Self {
        Random(seed)
    }
}

impl Random {
    /// The stream of this name, from `TRACEWAL_SEED` or else the clock; says which.
    pub(crate) fn named(name: &str) -> Self {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
        let seed = std::env::var("TRACEWAL_SEED").ok().map_or_else(clock, |seed| seed.parse().unwrap());
        println!("{name}: TRACEWAL_SEED={seed}");
        let mut random = Random(seed);
        for byte in name.bytes() {
            random.0 ^= u64::from(byte);
            random.next();
        }
        random
    }

    /// The stream of this seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
