//! The `tracewal` command.

fn main() {}
