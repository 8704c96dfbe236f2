//! Incidents and closes as JSON.

use super::close::Close;
use super::derive::{Incident, Incidents};
use crate::actions::Action;
use crate::members::{array, key, number, text};
use tracewal_format::json::write_str;

/// `close` as it stands in a view, on its own.
#[must_use]
pub fn close_json(close: &Close) -> String {
    let mut out = Vec::new();
    write_close_value(close, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// `incidents` as they stand in a view, on their own. `None`: there are none.
#[must_use]
pub fn incidents_json(incidents: &Incidents) -> Option<String> {
    let mut out = Vec::new();
    write_incidents_value(incidents, &mut out);
    (!is_empty(incidents)).then(|| String::from_utf8_lossy(&out).into_owned())
}

pub(crate) fn write_close(close: Option<&Close>, out: &mut Vec<u8>) {
    if let Some(close) = close {
        key("close", out);
        write_close_value(close, out);
    }
}

pub(crate) fn write_incidents(incidents: &Incidents, out: &mut Vec<u8>) {
    if !is_empty(incidents) {
        key("incidents", out);
        write_incidents_value(incidents, out);
    }
}

fn write_close_value(close: &Close, out: &mut Vec<u8>) {
    out.push(b'{');
    text("kind", Some(close.kind.as_str()), out);
    text("actionId", close.cover.as_ref().map(|cover| cover.id.as_str()), out);
    text("provenance", Some(close.provenance.as_str()), out);
    if let Some(action) = close.cover.as_ref().and_then(|cover| cover.action.as_ref()) {
        key("action", out);
        write_action(action, out);
    }
    words("missing", close.missing(), out);
    out.push(b'}');
}

fn write_action(action: &Action, out: &mut Vec<u8>) {
    out.push(b'{');
    text("kind", Some(&action.kind), out);
    if let Some(source) = action.source {
        key("origin", out);
        out.push(b'{');
        text("source", Some(source), out);
        text("operation", action.operation.as_deref(), out);
        text("reason", action.reason.as_deref(), out);
        out.push(b'}');
    }
    text("parentActionId", action.parent.as_deref(), out);
    number("seq", action.seq, out);
    out.push(b'}');
}

fn is_empty(incidents: &Incidents) -> bool {
    incidents.terminal.is_none() && incidents.later.is_empty() && incidents.recovered.is_empty()
}

fn write_incidents_value(incidents: &Incidents, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(terminal) = &incidents.terminal {
        key("terminal", out);
        write_incident(terminal, out);
    }
    for (name, list) in [("laterIncidents", &incidents.later), ("recoveredIncidents", &incidents.recovered)] {
        if !list.is_empty() {
            key(name, out);
            array(list, out, write_incident);
        }
    }
    if incidents.recovered_omitted > 0 {
        number("recoveredOmitted", incidents.recovered_omitted, out);
    }
    out.push(b'}');
}

fn write_incident(incident: &Incident, out: &mut Vec<u8>) {
    out.push(b'{');
    text("cause", Some(incident.cause.as_str()), out);
    text("kind", incident.kind.as_deref(), out);
    text("phase", incident.phase.map(|phase| phase.as_str()), out);
    text("confidence", Some(incident.confidence.as_str()), out);
    key("complete", out);
    out.extend_from_slice(if incident.is_complete() { b"true" } else { b"false" });
    number("run", incident.run, out);
    let some = |name, value: Option<u64>, out: &mut Vec<u8>| {
        if let Some(value) = value {
            number(name, value, out);
        }
    };
    some("attempt", incident.attempt, out);
    some("seq", incident.seq, out);
    text("tool", incident.tool.as_deref(), out);
    text("effect", incident.effect.map(|effect| effect.as_str()), out);
    some("httpStatus", incident.http_status.map(u64::from), out);
    text("error", incident.error, out);
    text("signal", incident.signal.as_deref(), out);
    text("actionId", incident.action_id.as_deref(), out);
    let facts = &incident.facts;
    key("facts", out);
    out.push(b'{');
    text("visibleOutput", Some(facts.shown()), out);
    text("toolExecution", Some(facts.execution.as_str()), out);
    text("sideEffect", Some(facts.side_effect.as_str()), out);
    out.push(b'}');
    if let Some(recovery) = incident.recovery {
        key("recovery", out);
        out.push(b'{');
        text("advice", Some(recovery.advice.as_str()), out);
        text("reason", Some(recovery.reason), out);
        out.push(b'}');
    }
    key("evidence", out);
    array(&incident.evidence, out, |piece, out| {
        out.push(b'{');
        some("seq", piece.seq, out);
        text("event", Some(piece.event), out);
        text("tool", piece.tool.as_deref(), out);
        out.push(b'}');
    });
    if incident.omitted > 0 {
        number("evidenceOmitted", incident.omitted, out);
    }
    words("missing", facts.missing.names(), out);
    out.push(b'}');
}

fn words(name: &str, words: impl Iterator<Item = &'static str>, out: &mut Vec<u8>) {
    let mut words = words.peekable();
    if words.peek().is_some() {
        key(name, out);
        array(words, out, write_str);
    }
}
