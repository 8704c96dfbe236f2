//! What [`reservation`](crate::reservation) is built on, apart from it: its model test includes that file beside loom's counterpart of
//! this one.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

/// Between two looks at what another thread is about to change.
#[inline]
pub(crate) fn pause(looks: u32) {
    if looks < 128 { std::hint::spin_loop() } else { std::thread::yield_now() }
}
