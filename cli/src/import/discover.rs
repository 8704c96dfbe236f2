//! Which files there are, and which session a file holds.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use tracewal_format::time::{Time, parse_ms};

use super::json::{Members, bounded_id, text};
use super::lines::{LineEnd, Lines};
use super::{Source, Transcript};

/// The files that `paths` name, sorted, each once. Directories are walked for `*.jsonl`; links to directories in them are not
/// followed.
///
/// # Errors
/// A path that cannot be read; the message names it.
pub fn discover(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    discover_named(paths, &["jsonl"])
}

/// The same for files whose names end in one of these.
///
/// # Errors
/// A path that cannot be read; the message names it.
pub fn discover_named(paths: &[PathBuf], extensions: &[&str]) -> io::Result<Vec<PathBuf>> {
    let is_wanted = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| extensions.contains(&extension))
    };
    let mut found = Vec::new();
    let mut directories = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|e| naming(path, &e))?;
        if metadata.is_dir() {
            directories.push(path.clone());
        } else {
            found.push(path.clone());
        }
    }
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).map_err(|e| naming(&directory, &e))? {
            let path = entry.map_err(|e| naming(&directory, &e))?.path();
            let kind = std::fs::symlink_metadata(&path).map_err(|e| naming(&path, &e))?;
            if kind.is_dir() {
                directories.push(path);
            } else if is_wanted(&path) && path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Transcript {
    /// Reads as much of a file as it takes to say which session it holds and when that began.
    ///
    /// # Errors
    /// The file cannot be read; the message names it.
    pub fn open(source: Source, path: &Path) -> io::Result<Self> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = File::open(path).map_err(|e| naming(path, &e))?;
        Self::identify(source, &stem, &mut Lines::new(BufReader::new(file))).map_err(|e| naming(path, &e))
    }

    /// The same, for lines that come from anywhere.
    ///
    /// # Errors
    /// What reading says.
    pub fn identify<R: io::BufRead>(
        source: Source,
        file_stem: &str,
        lines: &mut Lines<R>,
    ) -> io::Result<Self> {
        let (mut identity, mut started) = (None, None);
        let mut piece = false;
        while identity.is_none() || started.is_none() {
            let Some(line) = lines.next_line()? else { break };
            let whole = !piece && line.end != LineEnd::Continues;
            piece = line.end == LineEnd::Continues;
            if !whole {
                continue;
            }
            let Some(line) = std::str::from_utf8(line.bytes).ok().and_then(Members::parse) else {
                continue;
            };
            started = started.or_else(|| time(&line));
            identity = identity.or_else(|| match source {
                Source::ClaudeCode => claude_code(file_stem, &line),
                Source::Codex => codex(&line),
            });
        }
        let identity = identity.unwrap_or_else(|| Identity::of(file_stem));
        Ok(Transcript {
            source,
            session_id: if identity.id.is_empty() { "unnamed".to_owned() } else { bounded_id(&identity.id) },
            parent: identity.parent,
            agent_id: identity.agent_id,
            started: started.unwrap_or_default(),
        })
    }
}

struct Identity {
    id: String,
    parent: Option<String>,
    agent_id: Option<String>,
}

impl Identity {
    fn of(id: &str) -> Self {
        Identity { id: id.to_owned(), parent: None, agent_id: None }
    }
}

/// A file that Claude Code named for its session keeps that name, also when its first lines were copied from the session that
/// it continues. A sub-agent's lines carry the session of their parent. A file that somebody renamed says it in its lines.
fn claude_code(file_stem: &str, line: &Members<'_>) -> Option<Identity> {
    let session_id = line.id("sessionId")?;
    let agent_id = line.id("agentId").filter(|_| line.flag("isSidechain"));
    if is_uuid(file_stem) {
        return Some(Identity::of(file_stem));
    }
    Some(match agent_id {
        Some(agent_id) => Identity {
            id: if file_stem.starts_with("agent-") {
                file_stem.to_owned()
            } else {
                format!("agent-{agent_id}")
            },
            parent: Some(session_id),
            agent_id: Some(agent_id),
        },
        None => Identity::of(&session_id),
    })
}

fn codex(line: &Members<'_>) -> Option<Identity> {
    if line.text("type")? != "session_meta" {
        return None;
    }
    let payload = line.object("payload")?;
    let spawned_by = payload
        .object("source")
        .and_then(|source| source.object("subagent"))
        .and_then(|subagent| subagent.object("thread_spawn"))
        .and_then(|spawn| spawn.id("parent_thread_id"));
    Some(Identity { id: payload.id("id")?, parent: spawned_by, agent_id: None })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The time of a line: an RFC 3339 time in UTC, or a number of milliseconds.
pub(super) fn time(line: &Members<'_>) -> Option<Time> {
    let raw = line.get("timestamp")?;
    match text(raw) {
        Some(text) => humantime::parse_rfc3339(&text).ok().map(Time::from),
        None => parse_ms(raw.get()).map(Time::from_ns),
    }
}
