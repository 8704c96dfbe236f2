//! The `tracewal` command.
//!
//! | module | holds |
//! |---|---|
//! | `args` | what can be said on the command line |
//! | `commands` | one file per command |
//! | `stores` | opening the store that was named, and finding the session that was named |
//! | `account` | a session folded from its log |
//! | `filters` | which sessions a command is about |
//! | `failure` | what can go wrong, and its exit code |
//! | `output`, `table`, `text` | how things are printed |
#![forbid(unsafe_code)]

mod account;
mod args;
mod commands;
mod failure;
mod filters;
mod output;
mod stores;
mod table;
mod text;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match commands::run(args::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
