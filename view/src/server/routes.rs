//! Which address is which document.

use std::io::Write;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::shelf::{follow, lock};
use super::{Shared, gate, live, streaming};
use crate::assets;
use crate::documents::{Filter, SessionRow};
use crate::error::{Result, ViewError};
use crate::trace::Trace;

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

type App = State<Arc<Shared>>;
/// The token comes first in every path.
type Of<T> = Path<(String, T)>;
type OfSession<T> = Path<(String, String, T)>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/meta", get(meta))
        .route("/sessions", get(sessions))
        .route("/live", get(list_live))
        .route("/s/{id}/summary", get(summary))
        .route("/s/{id}/skeleton/{chunk}", get(skeleton))
        .route("/s/{id}/rows/{chunk}", get(rows))
        .route("/s/{id}/span/{index}", get(span))
        .route("/s/{id}/spans/{chunk}", get(spans))
        .route("/s/{id}/text/{index}/{field}", get(text))
        .route("/s/{id}/chat/{chunk}", get(chat))
        .route("/s/{id}/log/{chunk}", get(log))
        .route("/s/{id}/raw/{chunk}", get(raw))
        .route("/s/{id}/event/{seq}", get(event))
        .route("/s/{id}/search", get(search))
        .route("/s/{id}/find", get(find))
        .route("/s/{id}/live", get(session_live));
    Router::new()
        .route("/{token}/", get(|| async { asset("index.html") }))
        .route("/{token}/{file}", get(|Path((_, file)): Of<String>| async move { asset(&file) }))
        .route(
            "/{token}/assets/{file}",
            get(|Path((_, file)): Of<String>| async move { asset(&format!("assets/{file}")) }),
        )
        .nest("/{token}/api", api)
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), gate::guard))
        .with_state(shared)
}

fn asset(name: &str) -> Response {
    match assets::find(name) {
        Some(asset) => ([(header::CONTENT_TYPE, asset.media_type)], asset.bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Why a document cannot be given.
struct Failed(ViewError);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.0.to_string() }).to_string();
        (StatusCode::from(&self.0), [(header::CONTENT_TYPE, JSON)], body).into_response()
    }
}

type Answer = std::result::Result<Response, Failed>;

fn json(document: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, JSON)], document).into_response()
}

/// Does what reads logs, where that keeps nobody from being served.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> std::result::Result<T, Failed> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Failed),
        Err(_) => Err(Failed(ViewError::LogChanged)),
    }
}

/// A document of a session. Where the log is no longer what it was, it is read anew, once.
async fn of_session(
    shared: Arc<Shared>,
    id: String,
    make: impl Fn(&mut Trace) -> Result<Vec<u8>> + Send + 'static,
) -> Answer {
    let document = blocking(move || {
        let trace = shared.shelf.trace(named(&id)?)?;
        let made = make(&mut lock(&trace));
        if !matches!(made, Err(ViewError::LogChanged)) {
            return made;
        }
        follow(&trace)?;
        make(&mut lock(&trace))
    });
    Ok(json(document.await?))
}

/// A document of a session that may be of any length.
async fn streamed(
    shared: Arc<Shared>,
    id: String,
    media_type: &'static str,
    write: impl FnOnce(&mut Trace, &mut dyn Write) -> Result<()> + Send + 'static,
) -> Answer {
    let body: Result<Body> = streaming::body(move |out| {
        let trace = shared.shelf.trace(named(&id)?)?;
        let mut trace = lock(&trace);
        write(&mut trace, out)
    })
    .await;
    Ok(([(header::CONTENT_TYPE, media_type)], body.map_err(Failed)?).into_response())
}

/// The id in a path: behind a tilde, because a segment cannot be `.` or `..`.
fn named(segment: &str) -> Result<&str> {
    segment.strip_prefix('~').ok_or_else(|| ViewError::no(format!("session {segment}")))
}

