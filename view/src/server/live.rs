//! What changes while somebody looks, as server-sent events. Logs are looked at only as long as somebody listens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream;
use serde::Serialize;

use super::Shared;
use super::shelf::{self, lock};
use crate::documents::bar_json;
use crate::error::Result;

/// How often a log is looked at that is being written.
const LIVE: Duration = Duration::from_millis(100);
/// How often one that nobody writes.
const QUIET: Duration = Duration::from_millis(400);
/// How often the list of sessions.
const LIST: Duration = Duration::from_millis(1000);
/// Looking takes at most one part in so many of the time.
const SHARE: u32 = 5;
/// More bars than this are not sent, but asked for again.
const BARS: usize = 10_000;

type Events<S> = Sse<axum::response::sse::KeepAliveStream<S>>;

fn events<S: Stream<Item = std::result::Result<Event, Infallible>> + Send + 'static>(stream: S) -> Events<S> {
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// What has changed in a session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<B> {
    version: u64,
    status: &'static str,
    /// Its writer died, and that has not been recorded.
    unrecorded: bool,
    /// Positions are no longer those of the same spans.
    reset: bool,
    /// More bars have changed than are sent.
    many: bool,
    skeleton: Vec<B>,
    spans: usize,
    log_entries: usize,
    chat_messages: usize,
    writer: &'static str,
}

/// The changes of one session since a version, one event each. `None`: from now on.
pub(super) fn session(
    trace: shelf::Shared,
    shared: Arc<Shared>,
    since: Option<u64>,
) -> Events<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    enum State {
        First(Option<u64>),
        Next(u64, Duration),
        Over,
    }
    let stream = stream::unfold((trace, shared, State::First(since)), |(trace, shared, state)| async move {
        let (mut since, mut pause) = match state {
            State::First(since) => (since, None),
            State::Next(version, pause) => (Some(version), Some(pause)),
            State::Over => return None,
        };
        loop {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            let is_first = pause.is_none();
            let (looked_at, begun) = (Arc::clone(&trace), Instant::now());
            let looked = tokio::task::spawn_blocking(move || look(&looked_at, since, is_first));
            let (version, event, usual) = match looked.await.ok()? {
                Ok(looked) => looked,
                Err(error) => {
                    shared.shelf.forget(lock(&trace).session());
                    let why = serde_json::json!({ "error": error.to_string() });
                    let event = Event::default().event("gone").data(why.to_string());
                    return Some((Ok(event), (trace, shared, State::Over)));
                }
            };
            let next = usual.map_or(Duration::ZERO, |usual| usual.max(begun.elapsed() * SHARE));
            if let Some(event) = event {
                return Some((Ok(event), (trace, shared, State::Next(version, next))));
            }
            (since, pause) = (Some(version), Some(next));
        }
    });
    events(stream)
}

/// Its version, what has changed, and when to look again. `None`: at once, there is more.
fn look(
    trace: &shelf::Shared,
    since: Option<u64>,
    is_first: bool,
) -> Result<(u64, Option<Event>, Option<Duration>)> {
    shelf::follow(trace)?;
    let trace = lock(trace);
    let version = trace.version();
    let usual = if trace.is_live() { LIVE } else { QUIET };
    let usual = (!trace.is_behind()).then_some(usual);
    let since = since.unwrap_or(version);
    if since == version && !is_first {
        return Ok((version, None, usual));
    }
    // A version of another server is no version of this one.
    let reset = since > version || trace.is_anew_since(since);
    let base = trace.base_ns();
    let many = reset || trace.skeleton.changed_since(since).nth(BARS).is_some();
    let changed = trace.skeleton.changed_since(since).take(if many { 0 } else { BARS });
    let change = Change {
        version,
        status: trace.status(),
        unrecorded: trace.is_unrecorded_crash(),
        reset,
        many,
        skeleton: changed.map(|(at, bar)| bar_json(at, bar, base)).collect(),
        spans: trace.spans.len(),
        log_entries: trace.index.entries.len(),
        chat_messages: trace.index.chat.len(),
        writer: trace.writer().as_str(),
    };
    let data = serde_json::to_string(&change)?;
    let event = Event::default().event("changed").id(version.to_string()).data(data);
    Ok((version, Some(event), usual))
}

/// The changes of the list of sessions since a version. `None`: from now on.
pub(super) fn list(
    shared: Arc<Shared>,
    since: Option<u64>,
) -> Events<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    let stream =
        stream::unfold((shared, since, Duration::ZERO), |(shared, mut since, mut pause)| async move {
            loop {
                tokio::time::sleep(pause).await;
                let (looked_at, begun) = (Arc::clone(&shared), Instant::now());
                let looked = tokio::task::spawn_blocking(move || match since {
                    Some(since) => looked_at.shelf.list_since(since),
                    None => looked_at.shelf.list().map(|(version, _)| {
                        Some(shelf::ListChange { version, changed: Vec::new(), gone: Vec::new() })
                    }),
                });
                let looked = looked.await;
                pause = LIST.max(begun.elapsed() * SHARE);
                // A store that cannot be listed for a moment may be listed in the next.
                if let Ok(Ok(Some(change))) = looked {
                    since = Some(change.version);
                    if let Ok(data) = serde_json::to_string(&change) {
                        let event =
                            Event::default().event("sessions").id(change.version.to_string()).data(data);
                        return Some((Ok(event), (shared, since, pause)));
                    }
                }
            }
        });
    events(stream)
}
