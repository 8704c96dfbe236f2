//! Any bytes as a transcript: every line is represented or said to be invalid, and the view is valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracewal_cli::import::Source;

fuzz_target!(|bytes: &[u8]| tracewal_fuzz::import::check(Source::Codex, bytes));
