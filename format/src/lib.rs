//! The bytes of a tracewal log, as SPEC.md defines them: segments, records, events, and how a log is read.
//!
//! This crate turns bytes into records and back. It does no I/O, reads no clock, has no `unsafe`, and panics on no input
//! (I11). Where to look:
//!
//! | module | holds |
//! |---|---|
//! | [`event`] | the events (one table decides their fields, wire form and JSON keys) |
//! | [`json`] | events as JSON lines, in and out; free-form JSON checked and compacted |
//! | [`record`] | the frame around an event |
//! | [`segment`] | a segment's header, seal and crash slots |
//! | [`log`] | reading a session's segments in order: what is there, what is lost |
//! | [`index`] | the index of a store, which is a view of its sessions |
//! | [`build`] | a segment in memory, for repair and for tests |
//! | [`time`] | nanoseconds inside, milliseconds outside |
#![forbid(unsafe_code)]

pub mod build;
pub mod checksum;
mod decoder;
pub mod event;
pub mod index;
pub mod json;
pub mod log;
pub mod record;
pub mod segment;
pub mod time;
mod wire;

/// The version of the format that this crate writes, and the highest that it reads.
pub const FORMAT_VERSION: u16 = 1;
