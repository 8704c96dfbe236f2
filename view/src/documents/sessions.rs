//! `sessions`: the sessions of a store, a row each.

use serde::Serialize;
use tracewal::{Damaged, Listed, Listing, Loss, SessionName, Store};
use tracewal_prices::Prices;

use super::{Classes, Ms, cost};
use crate::error::{Result, ViewError};
use crate::text::prefix;
use crate::trace::Trace;

/// No more of a title or name is given, in bytes.
const TEXT_MAX: usize = 300;

/// A session in the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub title: Option<String>,
    /// `running`, `completed`, `error`, `crashed` or `unreadable`.
    pub status: &'static str,
    /// A writer that lives has it open.
    pub live: bool,
    /// Its writer died, and that has not been recorded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unrecorded: bool,
    /// The agent.
    pub agent: Option<String>,
    /// The models.
    pub models: Vec<String>,
    /// When it began.
    pub started_at: Option<Ms64>,
    /// When it ended; for one that goes on, its last event.
    pub ended_at: Option<Ms64>,
    /// From one to the other.
    pub duration: Option<Ms64>,
    /// US dollars.
    pub cost: Option<f64>,
    /// That is no more than an estimate, from the tokens and the model.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cost_estimated: bool,
    /// Tokens of all spans.
    pub tokens: Classes,
    /// How many spans it has.
    pub spans: u64,
    /// How many of them are model calls,
    pub generations: u64,
    /// and tool calls.
    pub tools: u64,
    /// How many failed. `None`: its log was not read.
    pub errors: Option<u64>,
    /// How many events it has.
    pub events: u64,
    /// How many events are known to be lost.
    pub lost_events: u64,
    /// Why it stopped, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

/// Nanoseconds, written as milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ms64(pub i64);

impl Serialize for Ms64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        Ms::from(self.0).serialize(serializer)
    }
}

impl Trace {
    /// Its row in the list.
    #[must_use]
    pub fn row(&self) -> SessionRow {
        let (summary, counts) = (self.summary(), self.counts());
        let short = |text: &Option<std::borrow::Cow<'_, str>>| {
            text.as_deref().map(|text| prefix(text, TEXT_MAX).to_owned())
        };
        let known = !summary.session_id.is_empty();
        let mut models: Vec<String> = short(&summary.metadata.model).into_iter().collect();
        for model in self.index.models.all().iter().filter(|model| !model.is_empty()).take(20) {
            let model = prefix(model, TEXT_MAX).to_owned();
            if !models.contains(&model) {
                models.push(model);
            }
        }
        let tokens = &summary.tokens;
        let used = Classes::from([
            tokens.input,
            tokens.output,
            tokens.reasoning,
            tokens.cache_read,
            tokens.cache_write,
        ]);
        let estimated =
            cost::of_list(&self.prices, summary.total_cost, summary.metadata.model.as_deref(), used);
        let ns = |ns: i128| Ms64(i64::try_from(ns).unwrap_or(i64::MAX));
        SessionRow {
            id: self.session.id().to_owned(),
            title: short(&summary.metadata.title),
            status: self.status(),
            live: self.is_live(),
            unrecorded: self.is_unrecorded_crash(),
            agent: short(&summary.metadata.agent),
            models,
            started_at: known.then_some(Ms64(summary.started_at.as_ns_i64())),
            ended_at: known.then_some(Ms64(summary.ended_at.as_ns_i64())),
            duration: known.then_some(ns(summary.duration_ns())),
            cost: known.then_some(estimated.unwrap_or(summary.total_cost)),
            cost_estimated: known && estimated.is_some(),
            tokens: used,
            spans: summary.spans,
            generations: summary.generations,
            tools: summary.tool_calls,
            errors: known.then_some(counts.errors),
            events: summary.events,
            lost_events: lost_events(&summary.losses),
            cause: summary.incidents.terminal.as_ref().map(|incident| incident.cause.as_str().to_owned()),
            unreadable: None,
        }
    }
}

impl SessionRow {
    /// Of a session of which nothing is known but that it is there.
    pub(crate) fn unreadable(session: &SessionName, error: &ViewError) -> Self {
        SessionRow {
            id: session.id().to_owned(),
            status: "unreadable",
            unreadable: Some(error.to_string()),
            ..SessionRow::default()
        }
    }
}

/// The rows of a store's sessions, newest first. `of_log` is asked for those whose logs have to be read. Whatever is wrong with one, it is
/// listed, and the others are.
///
/// # Errors
/// When the store's folder can't be read.
pub(crate) fn rows(
    store: &Store,
    prices: &Prices,
    of_log: impl Fn(&SessionName) -> SessionRow,
) -> Result<Vec<SessionRow>> {
    let listing = Listing::of(store)?;
    Ok(match rows_of(store, prices, &listing, &of_log) {
        Ok(rows) => rows,
        // A part of the index was damaged; this one looks at every session.
        Err(Damaged) => rows_of(store, prices, &Listing::thorough(store)?, &of_log).unwrap_or_default(),
    })
}

fn rows_of(
    store: &Store,
    prices: &Prices,
    listing: &Listing,
    of_log: &impl Fn(&SessionName) -> SessionRow,
) -> std::result::Result<Vec<SessionRow>, Damaged> {
    let listed = listing.sessions(store, |_| true);
    listed
        .map(|listed| {
            Ok(match listed? {
                Listed::Row(row) => of_index(&row, prices),
                Listed::Log(session) => of_log(&session),
            })
        })
        .collect()
}

fn of_index(row: &tracewal::Row, prices: &Prices) -> SessionRow {
    let known = !row.is_unreadable;
    let short = |text: &Option<String>| text.as_deref().map(|text| prefix(text, TEXT_MAX).to_owned());
    let estimated = cost::of_list(prices, row.cost, row.model.as_deref(), row.tokens.into());
    let (started_at, ended_at) = (row.started_at.as_ns_i64(), row.ended_at.as_ns_i64());
    SessionRow {
        id: row.id.clone(),
        title: short(&row.title),
        status: if known { tracewal::status_of(row).as_str() } else { "unreadable" },
        live: false,
        unrecorded: false,
        agent: short(&row.agent),
        models: short(&row.model).into_iter().collect(),
        started_at: known.then_some(Ms64(started_at)),
        ended_at: known.then_some(Ms64(ended_at)),
        duration: known.then_some(Ms64(ended_at.saturating_sub(started_at).max(0))),
        cost: known.then_some(estimated.unwrap_or(row.cost)),
        cost_estimated: known && estimated.is_some(),
        tokens: row.tokens.into(),
        spans: row.spans,
        generations: row.generations,
        tools: row.tool_calls,
        errors: None,
        events: row.events,
        lost_events: lost_events(&row.losses),
        cause: row.cause.clone(),
        unreadable: None,
    }
}

fn lost_events(losses: &[Loss]) -> u64 {
    let missing = losses.iter().filter_map(|loss| loss.missing);
    missing.fold(0, |sum, (first, last)| sum.saturating_add((last - first).saturating_add(1)))
}
