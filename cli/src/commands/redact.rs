//! `tracewal redact`: sessions without their secrets.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use tracewal::{Original, SessionName, Store};
use tracewal_redact::{Act, Counts, Key, Outcome, Place, Rules};

use crate::args::{Redact, RedactionRules};
use crate::failure::{self, Failure, Result};
use crate::{output, stores, text};

/// Forgets what it has derived from a session's log before that was written anew: no byte of it may be left when this returns.
type Forget = fn(&Store, &SessionName) -> Result<()>;

/// What is derived from logs besides the views and the index of sessions.
const DERIVED: &[Forget] = &[forget_texts];

fn forget_texts(store: &Store, session: &SessionName) -> Result<()> {
    tracewal_search::forget(store, session).map_err(Failure::error)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'r> {
    session_id: &'r str,
    changed: bool,
    found: &'r Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    places: Option<Vec<PlaceReport<'r>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renamed: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'r Path>,
    removed: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaceReport<'r> {
    seq: Option<u64>,
    event: &'r str,
    field: &'r str,
    rule: &'r str,
    offset: usize,
    length: usize,
    before: &'r str,
}

pub(crate) fn run(folder: &Path, args: &Redact) -> Result<()> {
    let rules = rules(&args.rules)?;
    let store = stores::open_existing(folder, stores::options())?;
    let key = if args.dry_run { Key::fresh() } else { Key::of_store(store.path()) };
    let key = key.map_err(|e| Failure::error(format!("the key of the store's markers: {e}")))?;
    let act = match (args.dry_run, args.delete_original) {
        (true, _) => Act::Tell,
        (false, true) => Act::Rewrite(Original::Delete),
        (false, false) => Act::Rewrite(Original::Keep),
    };
    let sessions = stores::sessions(&store, &args.session)?;
    let mut outcome = failure::Outcome::default();
    let mut found = Counts::new();
    for session in &sessions {
        match one(&store, session, &rules, &key, act, args) {
            Ok(counts) => {
                counts.into_iter().for_each(|(rule, count)| *found.entry(rule).or_default() += count)
            }
            Err(failure) => outcome.note(failure)?,
        }
    }
    if act != Act::Tell {
        store.index().purge()?;
    }
    if !args.json.json && sessions.len() > 1 {
        let mut out = output::worker();
        writeln!(out, "{} sessions: {}", sessions.len(), counted(&found))?;
        out.flush()?;
    }
    outcome.finish()
}

/// The rules that were asked for.
pub(crate) fn rules(args: &RedactionRules) -> Result<Rules> {
    Rules::new(args.email, args.file.as_deref()).map_err(Failure::error)
}

fn one(
    store: &Store,
    session: &SessionName,
    rules: &Rules,
    key: &Key,
    act: Act,
    args: &Redact,
) -> Result<Counts> {
    let done = tracewal_redact::redact(store, session, rules, key, act, args.list);
    if act != Act::Tell {
        // Also when it failed: the log may be another one already, and only its view not be there yet.
        for forget in DERIVED {
            forget(store, session)?;
        }
    }
    let done = done?;
    let shown = tracewal_redact::redacted_id(rules, key, session.id());
    let id = shown.as_deref().unwrap_or(session.id());
    if args.json.json {
        output::json(&report(id, &done, args))?;
    } else {
        say(id, &done, args)?;
    }
    Ok(done.counts)
}

fn report<'r>(session_id: &'r str, done: &'r Outcome, args: &Redact) -> Report<'r> {
    let place = |place: &'r Place| PlaceReport {
        seq: place.seq,
        event: place.event,
        field: place.field,
        rule: &place.rule,
        offset: place.offset,
        length: place.len,
        before: &place.before,
    };
    Report {
        session_id,
        changed: done.changed,
        found: &done.counts,
        places: args.list.then(|| done.places.iter().map(place).collect()),
        renamed: done.renamed.as_ref().map(SessionName::id),
        kept: done.kept.as_deref(),
        removed: done.removed,
    }
}

fn say(id: &str, done: &Outcome, args: &Redact) -> Result<()> {
    let mut out = output::worker();
    for place in &done.places {
        let seq = place.seq.map_or("crash slot".to_owned(), |seq| seq.to_string());
        let at = format!("{seq} {} {} at {}", place.event, place.field, place.offset);
        let line = format!("  {at}: {}, {} bytes, behind \"{}\"", place.rule, place.len, place.before);
        writeln!(out, "{}", text::one_line(&line))?;
    }
    let mut line = match (done.counts.is_empty(), args.dry_run) {
        (true, _) => format!("{id}: nothing found"),
        (false, true) => format!("{id}: would replace {}", counted(&done.counts)),
        (false, false) => format!("{id}: replaced {}", counted(&done.counts)),
    };
    if done.changed && done.counts.is_empty() && done.renamed.is_none() {
        line.push_str("; written anew without what cannot be read");
    }
    if done.renamed.is_some() {
        line.push_str("; its id held a secret, and this is its id now");
        if !args.delete_original {
            line.push_str("; as it was, it is there as well");
        }
    }
    if let Some(kept) = &done.kept {
        line.push_str(&format!("; as it was, it is kept in {}", kept.display()));
    }
    if done.removed > 0 {
        let removed = u64::try_from(done.removed).unwrap_or(u64::MAX);
        line.push_str(&format!("; {} removed", text::count(removed, "older log")));
    }
    writeln!(out, "{}", text::one_line(&line))?;
    Ok(out.flush()?)
}

/// `3 github-token, 1 password`
fn counted(counts: &Counts) -> String {
    if counts.is_empty() {
        return "nothing found".to_owned();
    }
    let counts: Vec<String> = counts.iter().map(|(rule, count)| format!("{count} {rule}")).collect();
    counts.join(", ")
}
