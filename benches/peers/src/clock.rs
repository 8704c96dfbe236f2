//! A real clock, read once per event.

use std::time::{SystemTime, UNIX_EPOCH};

/// Where a contender's time comes from.
#[derive(Clone, Copy)]
pub enum Clock {
    /// What the standard library gives, as a peer's user would take it.
    System,
    /// The processor's cycle counter, scaled to the system's time when the clock was made.
    #[cfg(target_arch = "x86_64")]
    Counter(Counter),
}

/// The counter at one moment, and how fast it runs.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Counter {
    start_ticks: u64,
    start_ns: u64,
    /// Nanoseconds per tick, times 2^32.
    scale: u64,
}

impl Clock {
    /// The raw loops read what tracewal reads: change this line when that changes.
    pub fn of_raw_loops() -> Self {
        Clock::counter()
    }

    /// The cycle counter where there is one.
    pub fn counter() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let (start_ticks, start_ns) = (ticks(), system_ns());
            std::thread::sleep(std::time::Duration::from_millis(20));
            let (end_ticks, end_ns) = (ticks(), system_ns());
            let scale = (u128::from(end_ns - start_ns) << 32) / u128::from(end_ticks - start_ticks);
            Clock::Counter(Counter {
                start_ticks,
                start_ns,
                scale: u64::try_from(scale).expect("a tick is shorter than a second"),
            })
        }
        #[cfg(not(target_arch = "x86_64"))]
        Clock::System
    }

    #[inline]
    pub fn now_ns(&self) -> u64 {
        match self {
            Clock::System => system_ns(),
            #[cfg(target_arch = "x86_64")]
            Clock::Counter(counter) => {
                let passed = u128::from(ticks() - counter.start_ticks) * u128::from(counter.scale);
                counter.start_ns + (passed >> 32) as u64
            }
        }
    }
}

#[inline]
fn system_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    since.as_nanos() as u64
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the instruction.
    unsafe { core::arch::x86_64::_rdtsc() }
}
