//! The real store walks random paths of the model. In a process of its own, because that forks.
//!
//! `TRACEWAL_PATHS` sets how many; by hand: `cargo run --release -p tracewal-model replay --paths 10000`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn replay(paths: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracewal-model"));
    let output = command.args(["replay", "--paths", paths]).args(more).output().unwrap();
    println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn the_store_does_what_the_model_says() {
    let paths = std::env::var("TRACEWAL_PATHS").unwrap_or_else(|_| "1000".into());
    assert!(replay(&paths, &[]).status.success());
}

/// A comparison that never fails proves nothing: the model is told less than the store keeps to.
#[test]
fn a_model_that_lacks_a_rule_is_found_out() {
    for rule in ["look_again", "durable_before_shown", "look_before_release", "takeover_shows_crash"] {
        assert!(!replay("1000", &["--without", rule]).status.success(), "{rule}");
    }
}
