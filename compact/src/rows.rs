//! Rows of the store's index (SPEC.md section 17): made of a fold, and when.

use tracewal_engine::{Result, SessionName, Status, Store};
use tracewal_format::index::{FilesStamp, Frame, Row};
use tracewal_format::log::Reading;

use crate::FOLD_VERSION;
use crate::fold::Fold;

/// What the index has to know of a session, its log folded to the end. `files` are those of the log before it was read for the last time.
pub(crate) fn frame(session: &SessionName, fold: &Fold, files: FilesStamp) -> Frame {
    let summary = fold.summary();
    if summary.runs.last().is_some_and(|run| run.ending.is_none()) {
        // What is to be said of it depends on whether its writer lives.
        return Frame::Unknown(session.name().to_owned());
    }
    let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_ref().map(|text| text.to_string());
    let tokens = &summary.tokens;
    let row = Row {
        name: session.name().to_owned(),
        id: session.id().to_owned(),
        files,
        fold_version: FOLD_VERSION,
        status: number(summary.status),
        is_unreadable: summary.session_id.is_empty(),
        is_cut: false,
        started_at: summary.started_at,
        ended_at: summary.ended_at,
        tokens: [tokens.input, tokens.output, tokens.reasoning, tokens.cache_read, tokens.cache_write],
        cost: summary.total_cost,
        generations: summary.generations,
        tool_calls: summary.tool_calls,
        spans: summary.spans,
        events: summary.events,
        last_seq: summary.last_seq,
        generation: summary.generation,
        title: owned(&summary.metadata.title),
        model: owned(&summary.metadata.model),
        agent: owned(&summary.metadata.agent),
        error: summary.error.clone(),
        cause: summary.incidents.terminal.as_ref().map(|incident| incident.cause.as_str().to_owned()),
        cause_kind: summary.incidents.terminal.as_ref().and_then(|incident| incident.kind.clone()),
        losses: summary.losses.clone(),
    };
    Frame::Row(Box::new(row.cut_to_size()))
}

/// Finds out how a session stands that nobody has open, and adds that to the index. `None`: somebody has it open, or it cannot be told.
///
/// # Errors
/// When its locks cannot be taken, or its log cannot be read.
pub(crate) fn refresh(store: &Store, session: &SessionName) -> Result<Option<Frame>> {
    let found = store.while_closed(session, || {
        let index = store.index();
        let failed =
            |source| tracewal_engine::Error::Io { doing: "read", path: store.folder(session), source };
        let files = index.files(session).map_err(failed)?;
        let mut log = store.read(session, Reading::Whole)?;
        let fold = Fold::of(&mut log).map_err(failed)?;
        let frame = frame(session, &fold, files);
        if matches!(frame, Frame::Row(_)) {
            index.add(&frame);
        }
        Ok(frame)
    })?;
    found.transpose()
}

fn number(status: Status) -> u8 {
    match status {
        Status::Running => 0,
        Status::Completed => 1,
        Status::Error => 2,
        Status::Crashed => 3,
    }
}

/// The status of a row or key.
pub(crate) fn status(number: u8) -> Status {
    match number {
        1 => Status::Completed,
        2 => Status::Error,
        3 => Status::Crashed,
        _ => Status::Running,
    }
}

/// How the session of a row stands.
#[must_use]
pub fn status_of(row: &Row) -> Status {
    status(row.status)
}
