//! `tracewal stats`: a store in numbers.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::stats_by;
use crate::account::{self, Account};
use crate::args::Stats as Args;
use crate::failure::Result;
use crate::filters::Facts;
use crate::{output, stores, text};

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    sessions: u64,
    by_status: BTreeMap<&'static str, u64>,
    live: u64,
    unreadable: u64,
    damaged: u64,
    events: u64,
    lost_events: u64,
    /// Blocks on disk, logs and views.
    bytes: u64,
    bytes_per_event: u64,
}

pub(crate) fn run(folder: &Path, args: &Args) -> Result<()> {
    let store = stores::open_to_look(folder)?;
    if let Some(by) = args.by {
        return stats_by::run(&store, by, args);
    }
    let mut stats = Stats::default();
    for session in store.sessions()? {
        let account = Account::of(&store, &session).ok();
        let facts = account.as_ref().map_or(Facts { status: "?", ..Facts::default() }, Facts::of);
        if !args.filters.let_through(&facts) {
            continue;
        }
        stats.sessions += 1;
        let (_, bytes) = tracewal_compact::footprint(&store.folder(&session), &store.view(&session));
        stats.bytes = stats.bytes.saturating_add(bytes);
        let Some(account) = account else {
            stats.unreadable += 1;
            *stats.by_status.entry("?").or_default() += 1;
            continue;
        };
        let summary = account.summary();
        *stats.by_status.entry(account.status()).or_default() += 1;
        stats.live += u64::from(account.live);
        stats.damaged += u64::from(summary.losses.iter().any(account::is_damage));
        stats.events += summary.events;
        stats.lost_events = stats.lost_events.saturating_add(account::lost_events(&summary.losses));
    }
    stats.bytes_per_event = stats.bytes.checked_div(stats.events).unwrap_or(0);
    if args.json.json {
        return output::json(&stats);
    }
    let by_status: Vec<String> =
        stats.by_status.iter().map(|(status, count)| format!("{} {status}", text::grouped(*count))).collect();
    let by_status = if by_status.is_empty() { String::new() } else { format!(" ({})", by_status.join(", ")) };
    let mut out = output::people();
    writeln!(out, "sessions         {}{by_status}", text::grouped(stats.sessions))?;
    writeln!(out, "open now         {}", text::grouped(stats.live))?;
    writeln!(out, "events           {}", text::grouped(stats.events))?;
    writeln!(out, "lost events      {}", text::grouped(stats.lost_events))?;
    writeln!(out, "damaged          {}", text::count(stats.damaged + stats.unreadable, "session"))?;
    writeln!(out, "on disk          {}", text::bytes(stats.bytes))?;
    writeln!(out, "bytes per event  {}", text::grouped(stats.bytes_per_event))?;
    Ok(out.flush()?)
}
