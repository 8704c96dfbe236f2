//! The figures of the summary: by model, by tool, over time, and where nothing was going on.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;
use tracewal_compact::ToolUses;
use tracewal_format::event::SpanKind;
use tracewal_prices::Bill;

use super::{Classes, Ms};
use crate::index::row::Row;
use crate::skeleton::{Bar, SpanState};
use crate::trace::Trace;

/// At most so many buckets over time.
const BUCKETS: i128 = 200;
/// At most so many gaps.
const GAPS: usize = 50;
/// A shorter time without anything going on is no gap.
const GAP_NS: i64 = 1_000_000_000;
/// So often the same call makes a loop,
const LOOP: usize = 3;
/// among so many calls.
const WINDOW: usize = 10;
/// At most so many loops.
const LOOPS: usize = 100;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfModel {
    pub(super) model: String,
    calls: u64,
    errors: u64,
    tokens: Classes,
    cost: f64,
    /// US dollars, where the session does not say itself what it cost.
    cost_estimated: Option<f64>,
    duration: Ms,
    #[serde(skip)]
    bill: Bill,
}

#[derive(Debug, Serialize)]
pub(super) struct OfTool {
    tool: String,
    calls: u64,
    errors: u64,
    interrupted: u64,
    duration: Ms,
}

/// The same call again and again.
#[derive(Debug)]
pub(super) struct Repeated {
    pub(super) tool: String,
    /// The positions of those among the ten calls that hold most of them.
    pub(super) spans: Vec<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct OverTime {
    t0: Ms,
    step: Ms,
    cost: Vec<f64>,
    input: Vec<u64>,
    output: Vec<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Quiet {
    from: Ms,
    to: Ms,
}

/// What has been counted.
#[derive(Debug, Default, Serialize)]
pub(super) struct Counts {
    pub(super) spans: u64,
    pub(super) generations: u64,
    pub(super) tools: u64,
    pub(super) errors: u64,
    pub(super) interrupted: u64,
    pub(super) running: u64,
    pub(super) events: u64,
}

impl Trace {
    /// The spans without the root, in the order of the document.
    pub(super) fn others(&self) -> impl Iterator<Item = (usize, &Bar, Row)> {
        let bars = self.skeleton.bars().iter().enumerate().skip(1);
        bars.map(|(index, bar)| (index, bar, self.index.row(bar.number)))
    }

    pub(super) fn counts(&self) -> Counts {
        let summary = self.summary();
        let of = |state: SpanState| {
            let states = self.skeleton.bars().iter().skip(1).filter(|bar| bar.state == state);
            u64::try_from(states.count()).unwrap_or(u64::MAX)
        };
        Counts {
            spans: summary.spans,
            generations: summary.generations,
            tools: summary.tool_calls,
            errors: of(SpanState::Error),
            interrupted: of(SpanState::Interrupted),
            running: of(SpanState::Running),
            events: summary.events,
        }
    }

    /// The calls of all tools, as the summary of the canonical JSON is made of them.
    pub(super) fn tool_uses(&self) -> ToolUses {
        let mut uses = ToolUses::default();
        for (_, _, row) in self.others().filter(|(_, bar, _)| bar.kind == SpanKind::Tool) {
            let call = self.index.call(&row);
            let input = call.map(|call| call.input).unwrap_or_else(|| tracewal_compact::CallInput::of(b""));
            uses.add(self.index.names.text(row.name), input, row.duration_ns(call).into());
        }
        uses
    }

    /// Model calls by model, and whatever else used tokens or money. In the order in which the models were met.
    pub(super) fn by_model(&self) -> Vec<OfModel> {
        let usual = self.summary().metadata.model.as_deref().unwrap_or_default();
        let mut all: Vec<OfModel> = Vec::new();
        let mut positions = HashMap::new();
        for (_, bar, row) in self.others() {
            let usage = self.index.usage(&row);
            let is_call = bar.kind == SpanKind::Generation;
            if !is_call && usage.is_none() {
                continue;
            }
            let model = match self.index.models.text(row.model) {
                "" => usual,
                model => model,
            };
            let at = *positions.entry(model).or_insert_with(|| {
                all.push(OfModel {
                    model: model.to_owned(),
                    calls: 0,
                    errors: 0,
                    tokens: Classes::default(),
                    cost: 0.0,
                    cost_estimated: None,
                    duration: Ms(0),
                    bill: Bill::default(),
                });
                all.len() - 1
            });
            let Some(of) = all.get_mut(at) else { continue };
            if is_call {
                of.calls += 1;
                of.errors += u64::from(bar.state == SpanState::Error);
                of.duration.0 += duration(bar);
            }
            if let Some(usage) = usage {
                of.tokens = of.tokens.plus(usage.tokens.unwrap_or_default().into());
                of.cost += usage.cost.unwrap_or(0.0);
                let _ = self.add_to(&mut of.bill, &row);
            }
        }
        if !self.says_cost() {
            all.iter_mut().for_each(|of| of.cost_estimated = of.bill.dollars());
        }
        all
    }

    /// Tools, those that were called most first.
    pub(super) fn by_tool(&self) -> Vec<OfTool> {
        let mut all: Vec<OfTool> = Vec::new();
        let mut positions = HashMap::new();
        for (_, bar, row) in self.others().filter(|(_, bar, _)| bar.kind == SpanKind::Tool) {
            let at = *positions.entry(row.name).or_insert_with(|| {
                let tool = self.index.names.text(row.name).to_owned();
                all.push(OfTool { tool, calls: 0, errors: 0, interrupted: 0, duration: Ms(0) });
                all.len() - 1
            });
            let Some(of) = all.get_mut(at) else { continue };
            of.calls += 1;
            of.errors += u64::from(bar.state == SpanState::Error);
            of.interrupted += u64::from(bar.state == SpanState::Interrupted);
            of.duration.0 += i128::from(row.duration_ns(self.index.call(&row)));
        }
        all.sort_by_key(|of| std::cmp::Reverse(of.calls));
        all
    }

    /// The same tool with the same input, three times or more among ten calls: the loops of the canonical JSON, with their spans.
    pub(super) fn repeated(&self) -> Vec<Repeated> {
        let tools = self.others().filter(|(_, bar, _)| bar.kind == SpanKind::Tool);
        let mut found: Vec<Repeated> = Vec::new();
        let mut positions = HashMap::new();
        let mut window = VecDeque::new();
        for (index, _, row) in tools {
            let call = (row.name, self.index.call(&row).map(|call| call.input));
            if window.len() == WINDOW {
                window.pop_front();
            }
            window.push_back((call, index));
            let same = window.iter().filter(|(other, _)| *other == call);
            let spans: Vec<usize> = same.map(|(_, index)| *index).collect();
            if spans.len() < LOOP {
                continue;
            }
            let next = found.len();
            match found.get_mut(*positions.entry(call).or_insert(next)) {
                Some(known) if known.spans.len() < spans.len() => known.spans = spans,
                Some(_) => {}
                None if next == LOOPS => {}
                None => found.push(Repeated { tool: self.index.names.text(row.name).to_owned(), spans }),
            }
        }
        found
    }

    /// Cost and tokens by when the spans ended that used them.
    pub(super) fn over_time(&self) -> OverTime {
        let used = || {
            self.others().filter_map(|(_, bar, row)| {
                let usage = *self.index.usage(&row)?;
                Some((i128::from(bar.end_ns.unwrap_or(bar.start_ns)), usage))
            })
        };
        let t0 = self.summary().started_at.as_ns();
        let last = used().map(|(at, _)| at).fold(self.summary().ended_at.as_ns(), i128::max).max(t0);
        // Whole milliseconds, and the last time lies in the last bucket.
        let step = ((last - t0) / BUCKETS / 1_000_000 + 1) * 1_000_000;
        let count = usize::try_from((last - t0) / step + 1).unwrap_or(1).min(201);
        let mut over = OverTime {
            t0: Ms(t0),
            step: Ms(step),
            cost: vec![0.0; count],
            input: vec![0; count],
            output: vec![0; count],
        };
        for (at, usage) in used() {
            let bucket = usize::try_from((at - t0).max(0) / step).unwrap_or(0).min(count - 1);
            let [input, output, reasoning, cache_read, cache_write] = usage.tokens.unwrap_or_default();
            if let Some(cost) = over.cost.get_mut(bucket) {
                *cost += usage.cost.unwrap_or(0.0);
            }
            for (series, more) in [
                (&mut over.input, [input, cache_read, cache_write].into_iter().fold(0, u64::saturating_add)),
                (&mut over.output, output.saturating_add(reasoning)),
            ] {
                if let Some(sum) = series.get_mut(bucket) {
                    *sum = sum.saturating_add(more);
                }
            }
        }
        over
    }

    /// When no model call and no tool was running, the longest such times, in their order.
    pub(super) fn quiet(&self) -> Vec<Quiet> {
        let mut busy: Vec<(i64, i64)> = self
            .others()
            .filter(|(_, bar, _)| matches!(bar.kind, SpanKind::Generation | SpanKind::Tool))
            .map(|(_, bar, _)| (bar.start_ns, bar.end_ns.unwrap_or(i64::MAX).max(bar.start_ns)))
            .collect();
        busy.sort_unstable();
        let mut quiet: Vec<(i64, i64)> = Vec::new();
        let mut until = busy.first().map_or(0, |(start, _)| *start);
        for (start, end) in busy {
            if start.saturating_sub(until) > GAP_NS {
                quiet.push((until, start));
            }
            until = until.max(end);
        }
        quiet.sort_by_key(|(from, to)| std::cmp::Reverse(to.saturating_sub(*from)));
        quiet.truncate(GAPS);
        quiet.sort_unstable();
        quiet.into_iter().map(|(from, to)| Quiet { from: from.into(), to: to.into() }).collect()
    }
}

fn duration(bar: &Bar) -> i128 {
    bar.end_ns.map_or(0, |end| (i128::from(end) - i128::from(bar.start_ns)).max(0))
}

impl Classes {
    fn plus(self, more: Self) -> Self {
        Classes {
            input: self.input.saturating_add(more.input),
            output: self.output.saturating_add(more.output),
            reasoning: self.reasoning.saturating_add(more.reasoning),
            cache_read: self.cache_read.saturating_add(more.cache_read),
            cache_write: self.cache_write.saturating_add(more.cache_write),
        }
    }
}
