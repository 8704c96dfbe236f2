//! What can be said on the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::filters::{Filters, FiltersAndCause};

const EXIT_CODES: &str = "\
Exit codes: 0 fine, 1 error, 2 wrong usage, 3 damage found, 4 no such session or store, 5 session is open elsewhere.

SESSION is a session's id, or the beginning of one that no other session shares.";

/// Traces of AI agents that survive kill -9.
///
/// Records events of agent sessions in a write-ahead log per session: what has been acknowledged survives the death of the
/// process at any moment. Each session has one JSON file, which is a view of its log.
#[derive(Debug, Parser)]
#[command(name = "tracewal", version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// The store's folder [default: tracewal in the user's data folder].
    #[arg(long, global = true, env = "TRACEWAL_STORE", value_name = "DIR", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(Demo),
    #[command(hide = true)]
    DemoWriter(DemoWriter),
    Record(Record),
    Import(Import),
    Export(Export),
    Ls(Ls),
    Search(Search),
    Show(Show),
    Why(Why),
    View(View),
    Events(Events),
    Tail(Tail),
    Path(PathOf),
    /// Write the crash records of sessions whose process died, and bring their views up to date.
    ///
    /// Every command that may write does this by itself; this one says what it did.
    #[command(after_help = "Example:\n  tracewal recover --json")]
    Recover(Json),
    Verify(Verify),
    Repair(Repair),
    Redact(Redact),
    Materialize(Materialize),
    Prune(Prune),
    Stats(Stats),
    Prices(PricesOf),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example:\n  tracewal completions bash > ~/.local/share/bash-completion/completions/tracewal"
    )]
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print a manual page, in roff.
    #[command(after_help = "Examples:\n  tracewal man | man -l -\n  tracewal man record | man -l -")]
    Man {
        /// Of this command instead of the whole.
        command: Option<String>,
    },
}

