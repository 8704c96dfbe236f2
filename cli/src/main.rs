//! The `tracewal` command.
//!
//! | module | holds |
//! |---|---|
//! | `args` | what can be said on the command line |
//! | `commands` | one file per command |
//! | `stores` | opening the store that was named, and finding the session that was named |
//! | `account`, `span_stream` | a session folded from its log; its spans, one after the other |
//! | `cost` | what a session cost, estimated where it does not say |
//! | `filters` | which sessions a command is about |
//! | `failure` | what can go wrong, and its exit code |
//! | `redaction` | secrets taken out on the way in or out |
//! | `output`, `table`, `text` | how things are printed |
#![forbid(unsafe_code)]

mod account;
mod args;
mod commands;
mod cost;
mod failure;
mod filters;
mod output;
mod redaction;
mod span_stream;
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
