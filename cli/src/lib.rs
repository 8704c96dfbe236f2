//! What the command-line tool is made of, as a library, so that tests can reach it.
//!
//! | module | holds |
//! |---|---|
//! | [`import`] | the transcripts that other tools leave behind, as events |
#![forbid(unsafe_code)]

pub mod import;
