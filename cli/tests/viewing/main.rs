//! `tracewal view`: what the page is given, and who is given anything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    unreachable_pub
)]

mod browser;
mod counted;
mod files;
mod gate;
mod live;
mod real_sessions;
mod single_file;
#[path = "../support/mod.rs"]
mod support;
mod troubled;
