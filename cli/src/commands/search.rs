//! `tracewal search`: a text in all sessions.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tracewal_search::{Hit, Pattern, Progress, Searcher};

use super::ls::{self, Listed};
use crate::args::Search;
use crate::failure::{ERROR, Failure, Result};
use crate::output::{BOLD, DIM, Out};
use crate::{output, stores, text};

const MATCH: Style = AnsiColor::Red.on_default().bold();
/// What a line is cut to where there is no terminal.
const COLUMNS: usize = 240;

pub(crate) fn run(folder: &Path, args: &Search) -> Result<()> {
    let pattern = match (&args.text, &args.regex) {
        (_, Some(regex)) => Pattern::regex(regex),
        (text, None) => Pattern::text(text.as_deref().unwrap_or_default()),
    };
    let pattern = pattern.map_err(Failure::error)?;
    let store = stores::open_to_look(folder)?;
    let sessions = ls::all(&store)?;
    let mut searcher = Searcher::open(&store, &sessions, &Bar::default())?;
    if let Some(why) = searcher.why_not_indexed() {
        output::mention(&format!("warning: there is no index, so every log is read: {why}"));
    }
    let found = searcher.find(&pattern);
    let limit = if args.all { u64::MAX } else { args.limit };
    let mut results = Results::new(args.json.json, limit);
    for session in sessions {
        let name = session.name();
        let listed = Listed::of(&store, session);
        if !args.filters.let_through(&listed.facts()) {
            continue;
        }
        results.json.sessions_searched += 1;
        let hits = searcher.hits(&name, &pattern, &found, &mut |hit| results.take(&listed, hit));
        if let Some(failure) = results.failed.take() {
            return Err(failure);
        }
        match hits {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break,
            Err(error) => results.unreadable(&error.into()),
        }
    }
    results.finish()
}

/// What was found, as it is found; JSON when all has been.
struct Results {
    out: Out,
    is_json: bool,
    limit: u64,
    json: Json,
    hits: u64,
    sessions_found: u64,
    first: Option<String>,
    last: Option<String>,
    failed: Option<Failure>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    hits: Vec<HitJson>,
    /// There may be more.
    limit_reached: bool,
    sessions_searched: u64,
    unreadable: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HitJson {
    session_id: String,
    session_title: Option<String>,
    session_status: &'static str,
    span_id: Option<String>,
    kind: Option<&'static str>,
    name: Option<String>,
    field: &'static str,
    seq: u64,
    time: String,
    matches: u64,
    before: String,
    r#match: String,
    after: String,
}

impl HitJson {
    fn of(session: &Listed, hit: Hit) -> Self {
        HitJson {
            session_id: session.session_id.clone(),
            session_title: session.title.clone(),
            session_status: session.status,
            span_id: hit.span_id,
            kind: hit.span.as_ref().map(|(kind, _)| kind.as_str()),
            name: hit.span.map(|(_, name)| name),
            field: hit.field.as_str(),
            seq: hit.seq,
            time: text::utc(hit.time),
            matches: hit.matches,
            before: hit.before,
            r#match: hit.text,
            after: hit.after,
        }
    }
}

impl Results {
    fn new(is_json: bool, limit: u64) -> Self {
        Results {
            out: output::people(),
            is_json,
            limit,
            json: Json::default(),
            hits: 0,
            sessions_found: 0,
            first: None,
            last: None,
            failed: None,
        }
    }

    fn take(&mut self, session: &Listed, hit: Hit) -> ControlFlow<()> {
        if self.limit == 0 {
            self.json.limit_reached = true;
            return ControlFlow::Break(());
        }
        self.limit -= 1;
        self.hits += 1;
        if self.last.as_deref() != Some(&session.session_id) {
            self.sessions_found += 1;
        }
        if self.is_json {
            self.json.hits.push(HitJson::of(session, hit));
        } else if let Err(failure) = self.print(session, &hit) {
            self.failed = Some(failure);
            return ControlFlow::Break(());
        }
        self.first.get_or_insert_with(|| session.session_id.clone());
        self.last = Some(session.session_id.clone());
        ControlFlow::Continue(())
    }

