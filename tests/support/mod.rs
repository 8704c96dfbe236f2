//! What the whole-system tests share: children that can be killed, memory that survives them, events that can be told apart, and
//! an eye on what is left on disk.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::as_conversions, clippy::cast_possible_truncation)]

pub(crate) mod board;
pub(crate) mod child;
pub(crate) mod damage;
pub(crate) mod damage_log;
pub(crate) mod door;
#[cfg(target_os = "linux")]
pub(crate) mod faults;
pub(crate) mod image;
pub(crate) mod kills;
pub(crate) mod log;
#[cfg(target_os = "linux")]
pub(crate) mod power_cut_run;
#[cfg(target_os = "linux")]
pub(crate) mod power_cuts;
pub(crate) mod random;
pub(crate) mod seccomp;
pub(crate) mod shadow;
pub(crate) mod shadow_cut;
pub(crate) mod shadow_ledger;
pub(crate) mod small_disk;
pub(crate) mod trials;
pub(crate) mod wal;
pub(crate) mod words;
pub(crate) mod wrong;