/// Record a session, kill its process at a random moment, recover it, and compare.
///
/// Each round starts a process that records an agent session at full speed and acknowledges every event through a pipe. It is
/// killed with SIGKILL. Then every event that was acknowledged has to be there, with the right content. Exits with 1 if one
/// is not.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  tracewal demo\n  tracewal demo --rounds 20 --seed 7")]
pub(crate) struct Demo {
    /// How many times.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Replays the contents and the moments of an earlier demo.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

/// The process that `demo` kills.
#[derive(Debug, ClapArgs)]
pub(crate) struct DemoWriter {
    #[arg(long)]
    pub(crate) session: String,
    #[arg(long)]
    pub(crate) seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum End {
    Completed,
    Error,
}

/// Record events from standard input, one JSON object per line.
///
/// The events are those that `tracewal events` prints. A first line of type session-started says what the session is about;
/// without one it begins with defaults. When standard input ends without a session-ended event, the session stays open to be
/// resumed: record it again with the same --session.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  my-agent | tracewal record --session fix-the-build --ack
  echo '{\"type\":\"note\",\"name\":\"hello\",\"data\":1}' | tracewal record --end completed")]
pub(crate) struct Record {
    /// The session's id; an existing one is resumed. A new UUID unless given, printed on standard error.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Print {"seq":N} for every event once it is safe.
    #[arg(long)]
    pub(crate) ack: bool,
    /// An event is safe when it survives a power cut, not only the death of this process.
    #[arg(long)]
    pub(crate) durable: bool,
    /// End the session so when standard input ends without a session-ended event.
    #[arg(long, value_name = "STATUS")]
    pub(crate) end: Option<End>,
    /// Keep a line that is not an event as a note named tracewal.rejected, and go on.
    #[arg(long)]
    pub(crate) keep_going: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportSource {
    /// Transcripts of Claude Code: *.jsonl.
    ClaudeCode,
    /// Transcripts of Codex: *.jsonl.
    Codex,
    /// The storage folder of opencode.
    Opencode,
    /// Canonical JSON, schema version 2: *.json.
    Json,
    /// OTLP in JSON or protobuf: *.json, *.jsonl, *.pb, *.binpb, *.otlp.
    Otlp,
    /// What `tracewal events` prints; the file's name is the session's id: *.jsonl, *.events.
    Events,
}

/// Import sessions of other tools and formats.
///
/// What was imported before is left alone when nothing is new in it; what grew adds a run with what is new. (A file of events has to be
/// the same.)
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  tracewal import claude-code ~/.claude/projects
  tracewal import codex ~/.codex/sessions --strict
  tracewal import opencode ~/.local/share/opencode
  tracewal import otlp traces.pb
  tracewal --store copy import json trace.json")]
pub(crate) struct Import {
    /// What they are.
    pub(crate) source: ImportSource,
    /// Files, or folders that are searched for such files.
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) paths: Vec<PathBuf>,
    /// Exit with 1 if a line or file could not be understood. (It is kept as a note in any case.)
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) redact: RedactOnTheWay,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// The canonical JSON, as `show --json` prints it.
    Json,
    /// The log, one JSON object a line.
    Events,
    /// OTLP/JSON with the GenAI attributes of OpenTelemetry's semantic conventions.
    Otlp,
    /// The same in protobuf.
    OtlpProto,
    /// OTLP/JSON with OpenInference attributes.
    Openinference,
    /// Trace Event JSON for the viewers of Perfetto and Chrome.
    Perfetto,
    /// Agent Trajectory Interchange Format.
    Atif,
    /// A readable transcript.
    Markdown,
    /// One row per span, safe to open in a spreadsheet.
    Csv,
    /// One page that shows the session, and needs nothing else: no network, no server.
    Html,
}

/// Write a session in the format of another tool.
///
/// The session is read as it stands now, and written span by span: memory does not grow with what is in it. What each format cannot
/// carry is in docs/formats.md.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  tracewal export otlp fix-the-build | curl -H 'Content-Type: application/json' --data-binary @- localhost:4318/v1/traces
  tracewal export perfetto fix-the-build -o trace.json    # open it at ui.perfetto.dev
  tracewal export markdown fix-the-build | less
  tracewal export html fix-the-build -o fix-the-build.html")]
pub(crate) struct Export {
    pub(crate) format: ExportFormat,
    pub(crate) session: String,
    /// Write to this file, which is there as a whole or not at all, instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) redact: RedactOnTheWay,
}

/// List sessions, newest first.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  tracewal ls\n  tracewal ls --status crashed --all\n  tracewal ls --json | jq '.[].sessionId'"
)]
pub(crate) struct Ls {
    /// Show why each stopped; with a cause or a kind of one, only those that stopped for it.
    #[arg(long, value_name = "CAUSE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) cause: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: usize,
    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
    /// Read the log of every session, and make the store's index anew.
    #[arg(long)]
    pub(crate) fresh: bool,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) filters: Filters,
}

/// Find a text in what sessions were asked, said, ran and failed with.
///
/// Case makes no difference, unless --regex says that it does. JSON is searched as its strings, numbers and truths, each on a line behind its key. The
/// first search of a store makes an index of it, which later ones bring up to date; it can be removed at any time. What is found is
/// read from the logs.
#[derive(Debug, ClapArgs)]
#[command(
    group = clap::ArgGroup::new("pattern").required(true).args(["text", "regex"]),
    after_help = "Examples:
  tracewal search 'connection refused'
  tracewal search --regex 'error(\\[E\\d+\\])?: ' --model claude --since 7d
  tracewal search ECONNRESET --json | jq -r '.hits[].sessionId' | sort -u"
)]
pub(crate) struct Search {
    /// What to look for.
    pub(crate) text: Option<String>,
    /// Look for a regular expression instead: the syntax is that of the Rust crate regex, with ^ and $ at the ends of lines.
    #[arg(long, value_name = "RE")]
    pub(crate) regex: Option<String>,
    /// Show at most so many texts in which it was found, those of the newest sessions first.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
    /// Show all of them.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) filters: FiltersAndCause,
}

