//! tracewal and its peers, on the same work with the same guarantee: see README.md.

mod charts;
mod child;
mod clock;
mod contender;
mod contenders;
mod event;
mod frame;
mod job;
mod kill;
mod machine;
mod measure;
mod report;
mod results;
mod rounds;
mod targets;
mod work;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::contender::{Contender, Result};
use crate::job::Job;
use crate::measure::Plan;

/// Measures tracewal and its peers, and writes a report with charts.
#[derive(Parser)]
struct Arguments {
    /// Less data, fewer rounds and kills: a check of the ratios in under a minute.
    #[arg(long)]
    quick: bool,
    /// Only contenders whose names contain one of these, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where peers.md and the charts go.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance"))]
    out: PathBuf,
    /// A folder on the file system that is to be measured. Needs 12 GB.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/data"))]
    data: PathBuf,
    /// One measurement, for a process of its own.
    #[arg(long, hide = true)]
    job: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(job) = &arguments.job {
        return child::run(&serde_json::from_str::<Job>(job)?, &arguments.data);
    }
    let plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    let is_wanted = |contender: &&'static dyn Contender| {
        let name = contender.facts().name;
        arguments.only.is_empty() || arguments.only.iter().any(|part| name.contains(part.as_str()))
    };
    let contenders = contenders::ALL.iter().copied().filter(is_wanted).collect();
    fs::create_dir_all(&arguments.data)?;
    // A folder of this run alone: nothing is removed but what it has made.
    let data = tempfile::tempdir_in(arguments.data.canonicalize()?)?;
    let results = measure::all(contenders, plan, data.path());
    let text = report::markdown(&results, plan, arguments.quick, data.path());
    write(&arguments.out, &text, &results)
}

fn write(folder: &Path, text: &str, results: &results::Results) -> Result<()> {
    fs::create_dir_all(folder)?;
    let path = folder.canonicalize()?.join("peers.md");
    fs::write(&path, text)?;
    charts::draw(results, folder)?;
    println!("{}", path.display());
    Ok(())
}