    fn print(&mut self, session: &Listed, hit: &Hit) -> Result<()> {
        let out = &mut self.out;
        if self.last.as_deref() != Some(&session.session_id) {
            if self.last.is_some() {
                writeln!(out)?;
            }
            let style = output::status_style(session.status);
            let started = session.started.map_or_else(|| "?".to_owned(), text::local);
            let title = text::one_line(session.title.as_deref().unwrap_or_default());
            writeln!(
                out,
                "{BOLD}{}{BOLD:#}  {started}  {style}{}{style:#}  {title}",
                text::one_line(&session.session_id),
                session.status
            )?;
        }
        let span = match &hit.span {
            Some((kind, name)) if name.is_empty() || name == kind.as_str() => kind.as_str().to_owned(),
            Some((kind, name)) => format!("{} {}", kind.as_str(), text::cut(name, 60)),
            None => "-".to_owned(),
        };
        let id = hit.span_id.as_ref().map_or_else(String::new, |id| format!("  span {}", text::cut(id, 80)));
        let more =
            if hit.matches > 1 { format!("  {} times", text::grouped(hit.matches)) } else { String::new() };
        let time = text::time_of_day(hit.time);
        writeln!(out, "  {span} {}  {DIM}{time}  event {}{id}{more}{DIM:#}", hit.field.as_str(), hit.seq)?;
        let terminal = terminal_size::terminal_size_of(std::io::stdout());
        let columns =
            terminal.map_or(COLUMNS, |(terminal_size::Width(columns), _)| usize::from(columns).max(40));
        let room = columns.saturating_sub(6);
        let shown = text::cut(&hit.text, room);
        let around = room.saturating_sub(text::width(&shown));
        let after = text::cut(&hit.after, around.saturating_sub(around / 3));
        let before = text::cut_before(&hit.before, around.saturating_sub(text::width(&after)));
        writeln!(out, "    {before}{MATCH}{shown}{MATCH:#}{after}")?;
        Ok(())
    }

    /// One session that cannot be read hides no other (I7).
    fn unreadable(&mut self, failure: &Failure) {
        self.json.unreadable += 1;
        output::mention(&format!("warning: {failure}"));
    }

    fn finish(mut self) -> Result<()> {
        let outcome = if self.json.unreadable > 0 { Err(Failure::Silent(ERROR)) } else { Ok(()) };
        if self.is_json {
            return output::json(&self.json).and(outcome);
        }
        if self.hits > 0 {
            writeln!(self.out)?;
        }
        let more = if self.json.limit_reached { "; there are more: --limit or --all shows them" } else { "" };
        writeln!(
            self.out,
            "{DIM}{} in {}{more}{DIM:#}",
            text::count(self.hits, "hit"),
            text::count(self.sessions_found, "session")
        )?;
        if let Some(first) = &self.first {
            let id = text::one_line(first);
            writeln!(
                self.out,
                "{DIM}tracewal show {id} shows the first of them, and tracewal view {id} opens it in a browser{DIM:#}"
            )?;
        }
        self.out.flush()?;
        outcome
    }
}

/// Shows on standard error, if that is a terminal, how far the index is.
#[derive(Default)]
struct Bar(Mutex<Option<ProgressBar>>);

impl Progress for Bar {
    fn begin(&self, bytes: u64) {
        let style = ProgressStyle::with_template("indexing {wide_bar} {bytes} of {total_bytes}, {eta} left");
        if let (Ok(style), Ok(mut bar)) = (style, self.0.lock()) {
            *bar = Some(ProgressBar::new(bytes).with_style(style));
        }
    }

    fn advance(&self, bytes: u64) {
        if let Ok(bar) = self.0.lock()
            && let Some(bar) = &*bar
        {
            bar.inc(bytes);
        }
    }

    fn end(&self) {
        if let Ok(mut bar) = self.0.lock()
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }
}
