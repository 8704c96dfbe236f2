//! Tables that signal handlers read while other threads take entries and give them back.
//!
//! Entries are never moved and never freed: they stand in chunks that are leaked. Taking and giving back needs no lock, so that a child
//! that was forked in the middle of it finds nothing locked.

use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// Chunk n holds 64 × 2^n entries; 20 of them are 67 million.
const CHUNKS: usize = 20;
const FIRST_CHUNK: usize = 64;

#[derive(Debug)]
pub(super) struct Entry<T: 'static> {
    value: T,
    /// Its place in the table, from 1.
    number: u32,
    /// Of the next one that nobody has; 0 = none.
    next: AtomicU32,
}

impl<T> std::ops::Deref for Entry<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

pub(super) struct Table<T: 'static> {
    chunks: [AtomicPtr<Entry<T>>; CHUNKS],
    /// Bits 0 to 31: the first entry that nobody has; 0 = none. Above: how often this was changed, so that an entry that was taken and
    /// given back meanwhile is not mistaken for what it was.
    free: AtomicU64,
}

const NUMBER: u64 = 0xFFFF_FFFF;

impl<T: Default + Sync> Table<T> {
    pub(super) const fn new() -> Self {
        Table { chunks: [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS], free: AtomicU64::new(0) }
    }

    /// An entry that is the caller's until it gives it back, as its last owner left it. `None`: the table is full.
    pub(super) fn take(&self) -> Option<&'static Entry<T>> {
        let mut head = self.free.load(Ordering::Acquire);
        loop {
            let Some(first) = self.entry(head & NUMBER) else {
                self.grow()?;
                head = self.free.load(Ordering::Acquire);
                continue;
            };
            let next = u64::from(first.next.load(Ordering::Relaxed));
            match self.exchange_free(head, next) {
                Ok(()) => return Some(first),
                Err(now) => head = now,
            }
        }
    }

    pub(super) fn give_back(&self, entry: &'static Entry<T>) {
        self.push(entry, entry);
    }

    /// Every entry, whether somebody has it or not. Async-signal-safe.
    #[cfg_attr(not(unix), allow(dead_code))]
    pub(super) fn entries(&self) -> impl Iterator<Item = &'static Entry<T>> {
        (0..CHUNKS).map_while(|n| self.chunk(n)).flatten()
    }

    fn chunk(&self, n: usize) -> Option<&'static [Entry<T>]> {
        let first = self.chunks.get(n)?.load(Ordering::Acquire);
        // SAFETY: null, or leaked with this many entries before it was put into the table; only shared references are made.
        (!first.is_null()).then(|| unsafe { std::slice::from_raw_parts(first, FIRST_CHUNK << n) })
    }

    fn entry(&self, number: u64) -> Option<&'static Entry<T>> {
        // The chunks before n hold 64 × (2^n − 1) entries.
        let index = usize::try_from(number.checked_sub(1)?).ok()? + FIRST_CHUNK;
        let n = usize::try_from((index / FIRST_CHUNK).ilog2()).ok()?;
        self.chunk(n)?.get(index - (FIRST_CHUNK << n))
    }

    fn exchange_free(&self, head: u64, number: u64) -> Result<(), u64> {
        let changed = (head & !NUMBER).wrapping_add(NUMBER + 1) | number;
        self.free.compare_exchange_weak(head, changed, Ordering::AcqRel, Ordering::Acquire).map(|_| ())
    }

    /// Puts a chain of entries in front of those that nobody has.
    fn push(&self, first: &'static Entry<T>, last: &'static Entry<T>) {
        let mut head = self.free.load(Ordering::Acquire);
        loop {
            last.next.store(u32::try_from(head & NUMBER).unwrap_or(0), Ordering::Relaxed);
            match self.exchange_free(head, u64::from(first.number)) {
                Ok(()) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Adds a chunk, unless another thread has just done so.
    fn grow(&self) -> Option<()> {
        let n = self.chunks.iter().position(|chunk| chunk.load(Ordering::Acquire).is_null())?;
        let slot = self.chunks.get(n)?;
        let len = u32::try_from(FIRST_CHUNK << n).ok()?;
        let before = len - u32::try_from(FIRST_CHUNK).ok()?;
        let entry = |k: u32| Entry {
            value: T::default(),
            number: before + k + 1,
            next: AtomicU32::new(if k + 1 < len { before + k + 2 } else { 0 }),
        };
        let chunk: Box<[Entry<T>]> = (0..len).map(entry).collect();
        let chunk = Box::into_raw(chunk);
        let (null, first) = (std::ptr::null_mut(), chunk.cast::<Entry<T>>());
        if slot.compare_exchange(null, first, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: leaked a moment ago, and seen by nobody.
            drop(unsafe { Box::from_raw(chunk) });
            return Some(());
        }
        let chunk = self.chunk(n)?;
        if let (Some(first), Some(last)) = (chunk.first(), chunk.last()) {
            self.push(first, last);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[derive(Default)]
    struct Taken(AtomicBool);

    #[test]
    fn an_entry_has_one_owner_whatever_threads_do() {
        static TABLE: Table<Taken> = Table::new();
        std::thread::scope(|scope| {
            for thread in 0..4_usize {
                scope.spawn(move || {
                    let mut mine: Vec<&'static Entry<Taken>> = Vec::new();
                    for n in 0..20_000_usize {
                        // Up to 700 at a time and back to none: chunks are added while others take and give back.
                        if (n + thread * 100) % 1400 < 700 {
                            let entry = TABLE.take().unwrap();
                            assert!(!entry.0.swap(true, Ordering::AcqRel), "somebody has it");
                            mine.push(entry);
                        } else if let Some(entry) = mine.pop() {
                            assert!(entry.0.swap(false, Ordering::AcqRel), "nobody has it");
                            TABLE.give_back(entry);
                        }
                    }
                    for entry in mine {
                        entry.0.store(false, Ordering::Release);
                        TABLE.give_back(entry);
                    }
                });
            }
        });
        let all = TABLE.entries().count();
        let numbers: HashSet<u32> = (0..all).map(|_| TABLE.take().unwrap().number).collect();
        assert_eq!(numbers.len(), all, "each can be had, once");
        assert_eq!(TABLE.entries().count(), all);
    }

    #[test]
    fn numbers_lead_to_their_entries_over_many_chunks() {
        static TABLE: Table<Taken> = Table::new();
        let taken: Vec<&'static Entry<Taken>> = (0..10_000).map(|_| TABLE.take().unwrap()).collect();
        for entry in taken {
            assert!(std::ptr::eq(TABLE.entry(entry.number.into()).unwrap(), entry));
        }
    }
}
