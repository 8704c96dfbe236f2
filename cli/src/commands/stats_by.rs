//! `tracewal stats --by`: tokens, costs, times and errors, one session after the other.

use std::collections::BTreeMap;
use std::io::Write;

use anstyle::AnsiColor;
use serde::{Deserialize, Serialize};
use tracewal::{Status, Store};
use tracewal_prices::{Bill, Prices};

use super::ls::{self, Listed};
use super::stats_row::{OTHERS, ROWS_MAX as MODELS_MAX, Row, RowJson, Rows, Unit, rate};
use crate::account::Account;
use crate::args::{By, ChartOf, Stats};
use crate::cost::{self, Model, SessionCost, Spent, TokenCounts};
use crate::failure::{ERROR, Failure, Outcome, Result};
use crate::output::{BOLD, DIM};
use crate::table::{Cell, Column, Table};
use crate::{output, span_stream, text};

const NONE: &str = "(none)";
/// How wide a bar is at most.
const BAR_COLUMNS: u32 = 48;

pub(crate) fn run(store: &Store, by: By, args: &Stats) -> Result<()> {
    let prices = cost::prices();
    let (mut rows, mut total, mut outcome) = (Rows::default(), Row::default(), Outcome::default());
    for session in ls::all(store)? {
        let name = session.name();
        let listed = Listed::of(store, session);
        if !args.filters.let_through(&listed.facts()) {
            continue;
        }
        let added = Account::of(store, &name).and_then(|account| {
            add(by, account, &listed, &prices, &mut |key, unit| {
                rows.add(key, unit);
                total.add(unit);
            })
        });
        // What cannot be read is said, and hides no other (I7).
        if let Err(failure) = added {
            outcome.note(in_session(&listed.session_id, failure))?;
        }
    }
    let rows = rows.into_sorted(by == By::Day);
    if args.json.json {
        output::json(&Json {
            by: by.key(),
            rows: rows.iter().map(|(key, row)| row.json(Some(key))).collect(),
            total: total.json(None),
        })?;
        return outcome.finish();
    }
    let mut out = output::people();
    match args.chart {
        Some(of) => chart(by, of, &rows, &mut out)?,
        None => table(by, &rows, &total, &mut out)?,
    }
    out.flush()?;
    outcome.finish()
}

fn in_session(session: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Said(_, what) => {
            Failure::Said(ERROR, format!("session \"{session}\" is not counted: {what}"))
        }
        other => other,
    }
}

#[derive(Serialize)]
struct Json {
    by: &'static str,
    rows: Vec<RowJson>,
    total: RowJson,
}

/// The part of a span in a canonical JSON that is counted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CountedSpan {
    parent_span_id: Option<String>,
    name: String,
    kind: String,
    start_time: f64,
    end_time: Option<f64>,
    status: String,
    #[serde(default)]
    model: Model,
    tokens: Option<TokenCounts>,
    cost: Option<f64>,
    #[serde(default)]
    tool: Tool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tool {
    duration_ms: Option<f64>,
}

impl CountedSpan {
    fn spent(&self) -> Spent<'_> {
        Spent {
            is_root: self.parent_span_id.is_none(),
            model: self.model.model_id.as_deref(),
            tokens: self.tokens,
            cost: self.cost,
        }
    }

    fn unit(&self, counts: bool) -> Unit {
        let ms = self.tool.duration_ms.or_else(|| Some(self.end_time? - self.start_time));
        Unit {
            counts,
            failed: self.status != "ok",
            duration_us: ms.map(|ms| micros(ms / 1_000.0)),
            tokens: self.tokens.map(TokenCounts::classes).unwrap_or_default(),
            cost: self.cost.filter(|cost| cost.is_finite()).unwrap_or(0.0),
            estimate: Bill::default(),
        }
    }
}

