//! `tracewal completions` and `tracewal man`: what is made of the command line's own description.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::{Failure, Result};
use crate::output;

pub(crate) fn completions(shell: Shell) -> Result<()> {
    // Made in memory first: the generator takes a broken pipe for a bug.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "tracewal", &mut script);
    print(&script)
}

pub(crate) fn page(command: Option<&str>) -> Result<()> {
    let mut whole = Args::command();
    whole.build();
    let shown = match command {
        None => whole,
        Some(name) => whole
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Failure::not_found(format!("there is no command {name}; see tracewal --help")))?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(shown).render(&mut page)?;
    print(&page)
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut out = output::programs();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}