/// Show what happened in a session.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  tracewal show fix-the-build\n  tracewal show fix-the-build --json | jq .summary"
)]
pub(crate) struct Show {
    pub(crate) session: String,
    /// Print the canonical JSON, as of now.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Explain how a session ended, and how that is known.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  tracewal why fix-the-build\n  tracewal why fix-the-build --last 30 --json"
)]
pub(crate) struct Why {
    pub(crate) session: String,
    /// How many of the last events to show.
    #[arg(long, default_value_t = 10)]
    pub(crate) last: usize,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Look at sessions in the browser.
///
/// Serves a page to this machine alone, at an address that cannot be guessed, and opens it. What is being recorded is followed. The address
/// is the first line that is printed. Ends with Ctrl-C.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  tracewal view\n  tracewal view fix-the-build --no-open\n  tracewal view trace-from-a-colleague.json"
)]
pub(crate) struct View {
    /// The list of all unless given. Also a file with the canonical JSON of one: nothing of it goes into the store.
    #[arg(value_name = "SESSION|FILE")]
    pub(crate) session: Option<String>,
    /// Only print the address.
    #[arg(long)]
    pub(crate) no_open: bool,
    /// The port to listen on; any that is free unless given.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub(crate) port: u16,
}

/// Print a session's log as JSON lines.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  tracewal events fix-the-build | grep span-ended
  tracewal events one | tracewal record --session copy --keep-going")]
pub(crate) struct Events {
    pub(crate) session: String,
    /// Begin with the event of this sequence number.
    #[arg(long, value_name = "SEQ")]
    pub(crate) from: Option<u64>,
    #[command(flatten)]
    pub(crate) redact: RedactOnTheWay,
}

/// Print a session's events as they come, one readable line each.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  tracewal tail -f")]
pub(crate) struct Tail {
    /// The newest unless given.
    pub(crate) session: Option<String>,
    /// Wait for more, until the session is over.
    #[arg(short, long)]
    pub(crate) follow: bool,
}

/// Print where a session's JSON file is.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  jq .summary \"$(tracewal path fix-the-build)\"")]
pub(crate) struct PathOf {
    pub(crate) session: String,
    /// The folder of its log instead.
    #[arg(long)]
    pub(crate) log: bool,
}

/// Read every byte of the logs, and say what is damaged.
///
/// Changes nothing. Prints nothing and exits with 0 when everything is sound, else prints one line for each damage and exits
/// with 3.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  tracewal verify && echo sound\n  tracewal verify fix-the-build --json")]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) sessions: Sessions,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Make a damaged log sound again.
///
/// Writes the log anew with every event that can be read; what is lost is recorded as lost. The log as it was is kept.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  tracewal repair fix-the-build")]
pub(crate) struct Repair {
    pub(crate) session: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Take the secrets out of sessions: keys, tokens, passwords, private keys.
///
/// Writes the log anew with a marker such as [redacted:github-token:1a2b3c4d5e6f] in the place of each secret; equal secrets have equal
/// markers. What is replaced is counted by rule and never shown. The view and the index are made anew. The log as it was is kept beside
/// it, with its secrets, unless --delete-original is given; then it is removed, together with whatever earlier repairs and redactions
/// have kept. (Removed, not overwritten: what a disk, a snapshot or a backup keeps of it is out of reach.)
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  tracewal redact --all --dry-run --list\n  tracewal redact fix-the-build --delete-original"
)]
pub(crate) struct Redact {
    /// Which sessions.
    #[arg(required_unless_present = "all")]
    pub(crate) session: Vec<String>,
    /// All sessions.
    #[arg(long, conflicts_with = "session")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) rules: RedactionRules,
    /// Only say what would be replaced.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Say where each secret is, and what stands in front of it; not what it is.
    #[arg(long)]
    pub(crate) list: bool,
    /// Keep the log as it was beside the new one. This is what is done if nothing is said.
    #[arg(long, conflicts_with = "delete_original")]
    pub(crate) keep_original: bool,
    /// Remove the log as it was, and what earlier repairs and redactions have kept.
    #[arg(long)]
    pub(crate) delete_original: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RedactionRules {
    /// Replace e-mail addresses too.
    #[arg(long)]
    pub(crate) email: bool,
    /// Use the rules of this file too: TOML in the form that gitleaks reads.
    #[arg(long = "rules", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// Taking out secrets on the way in or out.
#[derive(Debug, ClapArgs)]
pub(crate) struct RedactOnTheWay {
    /// Replace secrets by markers, as `tracewal redact` does.
    #[arg(long)]
    pub(crate) redact: bool,
    /// With --redact, e-mail addresses too.
    #[arg(long, requires = "redact")]
    pub(crate) email: bool,
    /// With --redact, what the rules of this file find too: TOML in the form that gitleaks reads.
    #[arg(long = "rules", value_name = "FILE", requires = "redact")]
    pub(crate) rules: Option<PathBuf>,
}

/// Write the JSON files of sessions from their logs, and print their paths.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  tracewal materialize fix-the-build")]
pub(crate) struct Materialize {
    #[command(flatten)]
    pub(crate) sessions: Sessions,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Sessions {
    /// All unless given.
    #[arg(value_name = "SESSION")]
    pub(crate) sessions: Vec<String>,
}

/// Remove old sessions, logs and JSON files together.
///
/// A session goes when any of the limits says so; one that is open for writing never does.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  tracewal prune --older-than 30d --dry-run\n  tracewal prune --keep 100 --max-size 10GB"
)]
#[group(id = "limits", required = true, multiple = true, args = ["keep", "older_than", "max_size"])]
pub(crate) struct Prune {
    /// Keep so many of the newest.
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<usize>,
    /// Remove what was last written longer ago: 30d, 12h, 2weeks.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    pub(crate) older_than: Option<Duration>,
    /// Remove the oldest until the others take no more on disk: 10GB, 500MiB.
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_size: Option<ByteSize>,
    /// Only say what would go.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// What rows of statistics are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Model calls, by model.
    Model,
    /// Sessions, by the day on which they began, where you are.
    Day,
    /// Tool calls, by tool.
    Tool,
    /// Sessions, by how they stand.
    Status,
    /// Sessions, by agent.
    Agent,
}

/// What a chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChartOf {
    Count,
    Tokens,
    Cost,
    /// The median.
    Duration,
    /// How many of them failed.
    Errors,
}

