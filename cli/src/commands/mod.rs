//! One file per command.

mod demo;
mod demo_session;
mod events;
mod export;
mod import;
mod import_format;
mod import_into;
mod import_sessions;
mod ls;
mod man;
mod materialize;
mod path;
mod prices;
mod prune;
mod record;
mod record_input;
mod recover;
mod redact;
mod repair;
mod search;
mod show;
mod span_tree;
mod stats;
mod stats_by;
mod stats_row;
mod tail;
mod tail_line;
mod verify;
mod view;
mod why;

use crate::args::{Args, Command};
use crate::failure::Result;
use crate::stores;

/// Does what the command line says.
pub(crate) fn run(args: Args) -> Result<()> {
    let store = args.store;
    let folder = || stores::folder(store.clone());
    match args.command {
        Command::Demo(demo) => demo::run(store, &demo),
        Command::DemoWriter(writer) => demo_session::write(&folder()?, &writer),
        Command::Record(record) => record::run(&folder()?, &record),
        Command::Import(import) => import::run(&folder()?, &import),
        Command::Export(export) => export::run(&folder()?, &export),
        Command::Ls(ls) => ls::run(&folder()?, &ls),
        Command::Search(search) => search::run(&folder()?, &search),
        Command::Show(show) => show::run(&folder()?, &show),
        Command::Why(why) => why::run(&folder()?, &why),
        Command::View(view) => view::run(&folder()?, &view),
        Command::Events(events) => events::run(&folder()?, &events),
        Command::Tail(tail) => tail::run(&folder()?, &tail),
        Command::Path(path) => path::run(&folder()?, &path),
        Command::Recover(json) => recover::run(&folder()?, json),
        Command::Verify(verify) => verify::run(&folder()?, &verify),
        Command::Repair(repair) => repair::run(&folder()?, &repair),
        Command::Redact(redact) => redact::run(&folder()?, &redact),
        Command::Materialize(materialize) => materialize::run(&folder()?, &materialize),
        Command::Prune(prune) => prune::run(&folder()?, &prune),
        Command::Stats(stats) => stats::run(&folder()?, &stats),
        Command::Prices(prices) => prices::run(&prices),
        Command::Completions { shell } => man::completions(shell),
        Command::Man { command } => man::page(command.as_deref()),
    }
}
