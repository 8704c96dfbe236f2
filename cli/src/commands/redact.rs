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
const DERIVED: &[Forget] = &[];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'r> {
    session_id: &'r str,
    changed: bool,
    found: &'r Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    places: Option<Vec<PlaceReport<'r>>>,
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
    refuse_telling_id(session, rules, key, args)?;
    let done = tracewal_redact::redact(store, session, rules, key, act, args.list)?;
    if act != Act::Tell {
        for forget in DERIVED {
            forget(store, session)?;
        }
    }
    if args.json.json {
        output::json(&report(session, &done, args))?;
    } else {
        say(session, &done, args)?;
    }
    Ok(done.counts)
}

/// A session's id names its folder and stands in every segment: it cannot be replaced without making it another session.
fn refuse_telling_id(session: &SessionName, rules: &Rules, key: &Key, args: &Redact) -> Result<()> {
    match tracewal_redact::redacted_id(rules, key, session.id()) {
        Some(id) if !args.dry_run => Err(Failure::error(format!(
            "the id of session \"{id}\" holds a secret, which is replaced here and cannot be in the store; give it another: `tracewal \
             events` it into `tracewal record --session OTHER`, redact that one, and prune this one"
        ))),
        _ => Ok(()),
    }
}

fn report<'r>(session: &'r SessionName, done: &'r Outcome, args: &Redact) -> Report<'r> {
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
        session_id: session.id(),
        changed: done.changed,
        found: &done.counts,
        places: args.list.then(|| done.places.iter().map(place).collect()),
        kept: done.kept.as_deref(),
        removed: done.removed,
    }
}

fn say(session: &SessionName, done: &Outcome, args: &Redact) -> Result<()> {
    let mut out = output::worker();
    for place in &done.places {
        let seq = place.seq.map_or("crash slot".to_owned(), |seq| seq.to_string());
        let at = format!("{seq} {} {} at {}", place.event, place.field, place.offset);
        let line = format!("  {at}: {}, {} bytes, behind \"{}\"", place.rule, place.len, place.before);
        writeln!(out, "{}", text::one_line(&line))?;
    }
    let what = match (done.counts.is_empty(), args.dry_run) {
        (true, _) => "nothing found".to_owned(),
        (false, true) => format!("would replace {}", counted(&done.counts)),
        (false, false) => format!("replaced {}", counted(&done.counts)),
    };
    let kept = done.kept.as_ref().map(|kept| format!("; as it was, it is kept in {}", kept.display()));
    let removed = (done.removed > 0).then(|| {
        format!("; {} removed", text::count(u64::try_from(done.removed).unwrap_or(u64::MAX), "older log"))
    });
    let line = format!("{}: {what}{}{}", session.id(), kept.unwrap_or_default(), removed.unwrap_or_default());
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