fn micros(seconds: f64) -> u64 {
    let duration =
        std::time::Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(std::time::Duration::MAX);
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Adds what a session has for its rows.
fn add(
    by: By,
    mut account: Account,
    listed: &Listed,
    prices: &Prices,
    to: &mut dyn FnMut(&str, &Unit),
) -> Result<()> {
    match by {
        By::Tool => span_stream::each(&mut account, |span: CountedSpan| {
            if span.kind == "tool" {
                to(&span.name, &span.unit(true));
            }
        }),
        By::Model => by_model(&mut account, prices, to),
        By::Day | By::Status | By::Agent => {
            let unit = whole(&mut account, prices)?;
            let day;
            let key = match by {
                By::Day => {
                    day = listed.started.map_or_else(|| "?".to_owned(), text::local);
                    day.split(' ').next().unwrap_or("?")
                }
                By::Status => account.status(),
                _ => listed.agent.as_deref().unwrap_or(NONE),
            };
            to(key, &unit);
            Ok(())
        }
    }
}

/// Model calls, and whatever else has tokens or a cost. The root's count where no other span has any, as in the session's own totals.
fn by_model(account: &mut Account, prices: &Prices, to: &mut dyn FnMut(&str, &Unit)) -> Result<()> {
    let session_model = account.summary().metadata.model.as_deref().map(str::to_owned);
    let mut cost = SessionCost::new(prices, account.summary());
    // Whether the session says itself what it cost is known at its end: until then estimates wait.
    let mut estimates = BTreeMap::<String, Bill>::new();
    let mut root = None;
    let (mut others_have_tokens, mut others_have_costs) = (false, false);
    span_stream::each(account, |span: CountedSpan| {
        cost.add(span.spent());
        let unit = span.unit(span.kind == "generation");
        if !unit.counts && span.tokens.is_none() && span.cost.is_none() {
            return;
        }
        let model = span.model.model_id.as_deref().or(session_model.as_deref());
        let key = model.unwrap_or(NONE);
        let mut estimate = Bill::default();
        if let Some(tokens) = span.tokens {
            estimate.add(prices, model, tokens.into());
        }
        if span.parent_span_id.is_none() {
            root = Some((key.to_owned(), unit, estimate));
            return;
        }
        others_have_tokens |= span.tokens.is_some();
        others_have_costs |= span.cost.is_some();
        to(key, &unit);
        if span.tokens.is_some() {
            let is_full = estimates.len() >= MODELS_MAX && !estimates.contains_key(key);
            let key = if is_full { OTHERS } else { key };
            estimates.entry(key.to_owned()).or_default().merge(&estimate);
        }
    })?;
    let says_it = cost.estimate().is_none();
    if let Some((key, mut unit, estimate)) = root {
        if others_have_tokens {
            unit.tokens = Default::default();
        } else {
            estimates.insert(key.clone(), estimate);
        }
        if others_have_costs {
            unit.cost = 0.0;
        }
        to(&key, &unit);
    }
    for (key, estimate) in estimates.into_iter().filter(|_| !says_it) {
        to(&key, &Unit { estimate, ..Unit::default() });
    }
    Ok(())
}

/// A session as one.
fn whole(account: &mut Account, prices: &Prices) -> Result<Unit> {
    let mut cost = SessionCost::new(prices, account.summary());
    span_stream::each(account, |span: CountedSpan| cost.add(span.spent()))?;
    let estimate = cost.estimate().cloned().unwrap_or_default();
    let summary = account.summary();
    let tokens = &summary.tokens;
    Ok(Unit {
        counts: true,
        failed: matches!(summary.status, Status::Error | Status::Crashed) || account.is_unrecorded_crash(),
        duration_us: Some(u64::try_from(summary.duration_ns() / 1_000).unwrap_or(u64::MAX)),
        tokens: [tokens.input, tokens.output, tokens.reasoning, tokens.cache_read, tokens.cache_write],
        cost: summary.total_cost,
        estimate,
    })
}

impl By {
    fn key(self) -> &'static str {
        match self {
            By::Model => "model",
            By::Day => "day",
            By::Tool => "tool",
            By::Status => "status",
            By::Agent => "agent",
        }
    }

    /// What is counted, and the heading of its column.
    fn counted(self) -> &'static str {
        match self {
            By::Model | By::Tool => "CALLS",
            By::Day | By::Status | By::Agent => "SESSIONS",
        }
    }
}

const fn right(name: &'static str, rank: u8) -> Column {
    Column { name, right: true, at_most: 16, rank }
}

