//! Spans as evidence: a session that is recorded with spans alone gets an answer too.

use tracewal_engine::evidence::ApiError;
use tracewal_format::event::{SpanKind, SpanStatus};

use super::attempt::{Attempt, Candidate};
use super::candidates::{keep, lowered};
use super::cause::{Cause, Confidence, Missing};
use super::known::{Key, tool_label};
use super::lanes::Which;
use super::privacy::Says;
use super::story::{Now, Story, piece};
use crate::facts::Facts as SpanFacts;
use crate::ids::SpanNo;
use crate::spans::{Added, NONE, Row};

impl Story {
    /// Takes in what an event said about a span. Returns attempts that have recovered by it.
    pub(crate) fn span(
        &mut self,
        added: &Added,
        facts: &SpanFacts<'_>,
        row: &Row,
        now: &Now<'_>,
    ) -> Vec<Attempt> {
        if self.ending.is_some() {
            return Vec::new();
        }
        let mut recovered = Vec::new();
        match row.kind() {
            SpanKind::Generation => {
                if added.started {
                    self.generation_started(added.span, row, now);
                }
                if facts.text.is_some() {
                    recovered.extend(self.generation_text(added.span, now));
                }
                if added.ended {
                    recovered.extend(self.generation_ended(added.span, facts, now));
                }
            }
            SpanKind::Tool => {
                if added.started {
                    let name = facts.start.as_ref().map_or("", |start| start.name);
                    recovered.extend(self.tool_started(added.span, row, name, now));
                }
                if added.ended {
                    self.tool_ended(added.span, facts, row, now);
                }
            }
            _ => {}
        }
        recovered
    }

    fn generation_started(&mut self, span: SpanNo, row: &Row, now: &Now<'_>) {
        let is_of = |attempt: &Attempt| {
            attempt.generation.is_none()
                && attempt.id.as_deref().is_some_and(|id| Self::span_of_id(id, now.spans) == Some(span))
        };
        let by_id = self.lanes.find(false, is_of);
        let joined = by_id.or_else(|| {
            let newest = self.lanes.newest()?;
            let attempt = self.lanes.get(newest)?;
            let is_free = attempt.known.evidenced && attempt.generation.is_none() && attempt.strong.is_none();
            (is_free && self.lanes.key(newest) == NONE).then_some(newest)
        });
        let which = match joined {
            // A lane is known by the generation's parent; an attempt that was first told by evidence stays in the root's.
            Some(joined) => joined,
            None => self.begin(row.parent, now.seq),
        };
        let Some(attempt) = self.lanes.get_mut(which) else { return };
        attempt.change(now.seq, now.actions).started = true;
        (attempt.generation, attempt.generation_is_open) = (Some(span), true);
        attempt.pieces.push(piece(now.seq, "span-started", None, false));
    }

    fn generation_text(&mut self, span: SpanNo, now: &Now<'_>) -> Vec<Attempt> {
        let Some(which) = self.of_generation(span) else { return Vec::new() };
        let Some(attempt) = self.lanes.get_mut(which) else { return Vec::new() };
        if !attempt.known.text_is_news() {
            attempt.has_moved = true;
            return Vec::new();
        }
        attempt.change(now.seq, now.actions).show(None);
        attempt.pieces.push(piece(now.seq, "span-text", None, false));
        self.progress(which, None)
    }

    fn generation_ended(&mut self, span: SpanNo, facts: &SpanFacts<'_>, now: &Now<'_>) -> Vec<Attempt> {
        let (Some(end), Some(which)) = (&facts.end, self.of_generation(span)) else { return Vec::new() };
        let besides = self.besides(which);
        let Some(attempt) = self.lanes.get_mut(which) else { return Vec::new() };
        attempt.generation_is_open = false;
        let event = if facts.start.is_some() { "span" } else { "span-ended" };
        if end.status == SpanStatus::Ok {
            let known = attempt.change(now.seq, now.actions);
            (known.completed, known.progress) = (true, true);
            attempt.pieces.push(piece(now.seq, event, None, false));
            return self.recovers(which);
        }
        let is_given_up = end.message.is_some_and(|message| message.starts_with(crate::render::INTERRUPTED));
        let piece = piece(now.seq, event, None, true);
        if !is_given_up {
            let says = end.message.and_then(Says::of);
            let mut missing = besides;
            let cause = Says::cause(says);
            missing.add(Missing::API_KIND, cause == Cause::ApiError(ApiError::Other));
            let known = attempt.known.facts(missing);
            let confidence = lowered(Confidence::Low, known.missing);
            let error = end.message.map(|_| Says::shown(says));
            let candidate = Candidate { error, ..Candidate::new(cause, confidence, known, piece.clone()) };
            keep(attempt, candidate, false, now, besides);
        }
        attempt.change(now.seq, now.actions).given_up |= is_given_up;
        attempt.pieces.push(piece);
        Vec::new()
    }

    /// The attempt that a tool's span is about.
    fn of_tool(&mut self, row: &Row, now: &Now<'_>) -> Which {
        let of_parent = (row.parent != NONE).then(|| self.of_generation(row.parent)).flatten();
        match of_parent.or_else(|| self.lanes.newest()) {
            Some(which) => which,
            None => self.begin(NONE, now.seq),
        }
    }

    fn tool_started(&mut self, span: SpanNo, row: &Row, name: &str, now: &Now<'_>) -> Vec<Attempt> {
        let which = self.of_tool(row, now);
        if let Some(known) = self.change(which, now) {
            known.tool_span_started(span, name);
        }
        if let Some(attempt) = self.lanes.get_mut(which) {
            attempt.pieces.push(piece(now.seq, "span-started", Some(tool_label(name)), false));
        }
        self.progress(which, Some(&Key::Span(span)))
    }

    fn tool_ended(&mut self, span: SpanNo, facts: &SpanFacts<'_>, row: &Row, now: &Now<'_>) {
        let Some(end) = &facts.end else { return };
        let which = self.of_tool(row, now);
        let besides = self.besides(which);
        let Some(attempt) = self.lanes.get_mut(which) else { return };
        let judged = attempt.known.facts(besides);
        let failed = end.status == SpanStatus::Error;
        let is_given_up =
            failed && end.message.is_some_and(|message| message.starts_with(crate::render::INTERRUPTED));
        let known = attempt.change(now.seq, now.actions);
        known.given_up |= is_given_up;
        // What is given up was running until then, and has no result.
        let ran = if is_given_up { None } else { known.tool_span_ended(span) };
        let event = if facts.start.is_some() { "span" } else { "span-ended" };
        let label = ran.as_ref().map(|ran| ran.label.clone());
        let piece = piece(now.seq, event, label, failed);
        if let (Some(ran), true) = (&ran, failed) {
            let confidence = lowered(Confidence::Medium, judged.missing);
            let error = end.message.map(|message| Says::shown(Says::of(message)));
            let tool = Some((ran.key.clone(), ran.label.clone(), ran.effect));
            let candidate = Candidate {
                tool,
                error,
                ..Candidate::new(Cause::ToolFailure, confidence, judged, piece.clone())
            };
            keep(attempt, candidate, false, now, besides);
        }
        attempt.pieces.push(piece);
    }
}
