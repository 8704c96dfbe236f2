//! Which files a session's tools touched, and which commands they ran: as far as the inputs of well-known tools say so.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::text::prefix;

/// At most so many files and commands are kept; all are counted.
pub(crate) const KEPT: usize = 500;
/// At most so many spans of a file.
const SPANS_KEPT: usize = 20;
/// No more of a path is kept, in bytes.
const PATH_MAX: usize = 1024;

/// What was done to a file.
#[derive(Clone, Debug)]
pub(crate) struct FileUse {
    pub(crate) path: String,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// The numbers of the first spans.
    pub(crate) spans: Vec<u32>,
}

/// Files and commands, in the order in which they were first met.
#[derive(Debug, Default)]
pub(crate) struct Files {
    files: Vec<FileUse>,
    /// By hash: the positions of those that are kept.
    met: HashMap<u64, usize>,
    hasher: RandomState,
    commands: Vec<u32>,
    command_count: u64,
}

/// The members of an input that say what a tool was to do.
#[derive(Default, Deserialize)]
struct Input<'a> {
    #[serde(borrow, alias = "filePath", alias = "notebook_path", alias = "filename")]
    file_path: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow, alias = "cmd")]
    command: Option<&'a RawValue>,
}

impl Files {
    /// A tool was called with this input, as compact JSON.
    pub(crate) fn called(&mut self, span: u32, tool: &str, input: &[u8]) {
        let name = tool.to_ascii_lowercase();
        if name == "apply_patch" || name == "applypatch" {
            self.patched(span, input);
            return;
        }
        let Ok(input) = serde_json::from_slice::<Input<'_>>(input) else { return };
        if is_shell(tool) && input.command.is_some() {
            self.command_count += 1;
            if self.commands.len() < KEPT {
                self.commands.push(span);
            }
            return;
        }
        let writes = ["write", "edit", "create", "patch", "replace", "save", "delete"];
        let reads = ["read", "view", "open", "cat"];
        let does = |words: &[&str]| words.iter().any(|word| name.contains(word));
        let is_of_a_file = does(&writes) || does(&reads);
        let path = input.file_path.or(input.path.filter(|_| is_of_a_file));
        let Some(path) = path.and_then(|path| serde_json::from_str::<String>(path.get()).ok()) else {
            return;
        };
        // `str_replace_based_edit_tool` says in a member what it does.
        let verb = input.command.map_or("", RawValue::get);
        let is_write = if does(&writes) { verb != "\"view\"" } else { false };
        self.touched(span, &path, is_write);
    }

    /// The files of a patch stand in its text.
    fn patched(&mut self, span: u32, input: &[u8]) {
        let text = String::from_utf8_lossy(input);
        for marker in ["*** Update File: ", "*** Add File: ", "*** Delete File: "] {
            for (at, _) in text.match_indices(marker) {
                let path = text.get(at + marker.len()..).unwrap_or_default();
                let end = path.find(['\\', '"']).unwrap_or(path.len());
                self.touched(span, path.get(..end).unwrap_or_default(), true);
            }
        }
    }

    fn touched(&mut self, span: u32, path: &str, is_write: bool) {
        let hash = self.hasher.hash_one(path);
        let next = self.files.len();
        let at = *self.met.entry(hash).or_insert(if next < KEPT { next } else { usize::MAX });
        if at == next {
            let path = prefix(path, PATH_MAX).to_owned();
            self.files.push(FileUse { path, reads: 0, writes: 0, spans: Vec::new() });
        }
        let Some(file) = self.files.get_mut(at) else { return };
        file.reads += u64::from(!is_write);
        file.writes += u64::from(is_write);
        if file.spans.len() < SPANS_KEPT && file.spans.last() != Some(&span) {
            file.spans.push(span);
        }
    }

    pub(crate) fn files(&self) -> &[FileUse] {
        &self.files
    }

    /// How many different files.
    pub(crate) fn file_count(&self) -> usize {
        self.met.len()
    }

    /// The spans that ran the first commands.
    pub(crate) fn commands(&self) -> &[u32] {
        &self.commands
    }

    pub(crate) fn command_count(&self) -> u64 {
        self.command_count
    }
}

/// Whether a tool by this name runs commands.
pub(crate) fn is_shell(tool: &str) -> bool {
    let name = tool.to_ascii_lowercase();
    ["bash", "shell", "exec", "terminal", "powershell", "run_command", "command"]
        .iter()
        .any(|word| name.contains(word))
}

/// The command in a tool's input: a string, or the words of one.
pub(crate) fn command(input: &str) -> Option<String> {
    let command = serde_json::from_str::<Input<'_>>(input).ok()?.command?;
    if let Ok(text) = serde_json::from_str::<String>(command.get()) {
        return Some(text);
    }
    let words: Vec<String> = serde_json::from_str(command.get()).ok()?;
    // What a shell is given as one word is what was meant.
    Some(match words.as_slice() {
        [shell, flag, script] if shell.ends_with("sh") && flag.starts_with('-') => script.clone(),
        _ => words.join(" "),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn files_and_commands_are_told_by_name_and_input() {
        let mut files = Files::default();
        let calls = [
            ("Read", r#"{"file_path":"/a"}"#),
            ("Edit", r#"{"file_path":"/a","old_string":"x"}"#),
            ("Grep", r#"{"pattern":"x","path":"/dir"}"#),
            ("Bash", r#"{"command":"ls -l"}"#),
            ("shell", r#"{"command":["bash","-lc","make"]}"#),
            ("exec_command", r#"{"cmd":"true"}"#),
            ("str_replace_based_edit_tool", r#"{"command":"view","path":"/b"}"#),
            ("apply_patch", r#""*** Begin Patch\n*** Update File: src/x.rs\n@@\n*** Add File: y\n""#),
            ("Read", r#"{"file_path":7}"#),
            ("Read", "\"\""),
        ];
        for (span, (tool, input)) in calls.iter().enumerate() {
            files.called(u32::try_from(span).unwrap(), tool, input.as_bytes());
        }
        let seen: Vec<(&str, u64, u64)> =
            files.files().iter().map(|file| (file.path.as_str(), file.reads, file.writes)).collect();
        assert_eq!(seen, [("/a", 1, 1), ("/b", 1, 0), ("src/x.rs", 0, 1), ("y", 0, 1)]);
        assert_eq!(files.commands(), [3, 4, 5]);
        assert_eq!(command(calls[4].1).unwrap(), "make");
        assert_eq!(command(calls[5].1).unwrap(), "true");
    }
}
