//! `tracewal prices`: what models cost.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;
use tracewal_prices::{Entry, Price, Prices, default_path};

use crate::args::{PricesCommand, PricesOf, SetPrice};
use crate::failure::{Failure, Result};
use crate::table::{Cell, Column, Table};
use crate::{cost, output};

pub(crate) fn run(args: &PricesOf) -> Result<()> {
    match &args.what {
        None => list(args.json.json),
        Some(PricesCommand::List(json)) => list(json.json),
        Some(PricesCommand::Path) => {
            let mut out = output::people();
            writeln!(out, "{}", path()?.display())?;
            Ok(out.flush()?)
        }
        Some(PricesCommand::Set(set)) => set_price(set),
        Some(PricesCommand::Edit) => edit(&path()?),
    }
}

fn path() -> Result<PathBuf> {
    default_path().ok_or_else(|| {
        Failure::error("there is no home folder to keep prices in; name a file with TRACEWAL_PRICES")
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'e> {
    model: &'e str,
    input: f64,
    output: f64,
    reasoning: Option<f64>,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
    source: &'e str,
    read_on: Option<&'e str>,
}

impl<'e> Line<'e> {
    fn of((model, entry): (&'e str, &'e Entry)) -> Self {
        let Price { input, output, reasoning, cache_read, cache_write } = entry.price;
        let read_on = entry.read_on.as_deref();
        Line { model, input, output, reasoning, cache_read, cache_write, source: &entry.source, read_on }
    }
}

fn list(is_json: bool) -> Result<()> {
    let prices = cost::own_prices()?;
    let lines: Vec<Line<'_>> = prices.iter().map(Line::of).collect();
    if is_json {
        return output::json(&lines);
    }
    let column = |name, right, rank| Column { name, right, at_most: 60, rank };
    let mut table = Table::new(&[
        column("MODEL", false, 0),
        column("INPUT", true, 0),
        column("OUTPUT", true, 0),
        column("CACHE READ", true, 1),
        column("CACHE WRITE", true, 1),
        column("READ ON", false, 3),
        column("SOURCE", false, 0),
    ]);
    let dollars =
        |dollars: Option<f64>| dollars.map_or_else(|| "-".to_owned(), |dollars| format!("{dollars}"));
    for line in lines {
        table.push(vec![
            Cell::styled(line.model, output::BOLD),
            Cell::plain(dollars(Some(line.input))),
            Cell::plain(dollars(Some(line.output))),
            Cell::plain(dollars(line.cache_read)),
            Cell::plain(dollars(line.cache_write)),
            Cell::plain(line.read_on.unwrap_or("-")),
            Cell::plain(line.source),
        ]);
    }
    let mut out = output::people();
    table.print(&mut out)?;
    Ok(out.flush()?)
}

fn set_price(set: &SetPrice) -> Result<()> {
    let price = Price {
        input: set.input,
        output: set.output,
        reasoning: set.reasoning,
        cache_read: set.cache_read,
        cache_write: set.cache_write,
    };
    tracewal_prices::set(&path()?, &set.model, &price).map_err(Failure::error)
}

/// The editor may be a command with arguments, as elsewhere.
fn edit(path: &Path) -> Result<()> {
    let named = |name: &str| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).ok_or_else(|| {
        Failure::error(format!(
            "neither VISUAL nor EDITOR says which editor to use; the file is {}",
            path.display()
        ))
    })?;
    tracewal_prices::make(path).map_err(Failure::error)?;
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    let status = Command::new(program).args(words).arg(path).status();
    let status = status.map_err(|error| Failure::error(format!("{program}: {error}")))?;
    if !status.success() {
        return Err(Failure::error(format!("{program} ended with {status}")));
    }
    // What is wrong with it is said now, and not when somebody asks for a sum.
    Prices::with(path).map(drop).map_err(Failure::error)
}
