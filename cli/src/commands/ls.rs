//! `tracewal ls`: the sessions, newest first.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::value::RawValue;
use tracewal::event::Tokens;
use tracewal::{Damaged, Listing, Row, SessionName, Status, Store, Time};
use tracewal_prices::{Prices, Used};

use crate::account::{self, Account};
use crate::args::Ls;
use crate::failure::Result;
use crate::filters::Facts;
use crate::table::{Cell, Column, Table};
use crate::{cost, output, stores, text};

const fn column(name: &'static str, right: bool, at_most: usize, rank: u8) -> Column {
    Column { name, right, at_most, rank }
}

const COLUMNS: &[Column] = &[
    column("SESSION", false, 36, 0),
    column("STARTED", false, 19, 1),
    column("TOOK", true, 8, 3),
    column("STATUS", false, 24, 0),
    column("MODEL", false, 20, 5),
    column("TOKENS", true, 8, 2),
    column("COST", true, 10, 6),
    column("TOOLS", true, 6, 4),
    column("TITLE", false, 200, 0),
];

/// Behind the status, when it is asked for.
const CAUSE: Column = column("CAUSE", false, 48, 0);
const STATUS_AT: usize = 3;

pub(crate) fn run(folder: &Path, args: &Ls) -> Result<()> {
    let store = stores::open_to_look(folder)?;
    let mut listing = if args.fresh { Listing::fresh(&store)? } else { Listing::of(&store)? };
    let mut listed = match list(&store, &listing, args) {
        Ok(listed) => listed,
        Err(Damaged) => {
            listing = Listing::thorough(&store)?;
            list(&store, &listing, args).unwrap_or_default()
        }
    };
    let prices = cost::prices();
    listed.iter_mut().for_each(|listed| listed.price(&prices));
    if args.json.json {
        return output::json(&listed);
    }
    let mut columns = COLUMNS.to_vec();
    if args.cause.is_some() {
        columns.insert(STATUS_AT + 1, CAUSE);
    }
    let mut table = Table::new(&columns);
    listed.iter().for_each(|listed| table.push(listed.cells(args.cause.is_some())));
    let mut out = output::people();
    table.print(&mut out)?;
    Ok(out.flush()?)
}

fn list(store: &Store, listing: &Listing, args: &Ls) -> std::result::Result<Vec<Listed>, Damaged> {
    let limit = if args.all { usize::MAX } else { args.limit };
    let is_wanted = |status: Status| args.filters.status.is_none_or(|wanted| wanted.is(status.as_str()));
    listing
        .sessions(store, is_wanted)
        .map(|session| session.map(|session| Listed::of(store, session)))
        .filter(|listed| {
            let is = |listed: &Listed| args.filters.let_through(&listed.facts());
            listed.as_ref().map_or(true, is)
        })
        .filter(|listed| {
            let is = |listed: &Listed| args.cause.as_deref().is_none_or(|cause| listed.is_of(cause));
            listed.as_ref().map_or(true, is)
        })
        .take(limit)
        .collect()
}

/// All sessions of a store, newest first.
pub(crate) fn all(store: &Store) -> Result<Vec<tracewal::Listed>> {
    let sessions =
        |listing: &Listing| listing.sessions(store, |_| true).collect::<std::result::Result<_, _>>();
    match sessions(&Listing::of(store)?) {
        Ok(all) => Ok(all),
        Err(Damaged) => Ok(sessions(&Listing::thorough(store)?).unwrap_or_default()),
    }
}

