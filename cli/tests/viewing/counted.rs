//! What a session comes to, counted from the lines that `tracewal events` prints, without the fold: slow, and as plain as can be.

use std::collections::BTreeMap;

use serde_json::Value;

#[derive(Clone, Debug, Default)]
pub struct Span {
    pub id: String,
    pub kind: String,
    pub name: String,
    pub parent: Option<String>,
    pub model: Option<String>,
    pub start: f64,
    pub end: Option<f64>,
    pub failed: bool,
    pub message: Option<String>,
    pub tokens: Option<[u64; 5]>,
    pub cost: Option<f64>,
    pub input: Option<Value>,
    pub output: Option<Value>,
    pub text: String,
}

#[derive(Debug, Default)]
pub struct Counted {
    /// In the order of their first events.
    pub spans: Vec<Span>,
    pub root: String,
    pub events: Vec<Value>,
    pub model: Option<String>,
}

const CLASSES: [&str; 5] = ["input", "output", "reasoning", "cacheRead", "cacheWrite"];

pub fn classes(tokens: &Value) -> [u64; 5] {
    CLASSES.map(|class| tokens[class].as_u64().unwrap_or(0))
}

impl Counted {
    pub fn of(lines: &str) -> Self {
        let mut counted = Counted::default();
        for line in lines.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            counted.take(&event);
            counted.events.push(event);
        }
        counted
    }

    fn take(&mut self, event: &Value) {
        let text = |key: &str| event[key].as_str().map(str::to_owned);
        let kind = event["type"].as_str().unwrap_or_default();
        if let Some(root) = text("rootSpanId") {
            self.root = root;
        }
        if matches!(kind, "session-started" | "metadata")
            && let Some(model) = event["metadata"]["model"].as_str().or(event["model"].as_str())
        {
            self.model = Some(model.to_owned());
        }
        let Some(id) = text("spanId") else { return };
        let time = event["time"].as_f64().unwrap();
        let at = self.spans.iter().position(|span| span.id == id).unwrap_or_else(|| {
            self.spans.push(Span { id: id.clone(), start: time, ..Span::default() });
            self.spans.len() - 1
        });
        let span = &mut self.spans[at];
        if matches!(kind, "span" | "span-started") {
            if span.kind.is_empty() {
                span.kind = text("kind").unwrap();
                span.name = text("name").unwrap();
                span.start = event["startTime"].as_f64().unwrap_or(time);
            }
            span.parent = span.parent.take().or(text("parentSpanId"));
            span.model = span.model.take().or(event["model"]["modelId"].as_str().map(str::to_owned));
            span.input = span.input.take().or(event.get("input").cloned());
        }
        if kind == "span-text" {
            span.text.push_str(event["text"].as_str().unwrap());
        }
        if matches!(kind, "span" | "span-ended") {
            if span.end.is_none() {
                span.end = Some(event["endTime"].as_f64().unwrap_or(time));
                span.failed = event["status"] == "error";
                span.message = text("statusMessage");
            }
            if event["tokens"].is_object() {
                span.tokens = Some(classes(&event["tokens"]));
            }
            span.cost = event["cost"].as_f64().or(span.cost);
            span.output = event.get("output").cloned().or(span.output.take());
        }
    }

    /// Without the root.
    pub fn others(&self) -> Vec<&Span> {
        self.spans.iter().filter(|span| span.id != self.root).collect()
    }

    pub fn of_kind(&self, kind: &str) -> Vec<&Span> {
        self.others().into_iter().filter(|span| span.kind == kind).collect()
    }

    /// Calls, failures, tokens and duration by model.
    pub fn by_model(&self) -> BTreeMap<String, (u64, u64, [u64; 5], f64)> {
        let mut all: BTreeMap<String, (u64, u64, [u64; 5], f64)> = BTreeMap::new();
        for span in self.others() {
            if span.kind != "generation" && span.tokens.is_none() {
                continue;
            }
            let model = span.model.clone().or(self.model.clone()).unwrap_or_default();
            let of = all.entry(model).or_default();
            if span.kind == "generation" {
                of.0 += 1;
                of.1 += u64::from(span.failed);
                of.3 += span.end.map_or(0.0, |end| end - span.start);
            }
            for (sum, tokens) in of.2.iter_mut().zip(span.tokens.unwrap_or_default()) {
                *sum += tokens;
            }
        }
        all
    }

    /// Calls and failures by tool.
    pub fn by_tool(&self) -> BTreeMap<String, (u64, u64)> {
        let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for span in self.of_kind("tool") {
            let of = all.entry(span.name.clone()).or_default();
            of.0 += 1;
            of.1 += u64::from(span.failed);
        }
        all
    }

    /// The times between which no model call and no tool was running for more than a second, as every pair of times says.
    pub fn quiet(&self) -> Vec<(f64, f64)> {
        let busy: Vec<(f64, f64)> = self
            .others()
            .iter()
            .filter(|span| matches!(span.kind.as_str(), "generation" | "tool"))
            .map(|span| (span.start, span.end.unwrap_or(f64::MAX)))
            .collect();
        let mut quiet = Vec::new();
        for (_, from) in &busy {
            let next = busy.iter().map(|(start, _)| *start).filter(|start| start > from);
            let next = next.fold(f64::MAX, f64::min);
            let is_busy = busy.iter().any(|(start, end)| start <= from && end > from);
            if !is_busy && next < f64::MAX && next - from > 1000.0 && !quiet.contains(&(*from, next)) {
                quiet.push((*from, next));
            }
        }
        quiet
    }
}