fn table(by: By, rows: &[(String, Row)], total: &Row, out: &mut impl Write) -> Result<()> {
    let columns = [
        right(by.counted(), 0),
        right("ERRORS", 2),
        right("RATE", 2),
        right("P50", 3),
        right("P95", 3),
        right("INPUT", 5),
        right("OUTPUT", 5),
        right("CACHED", 6),
        right("TOKENS", 0),
        right("COST", 0),
        Column { name: "", right: false, at_most: 200, rank: 0 },
    ];
    let mut table = Table::new(&columns);
    for (key, row) in rows {
        table.push(cells(row, Cell::styled(key.clone(), BOLD)));
    }
    if rows.len() != 1 {
        table.push(cells(total, Cell::styled("total", DIM)));
    }
    table.print(out)?;
    let unknown = total.estimate.unknown();
    if !unknown.is_empty() {
        let unknown: Vec<&str> = unknown.iter().map(String::as_str).collect();
        let unknown = text::cut(&unknown.join(", "), 400);
        writeln!(
            out,
            "{DIM}no price, and so no cost, for {unknown}; tracewal prices set MODEL ... gives one{DIM:#}"
        )?;
    }
    Ok(())
}

fn cells(row: &Row, last: Cell) -> Vec<Cell> {
    let [input, output, reasoning, cache_read, cache_write] = row.tokens;
    let took = |percent| row.percentile(percent).map_or_else(|| "-".to_owned(), took);
    vec![
        Cell::plain(text::grouped(row.count)),
        Cell::plain(text::grouped(row.failed)),
        Cell::plain(format!("{:.1}%", 100.0 * rate(row.failed, row.count))),
        Cell::plain(took(50.0)),
        Cell::plain(took(95.0)),
        Cell::plain(text::short(input)),
        Cell::plain(text::short(output.saturating_add(reasoning))),
        Cell::plain(text::short(cache_read.saturating_add(cache_write))),
        Cell::plain(text::short(row.total())),
        Cell::plain(dollars(row)),
        last,
    ]
}

fn took(us: u64) -> String {
    if us < 1_000 { format!("{us}µs") } else { text::duration(i128::from(us) * 1_000) }
}

fn dollars(row: &Row) -> String {
    match row.dollars() {
        None => "-".to_owned(),
        Some((dollars, true)) => cost::estimated(dollars),
        Some((dollars, false)) => text::dollars(dollars),
    }
}

/// A bar for each row, the longest for the most.
fn chart(by: By, of: Option<ChartOf>, rows: &[(String, Row)], out: &mut impl Write) -> Result<()> {
    let of = of.unwrap_or(if by == By::Tool { ChartOf::Count } else { ChartOf::Tokens });
    let value = |row: &Row| match of {
        ChartOf::Count => (row.count, text::grouped(row.count)),
        ChartOf::Tokens => (row.total(), text::short(row.total())),
        ChartOf::Cost => (row.dollars().map_or(0, |(dollars, _)| micros(dollars)), dollars(row)),
        ChartOf::Duration => {
            let us = row.percentile(50.0);
            (us.unwrap_or(0), us.map_or_else(|| "-".to_owned(), took))
        }
        ChartOf::Errors => {
            let share = format!("{} of {}", text::grouped(row.failed), text::grouped(row.count));
            (micros(rate(row.failed, row.count)), share)
        }
    };
    let mut values: Vec<(&str, u64, String)> = rows
        .iter()
        .map(|(key, row)| {
            let (value, shown) = value(row);
            (key.as_str(), value, shown)
        })
        .collect();
    if by != By::Day {
        values.sort_by_key(|(_, value, _)| std::cmp::Reverse(*value));
    }
    let most = values.iter().map(|(_, value, _)| *value).max().unwrap_or(0);
    let names = values.iter().map(|(key, _, _)| text::width(&text::one_line(key))).max().unwrap_or(0).min(40);
    let style = AnsiColor::Cyan.on_default();
    for (key, value, shown) in values {
        let key = text::cut(key, names);
        let padding = " ".repeat(names.saturating_sub(text::width(&key)));
        writeln!(out, "{key}{padding}  {style}{}{style:#} {shown}", bar(value, most))?;
    }
    Ok(())
}

/// In eighths of a column.
fn bar(value: u64, most: u64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = u128::from(value) * u128::from(BAR_COLUMNS * 8) / u128::from(most.max(1));
    // What there is some of is seen.
    let eighths = if value > 0 { eighths.max(1) } else { 0 };
    let eighths = usize::try_from(eighths).unwrap_or_default();
    format!("{}{}", "█".repeat(eighths / 8), PARTS.get(eighths % 8).unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_that_of_the_most() {
        assert_eq!(bar(0, 0), "");
        assert_eq!(bar(1, u64::MAX), "▏");
        assert_eq!(bar(u64::MAX, u64::MAX), "█".repeat(48));
        assert_eq!(bar(5, 96), "██▌");
    }
}