/// The session that began last.
pub(crate) fn newest(store: &Store) -> Result<Option<SessionName>> {
    let mut listing = Listing::of(store)?;
    let first = |listing: &Listing| listing.sessions(store, |_| true).next().transpose();
    let session = match first(&listing) {
        Ok(session) => session,
        Err(Damaged) => {
            listing = Listing::thorough(store)?;
            first(&listing).unwrap_or_default()
        }
    };
    Ok(session.map(|session| session.name()))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    pub(crate) session_id: String,
    pub(crate) status: &'static str,
    /// A living writer has it open.
    live: bool,
    started_at: Option<String>,
    ended_at: Option<String>,
    duration_ms: Option<u64>,
    pub(crate) title: Option<String>,
    model: Option<String>,
    pub(crate) agent: Option<String>,
    error: Option<String>,
    /// Why it stopped.
    cause: Option<String>,
    cause_kind: Option<String>,
    tokens: TokensJson,
    cost: f64,
    /// Where the session does not say: all its tokens at the price of its model.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_estimated: Option<f64>,
    generations: u64,
    tools: u64,
    events: u64,
    lost_events: u64,
    damage: Vec<Box<RawValue>>,
    /// Why its log can't be read.
    unreadable: Option<String>,
    json: PathBuf,
    #[serde(skip)]
    pub(crate) started: Option<Time>,
    #[serde(skip)]
    duration_ns: i128,
    #[serde(skip)]
    is_damaged: bool,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokensJson {
    input: u64,
    output: u64,
    reasoning: u64,
    cache_read: u64,
    cache_write: u64,
    total: u64,
}

impl From<&Tokens<'_>> for TokensJson {
    fn from(tokens: &Tokens<'_>) -> Self {
        TokensJson {
            input: tokens.input,
            output: tokens.output,
            reasoning: tokens.reasoning,
            cache_read: tokens.cache_read,
            cache_write: tokens.cache_write,
            total: tokens.total(),
        }
    }
}

impl Listed {
    pub(crate) fn of(store: &Store, session: tracewal::Listed) -> Self {
        match session {
            tracewal::Listed::Row(row) => Self::of_row(store, *row),
            tracewal::Listed::Log(session) => Self::of_log(store, &session),
        }
    }

    /// As the index says: nobody has it open.
    fn of_row(store: &Store, row: Row) -> Self {
        let known = !row.is_unreadable;
        let duration_ns = (row.ended_at.as_ns() - row.started_at.as_ns()).max(0);
        let [input, output, reasoning, cache_read, cache_write] = row.tokens;
        Listed {
            status: match tracewal::status_of(&row) {
                Status::Crashed => "crashed",
                _ if row.is_unreadable => "?",
                other => other.as_str(),
            },
            live: false,
            started_at: known.then(|| text::utc(row.started_at)),
            ended_at: known.then(|| text::utc(row.ended_at)),
            duration_ms: known.then(|| u64::try_from(duration_ns / 1_000_000).unwrap_or(u64::MAX)),
            tokens: (&Tokens::new(input, output, reasoning, cache_read, cache_write)).into(),
            cost: row.cost,
            cost_estimated: None,
            generations: row.generations,
            tools: row.tool_calls,
            events: row.events,
            lost_events: account::lost_events(&row.losses),
            damage: row.losses.iter().filter_map(account::loss_json).collect(),
            unreadable: None,
            json: store.view(&SessionName::of(&row.name, &row.id)),
            started: known.then_some(row.started_at),
            duration_ns,
            is_damaged: row.losses.iter().any(account::is_damage),
            session_id: row.id,
            title: row.title,
            model: row.model,
            agent: row.agent,
            error: row.error,
            cause: row.cause,
            cause_kind: row.cause_kind,
        }
    }

    /// Whatever is wrong with a session, it is listed, and the others are.
    fn of_log(store: &Store, session: &SessionName) -> Self {
        let json = store.view(session);
        let account = match Account::of(store, session) {
            Ok(account) => account,
            Err(failure) => return Self::unreadable(session, json, &failure),
        };
        let summary = account.summary();
        let known = !summary.session_id.is_empty();
        let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_ref().map(|text| text.to_string());
        Listed {
            session_id: session.id().to_owned(),
            status: account.status(),
            live: account.live,
            started_at: known.then(|| text::utc(summary.started_at)),
            ended_at: known.then(|| text::utc(summary.ended_at)),
            duration_ms: known.then(|| u64::try_from(summary.duration_ns() / 1_000_000).unwrap_or(u64::MAX)),
            title: owned(&summary.metadata.title),
            model: owned(&summary.metadata.model),
            agent: owned(&summary.metadata.agent),
            error: summary.error.clone(),
            cause: summary.incidents.terminal.as_ref().map(|incident| incident.cause.as_str().to_owned()),
            cause_kind: summary.incidents.terminal.as_ref().and_then(|incident| incident.kind.clone()),
            tokens: (&summary.tokens).into(),
            cost: summary.total_cost,
            cost_estimated: None,
            generations: summary.generations,
            tools: summary.tool_calls,
            events: summary.events,
            lost_events: account::lost_events(&summary.losses),
            damage: summary.losses.iter().filter_map(account::loss_json).collect(),
            unreadable: None,
            json,
            started: known.then_some(summary.started_at),
            duration_ns: summary.duration_ns(),
            is_damaged: summary.losses.iter().any(account::is_damage),
        }
    }

