//! What time it is, asked once per event.
//!
//! Asking the system costs 20 to 35 ns, half of an append. On x86-64, where the kernel itself tells time by the processor's time stamp
//! counter (its clock source is `tsc`: it has checked that the counters run evenly, and together), a thread asks the system once per
//! millisecond, and between adds what the counter has moved: 8 to 14 ns. A clock that somebody sets is followed within that
//! millisecond, and whoever appends less often gets the system's own time. Two threads may differ by as much as the system's clock is
//! being slewed in a millisecond: at most half a microsecond.

use std::time::SystemTime;

use tracewal_format::time::Time;

/// The time now, in nanoseconds since the epoch; what 64 bits cannot say (before 1677, after 2262) is clamped.
#[inline]
pub(crate) fn now_ns() -> i64 {
    #[cfg(target_arch = "x86_64")]
    return counter::now_ns();
    #[cfg(not(target_arch = "x86_64"))]
    system_ns()
}

fn system_ns() -> i64 {
    Time::from(SystemTime::now()).as_ns_i64()
}

#[cfg(target_arch = "x86_64")]
mod counter {
    use std::cell::Cell;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Instant;

    use super::system_ns;

    /// When a thread last asked the system.
    #[derive(Clone, Copy)]
    struct Asked {
        ticks: u64,
        ns: i64,
        /// For how many ticks that is good.
        good_for: u64,
        /// How many nanoseconds a tick is, times 2^32.
        scale: u64,
    }

    thread_local! {
        static ASKED: Cell<Asked> = const { Cell::new(Asked { ticks: 0, ns: 0, good_for: 0, scale: 0 }) };
    }

    #[inline]
    fn ticks() -> u64 {
        // SAFETY: every x86-64 has the instruction. (Where the system forbids it, it is emulated.)
        unsafe { core::arch::x86_64::_rdtsc() }
    }

    /// What another clock says, and the counter at that moment: the best of four tries, if the first was not good. A thread that is taken off
    /// its processor between the two would remember what neither said; that happens to one try in many thousands, and not to four in a row.
    fn together<T>(other: impl Fn() -> T) -> (u64, T) {
        /// About a microsecond on the processors of today; asking takes 20 to 50 ns.
        const AT_ONCE: u64 = 3_000;
        let one = || {
            let (before, other, after) = (ticks(), other(), ticks());
            (after.wrapping_sub(before), before, other)
        };
        let mut best = one();
        for _ in 0..3 {
            if best.0 < AT_ONCE {
                break;
            }
            let next = one();
            if next.0 < best.0 {
                best = next;
            }
        }
        (best.1, best.2)
    }

    #[inline]
    pub(super) fn now_ns() -> i64 {
        let (now, asked) = (ticks(), ASKED.get());
        let since = now.wrapping_sub(asked.ticks);
        if since < asked.good_for {
            // Good for a millisecond: the product has 20 bits and 32.
            return asked.ns.saturating_add_unsigned((since * asked.scale) >> 32);
        }
        ask()
    }

    #[cold]
    fn ask() -> i64 {
        let scale = scale();
        let (ticks, ns) = together(system_ns);
        let good_for = (1_000_000_u64 << 32).checked_div(scale).unwrap_or(0);
        ASKED.set(Asked { ticks, ns, good_for, scale });
        ns
    }

    /// Nanoseconds per tick, times 2^32; 0 as long as that is not known, and where the counter is not to be trusted.
    fn scale() -> u64 {
        static SCALE: AtomicU64 = AtomicU64::new(0);
        static FIRST: OnceLock<Option<(u64, Instant)>> = OnceLock::new();
        /// Reading both clocks is exact to some 50 ns, and to a microsecond at worst: over this long, to 5 or 100 millionths.
        const LONG_ENOUGH_NS: u128 = 10_000_000;

        let known = SCALE.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let is_kernels_own = || {
            let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
            std::fs::read_to_string(source).is_ok_and(|name| name.trim() == "tsc")
        };
        let first = FIRST.get_or_init(|| is_kernels_own().then(|| together(Instant::now)));
        let Some((first, then)) = *first else { return 0 };
        let (now, passed) = together(|| then.elapsed().as_nanos());
        if passed < LONG_ENOUGH_NS {
            return 0;
        }
        let scale = (passed << 32)
            .checked_div(u128::from(now.wrapping_sub(first)))
            .and_then(|scale| u64::try_from(scale).ok());
        // A counter of 250 MHz to 100 GHz; anything else is none.
        let scale = scale.filter(|scale| (1 << 25..1 << 34).contains(scale)).unwrap_or(0);
        SCALE.store(scale, Ordering::Relaxed);
        scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_systems_time() {
        let began = std::time::Instant::now();
        let mut asked = 0;
        while began.elapsed().as_millis() < 60 {
            let (before, now, after) = (system_ns(), now_ns(), system_ns());
            // The margin is for a clock that is being slewed.
            assert!((before - 5_000..=after + 5_000).contains(&now), "{before} {now} {after}");
            asked += 1;
        }
        assert!(asked > 100);
    }

    #[test]
    fn every_thread_has_the_same() {
        std::thread::sleep(std::time::Duration::from_millis(15));
        for _ in 0..100 {
            let before = now_ns();
            let other = std::thread::spawn(now_ns).join().unwrap();
            let after = now_ns();
            assert!((before - 5_000..=after + 5_000).contains(&other), "{before} {other} {after}");
        }
    }
}
