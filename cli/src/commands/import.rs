//! `tracewal import`: transcripts of other tools.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tracewal::{Store, Tokens};
use tracewal_cli::import::{InvalidLine, Report, Source, Transcript, discover};

use super::import_format::{self, Other};
use super::import_into::{Done, import};
use super::ls::TokensJson;
use crate::args::{Import, ImportSource};
use crate::failure::{ERROR, Failure, Outcome, Result};
use crate::redaction::Redaction;
use crate::{output, stores, text};

pub(crate) fn run(folder: &Path, args: &Import) -> Result<()> {
    let source = match args.source {
        ImportSource::ClaudeCode => Source::ClaudeCode,
        ImportSource::Codex => Source::Codex,
        ImportSource::Opencode => return import_format::run(folder, args, Other::Opencode),
        ImportSource::Json => return import_format::run(folder, args, Other::Json),
        ImportSource::Otlp => return import_format::run(folder, args, Other::Otlp),
        ImportSource::Events => return import_format::run(folder, args, Other::Events),
    };
    let files = discover(&args.paths).map_err(Failure::error)?;
    if files.is_empty() {
        return Err(Failure::not_found("no *.jsonl file there; name a file, or a folder that holds some"));
    }
    let store = stores::options().open(folder)?;
    let redaction = Redaction::asked_for(&args.redact, Some(&store))?;
    let mut out = output::worker();
    let mut outcome = Outcome::default();
    let mut reports = Vec::new();
    for file in files {
        match one(&store, source, &file, redaction.as_ref()) {
            Ok((done, report)) => {
                if args.strict && !report.is_strict() {
                    outcome.note(not_strict(&file, &report))?;
                }
                if args.json.json {
                    reports.push(Line::new(&file, done, &report));
                } else {
                    print(done, &report, &mut out)?;
                    out.flush()?;
                }
            }
            Err(failure) => outcome.note(in_file(&file, failure))?,
        }
    }
    if args.json.json {
        output::json(&reports)?;
    }
    outcome.finish()
}

fn one(store: &Store, source: Source, file: &Path, redaction: Option<&Redaction>) -> Result<(Done, Report)> {
    let transcript = Transcript::open(source, file).map_err(Failure::error)?;
    import(store, &transcript, file, redaction)
}

pub(crate) fn in_file(file: &Path, failure: Failure) -> Failure {
    match failure {
        // Some name the file already.
        Failure::Said(code, what) if !what.contains(&*file.to_string_lossy()) => {
            Failure::Said(code, format!("{}: {what}", file.display()))
        }
        other => other,
    }
}

fn not_strict(file: &Path, report: &Report) -> Failure {
    let lines = report.invalid.iter().take(10).map(|line| format!("{} ({})", line.line, line.reason));
    let lines: Vec<String> = lines.collect();
    let what = text::count(report.lines - report.represented + report.invalid_lines, "line");
    Failure::Said(
        ERROR,
        format!(
            "{}: {what} could not be understood and is kept as notes: line {}",
            file.display(),
            lines.join(", ")
        ),
    )
}

fn print(done: Done, report: &Report, out: &mut impl Write) -> Result<()> {
    let (id, totals) = (text::one_line(&report.session_id), &report.totals);
    writeln!(
        out,
        "{id}  {}, {}, {}, {} failed, {} tokens  {}",
        text::count(report.lines, "line"),
        text::count(totals.generations, "generation"),
        text::count(totals.tools, "tool"),
        text::grouped(totals.failed_tools),
        text::grouped(totals.tokens.total()),
        done.as_str()
    )?;
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    file: PathBuf,
    session_id: String,
    result: &'static str,
    lines: u64,
    represented: u64,
    notes: u64,
    blank: u64,
    invalid_lines: u64,
    invalid: Vec<Invalid>,
    generations: u64,
    tools: u64,
    failed_tools: u64,
    tokens: TokensJson,
}

#[derive(Serialize)]
struct Invalid {
    line: u64,
    reason: String,
}

impl Line {
    fn new(file: &Path, done: Done, report: &Report) -> Self {
        let totals = &report.totals;
        let invalid = |line: &InvalidLine| Invalid { line: line.line, reason: line.reason.clone() };
        Line {
            file: file.to_owned(),
            session_id: report.session_id.clone(),
            result: done.as_str(),
            lines: report.lines,
            represented: report.represented,
            notes: report.notes,
            blank: report.blank,
            invalid_lines: report.invalid_lines,
            invalid: report.invalid.iter().map(invalid).collect(),
            generations: totals.generations,
            tools: totals.tools,
            failed_tools: totals.failed_tools,
            tokens: TokensJson::from(&Tokens::from(totals.tokens)),
        }
    }
}