/// Count sessions, events and bytes; or add up tokens, costs, times and errors.
///
/// With --by, everything is counted from the logs: what a row says is the sum over the spans, or sessions, that it is about. Where a session does not say
/// what it cost, that is estimated from its tokens (see tracewal prices) and marked with ~. Percentiles are within 1 %.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  tracewal stats\n  tracewal stats --by model --since 30d\n  tracewal stats --by tool --chart errors\n  tracewal stats --by day --json | jq '.rows[] | [.key, .tokens.total]'"
)]
pub(crate) struct Stats {
    /// One row for each of these.
    #[arg(long)]
    pub(crate) by: Option<By>,
    /// Draw bars; of tokens unless given, of counts for tools.
    #[arg(long, value_name = "WHAT", num_args = 0..=1, requires = "by", conflicts_with = "json")]
    pub(crate) chart: Option<Option<ChartOf>>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) filters: FiltersAndCause,
}

/// Show and set what models cost, for sessions that do not say what they cost.
///
/// Prices are in US dollars per million tokens. Those that are compiled in name their source; your own go before them.
#[derive(Debug, ClapArgs)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  tracewal prices
  tracewal prices set my-model --input 3 --output 15 --cache-read 0.3
  tracewal prices edit"
)]
pub(crate) struct PricesOf {
    #[command(subcommand)]
    pub(crate) what: Option<PricesCommand>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PricesCommand {
    /// List them all, as without a command.
    List(Json),
    /// Print where your own list is: $TRACEWAL_PRICES, else in the user's folder for configuration.
    Path,
    /// Set the price of a model in your own list.
    #[command(after_help = "Example:\n  tracewal prices set my-model --input 3 --output 15 --cache-read 0.3")]
    Set(SetPrice),
    /// Open your own list in $VISUAL or $EDITOR.
    #[command(after_help = "Example:\n  EDITOR=vi tracewal prices edit")]
    Edit,
}

/// The price of a model.
#[derive(Debug, ClapArgs)]
pub(crate) struct SetPrice {
    /// Its id, as sessions name it.
    pub(crate) model: String,
    /// Input that is not cached.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) input: f64,
    /// Output.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) output: f64,
    /// Reasoning, where it does not cost what output costs.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) reasoning: Option<f64>,
    /// Input read from a cache.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) cache_read: Option<f64>,
    /// Input written to a cache.
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) cache_write: Option<f64>,
}

#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Json {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl DemoWriter {
    /// The arguments with which a process becomes one.
    pub(crate) fn arguments(store: &std::path::Path, session: &str, seed: u64) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["--store".into(), store.into(), "demo-writer".into()];
        arguments.extend(["--session".into(), session.into(), "--seed".into(), seed.to_string().into()]);
        arguments
    }
}