async fn meta(State(shared): App) -> Response {
    #[derive(Serialize)]
    struct Meta<'a> {
        version: &'static str,
        mode: &'static str,
        session: Option<&'a str>,
        store: String,
    }
    let meta = Meta {
        version: env!("CARGO_PKG_VERSION"),
        mode: "served",
        session: shared.session.as_ref().map(|session| session.id()),
        store: shared.shelf.store().path().display().to_string(),
    };
    json(serde_json::to_vec(&meta).unwrap_or_default())
}

async fn sessions(State(shared): App) -> Answer {
    #[derive(Serialize)]
    struct Document {
        version: u64,
        sessions: Vec<SessionRow>,
    }
    let document = blocking(move || {
        let (version, sessions) = shared.shelf.list()?;
        Ok(serde_json::to_vec(&Document { version, sessions })?)
    });
    Ok(json(document.await?))
}

/// Since when changes are wanted.
#[derive(Deserialize)]
struct Since {
    version: Option<u64>,
}

impl Since {
    /// A browser that was cut off says itself what it had last.
    fn or_last(&self, headers: &HeaderMap) -> Option<u64> {
        let last = headers.get(LAST_EVENT_ID).and_then(|last| last.to_str().ok()?.parse().ok());
        last.or(self.version)
    }
}

async fn list_live(State(shared): App, Query(since): Query<Since>, headers: HeaderMap) -> impl IntoResponse {
    live::list(shared, since.or_last(&headers))
}

async fn session_live(
    State(shared): App,
    Path((_, id)): Of<String>,
    Query(since): Query<Since>,
    headers: HeaderMap,
) -> Answer {
    let opened = Arc::clone(&shared);
    let trace = blocking(move || opened.shelf.trace(named(&id)?)).await?;
    Ok(live::session(trace, shared, since.or_last(&headers)).into_response())
}

async fn summary(State(shared): App, Path((_, id)): Of<String>) -> Answer {
    let document = blocking(move || {
        let trace = shared.shelf.trace(named(&id)?)?;
        follow(&trace)?;
        lock(&trace).summary_document()
    });
    Ok(json(document.await?))
}

async fn skeleton(State(shared): App, Path((_, id, chunk)): OfSession<usize>) -> Answer {
    of_session(shared, id, move |trace| trace.skeleton(chunk)).await
}

async fn rows(State(shared): App, Path((_, id, chunk)): OfSession<usize>) -> Answer {
    of_session(shared, id, move |trace| trace.rows(chunk)).await
}

async fn span(State(shared): App, Path((_, id, index)): OfSession<usize>) -> Answer {
    of_session(shared, id, move |trace| trace.span(index)).await
}

async fn chat(State(shared): App, Path((_, id, chunk)): OfSession<usize>) -> Answer {
    of_session(shared, id, move |trace| trace.chat(chunk)).await
}

async fn log(State(shared): App, Path((_, id, chunk)): OfSession<usize>) -> Answer {
    of_session(shared, id, move |trace| trace.log(chunk)).await
}

async fn event(State(shared): App, Path((_, id, seq)): OfSession<u64>) -> Answer {
    of_session(shared, id, move |trace| trace.event(seq)).await
}

async fn spans(State(shared): App, Path((_, id, chunk)): OfSession<usize>) -> Answer {
    streamed(shared, id, JSON, move |trace, mut out| trace.spans(chunk, &mut out)).await
}

async fn raw(State(shared): App, Path((_, id, chunk)): OfSession<usize>) -> Answer {
    streamed(shared, id, JSON, move |trace, mut out| trace.raw(chunk, &mut out)).await
}

async fn text(
    State(shared): App,
    Path((_, id, index, field)): Path<(String, String, usize, String)>,
) -> Answer {
    streamed(shared, id, PLAIN, move |trace, out| trace.text(index, &field, out)).await
}

/// What is looked for.
#[derive(Deserialize)]
struct Wanted {
    q: String,
}

async fn search(State(shared): App, Path((_, id)): Of<String>, Query(wanted): Query<Wanted>) -> Answer {
    of_session(shared, id, move |trace| trace.search(&wanted.q)).await
}

async fn find(State(shared): App, Path((_, id)): Of<String>, Query(filter): Query<Filter>) -> Answer {
    of_session(shared, id, move |trace| trace.find(&filter)).await
}
