//! Kills, power cuts, faults and damage against a tracewal store, for as long as one likes. The tests of the workspace do the same
//! things, with the same code, a fixed number of times; docs/testing.md says what each kind would catch.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::as_conversions, clippy::cast_possible_truncation)]

#[cfg(target_os = "linux")]
mod kinds;
#[cfg(target_os = "linux")]
mod torture;

#[cfg(target_os = "linux")]
#[path = "../../tests/support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    torture::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    println!("tracewal-torture needs Linux");
    std::process::ExitCode::FAILURE
}
