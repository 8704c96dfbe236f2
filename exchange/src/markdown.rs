//! A transcript in CommonMark.
//!
//! Whatever a session holds stands in fenced code blocks whose fences are longer than any run of backticks in them, or in code spans on a
//! line of their own kind, so that nothing in it is taken for markup. Characters that cannot be seen and change how the text around them
//! is shown (controls, bidirectional overrides) are written as `\u{202e}`.

use std::io;

use tracewal_compact::{RenderError, Summary, write_date};
use tracewal_format::event::SpanKind;
use tracewal_format::log::LogSource;
use tracewal_format::time::{Time, write_f64};

use crate::span::{Span, is_string, shown};
use crate::trace::Trace;

pub(crate) fn write<S: LogSource, W: io::Write>(
    trace: &mut Trace<'_, S>,
    out: &mut W,
) -> Result<(), RenderError<S::Error>> {
    let summary = trace.summary();
    head(summary, out).map_err(RenderError::Write)?;
    trace.spans(|written| span(&written, out))?;
    foot(summary, out).map_err(RenderError::Write)
}

fn head(summary: &Summary, out: &mut impl io::Write) -> io::Result<()> {
    let title = summary.metadata.title.as_deref().unwrap_or(&summary.session_id);
    writeln!(out, "# {}\n", code(title))?;
    fact("Session", &summary.session_id, out)?;
    fact("Status", summary.status.as_str(), out)?;
    for (name, value) in [
        ("Error", &summary.error),
        ("Agent", &summary.metadata.agent.as_ref().map(ToString::to_string)),
        ("Model", &summary.metadata.model.as_ref().map(ToString::to_string)),
    ] {
        if let Some(value) = value {
            fact(name, value, out)?;
        }
    }
    fact("Started", &date(summary.started_at), out)?;
    fact("Ended", &date(summary.ended_at), out)?;
    fact("Tokens", &summary.tokens.total().to_string(), out)?;
    fact("Cost", &format!("${}", number(summary.total_cost)), out)
}

fn span(span: &Span, out: &mut impl io::Write) -> io::Result<()> {
    let what = match span.kind() {
        SpanKind::Session => "Prompt",
        SpanKind::Generation => "Model",
        SpanKind::Tool => "Tool",
        SpanKind::UserMessage => "User",
        SpanKind::Text => "Text",
        SpanKind::Span => "Span",
    };
    if span.kind() == SpanKind::Session && span.input.is_none() && span.attributes.is_none() {
        return Ok(());
    }
    writeln!(out, "\n## {what}: {}\n", code(&span.name))?;
    writeln!(out, "{}", facts(span).join(" · "))?;
    if let Some(message) = &span.status_message {
        block("Error", "text", message, out)?;
    }
    for (name, value) in [("Input", &span.input), ("Output", &span.output), ("Attributes", &span.attributes)]
    {
        // The root's output says what the foot says.
        let is_said = name == "Output" && span.kind() == SpanKind::Session;
        if let Some(json) = value.as_ref().filter(|_| !is_said) {
            let language = if is_string(json.get()) { "text" } else { "json" };
            block(name, language, &shown(json.get()), out)?;
        }
    }
    Ok(())
}

fn facts(span: &Span) -> Vec<String> {
    let mut facts = vec![format!("id {}", code(&span.span_id)), date(span.start)];
    match span.end {
        Some(end) => facts.push(format!("{} ms", (end.as_ns() - span.start.as_ns()).max(0) / 1_000_000)),
        None => facts.push("open".to_owned()),
    }
    if span.interrupted {
        facts.push("**interrupted**".to_owned());
    } else if span.failed() {
        facts.push("**failed**".to_owned());
    }
    facts.extend(span.model_id().map(|model| format!("model {}", code(model))));
    facts.extend(span.finish_reason.as_ref().map(|reason| format!("finish {}", code(reason))));
    if let Some(tokens) = &span.tokens {
        facts.push(format!("{} tokens in, {} out", tokens.prompt(), tokens.completion()));
    }
    facts.extend(span.cost.map(|cost| format!("${}", number(cost))));
    facts
}

fn foot(summary: &Summary, out: &mut impl io::Write) -> io::Result<()> {
    for loss in &summary.losses {
        writeln!(out)?;
        let what = format!("{} bytes {} + {}, {}", loss.file, loss.offset, loss.length, loss.kind.as_str());
        fact("Lost", &what, out)?;
    }
    Ok(())
}

fn fact(name: &str, value: &str, out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out, "- {name}: {}", code(value))
}

fn block(name: &str, language: &str, text: &str, out: &mut impl io::Write) -> io::Result<()> {
    let text = visible(text, true);
    let fence = "`".repeat((longest_run(&text) + 1).max(3));
    let end = if text.ends_with('\n') { "" } else { "\n" };
    writeln!(out, "\n{name}:\n\n{fence}{language}")?;
    out.write_all(text.as_bytes())?;
    writeln!(out, "{end}{fence}")
}

/// A code span, on one line.
fn code(text: &str) -> String {
    let text = visible(text, false);
    if text.trim().is_empty() {
        return "``` ```".to_owned();
    }
    let ticks = "`".repeat(longest_run(&text) + 1);
    // A space next to a backtick, or next to a space, is taken away again by whoever reads it.
    let edge = |c: char| c == '`' || c == ' ';
    let pad = if text.starts_with(edge) || text.ends_with(edge) { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

fn longest_run(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for byte in text.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Text without characters that cannot be seen: they are spelled out.
fn visible(text: &str, lines: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let is_bidi = matches!(
            c,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
        );
        let is_line = lines && matches!(c, '\n' | '\t');
        let is_separator = matches!(c, '\u{2028}' | '\u{2029}');
        if (c.is_control() && !is_line) || is_bidi || is_separator {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn date(time: Time) -> String {
    let mut out = Vec::new();
    write_date(time, &mut out);
    String::from_utf8(out).unwrap_or_default().trim_matches('"').to_owned()
}

fn number(value: f64) -> String {
    let mut out = Vec::new();
    write_f64(value, &mut out);
    String::from_utf8(out).unwrap_or_default()
}