    fn unreadable(session: &SessionName, json: PathBuf, failure: &crate::failure::Failure) -> Self {
        Listed {
            session_id: session.id().to_owned(),
            status: "?",
            live: false,
            started_at: None,
            ended_at: None,
            duration_ms: None,
            title: None,
            model: None,
            agent: None,
            error: None,
            cause: None,
            cause_kind: None,
            tokens: TokensJson::default(),
            cost: 0.0,
            cost_estimated: None,
            generations: 0,
            tools: 0,
            events: 0,
            lost_events: 0,
            damage: Vec::new(),
            unreadable: Some(failure.to_string()),
            json,
            started: None,
            duration_ns: 0,
            is_damaged: true,
        }
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            status: self.status,
            model: self.model.as_deref(),
            agent: self.agent.as_deref(),
            started: self.started,
            cause: self.cause.as_deref(),
            cause_kind: self.cause_kind.as_deref(),
        }
    }

    /// Whether it stopped by this cause, or for this kind of it; any, if none is named.
    fn is_of(&self, cause: &str) -> bool {
        cause.is_empty() || self.cause.as_deref() == Some(cause) || self.cause_kind.as_deref() == Some(cause)
    }

    /// Estimates what the session does not say.
    fn price(&mut self, prices: &Prices) {
        let (tokens, model) = (&self.tokens, self.model.as_deref());
        let used = Used {
            input: tokens.input,
            output: tokens.output,
            reasoning: tokens.reasoning,
            cache_read: tokens.cache_read,
            cache_write: tokens.cache_write,
        };
        if self.cost == 0.0 && !used.is_nothing() {
            self.cost_estimated = model.and_then(|model| prices.estimate(model, used));
        }
    }

    fn cost_in_words(&self) -> String {
        match self.cost_estimated {
            Some(dollars) => cost::estimated(dollars),
            None if self.cost == 0.0 => "-".to_owned(),
            None => text::dollars(self.cost),
        }
    }

    fn cells(&self, with_cause: bool) -> Vec<Cell> {
        let cell = |known: bool, text: String| Cell::plain(if known { text } else { "?".to_owned() });
        let known = self.started.is_some();
        let status = match (self.is_damaged, self.lost_events) {
            (false, _) => self.status.to_owned(),
            (true, 0) => format!("{}, damaged", self.status),
            (true, lost) => format!("{}, {lost} lost", self.status),
        };
        let about = self.unreadable.clone().or_else(|| self.title.clone()).unwrap_or_default();
        let mut cells = vec![
            Cell::styled(self.session_id.clone(), output::BOLD),
            cell(known, self.started.map_or_else(String::new, text::local)),
            cell(known, text::duration(self.duration_ns)),
            Cell::styled(status, output::status_style(self.status)),
            Cell::plain(self.model.clone().unwrap_or_default()),
            cell(known, text::short(self.tokens.total)),
            cell(known, self.cost_in_words()),
            cell(known, self.tools.to_string()),
            Cell::plain(about),
        ];
        if with_cause {
            let kind = self.cause_kind.as_ref().map_or_else(String::new, |kind| format!(": {kind}"));
            let cause = self.cause.as_ref().map_or_else(|| "-".to_owned(), |cause| format!("{cause}{kind}"));
            cells.insert(STATUS_AT + 1, Cell::plain(cause));
        }
        cells
    }
}
