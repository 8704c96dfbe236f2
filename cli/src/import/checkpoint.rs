//! How far an import came.

use crc32fast::Hasher;
use tracewal_format::checksum;

use super::Source;
use super::json::Members;

/// The name of the note that holds a checkpoint, the last event before a session's end.
pub const STATE_NOTE: &str = "import.state";

/// How many lines an import has taken, and what they were.
///
/// The checksum is CRC-32/IEEE over the lines, each with a line feed behind it, whether or not the last has one in the file.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    lines: u64,
    bytes: u64,
    crc: Hasher,
    /// Length and checksum of a last line that was cut off.
    tail: Option<(u64, u32)>,
}

impl PartialEq for Checkpoint {
    fn eq(&self, other: &Self) -> bool {
        self.same_lines(other) && self.tail == other.tail
    }
}

impl Eq for Checkpoint {}

impl Checkpoint {
    /// How many lines were taken.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// How many bytes they have, with a line feed behind each.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Their checksum.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// The data of an `import.state` note: `{"source":"codex","lines":702,"bytes":278358,"crc":"0badcafe"}`, and `tailBytes` and
    /// `tailCrc` when the last line was cut off.
    #[must_use]
    pub fn to_json(&self, source: Source) -> String {
        let mut json = format!(
            r#"{{"source":"{}","lines":{},"bytes":{},"crc":"{:08x}""#,
            source.as_str(),
            self.lines,
            self.bytes,
            self.crc()
        );
        if let Some((bytes, crc)) = self.tail {
            json.push_str(&format!(r#","tailBytes":{bytes},"tailCrc":"{crc:08x}""#));
        }
        json.push('}');
        json
    }

    /// Reads the data of an `import.state` note.
    #[must_use]
    pub fn from_json(text: &str) -> Option<(Source, Self)> {
        let members = Members::parse(text)?;
        let number = |key: &str| members.get(key)?.get().parse::<u64>().ok();
        let crc = |key: &str| u32::from_str_radix(&members.text(key)?, 16).ok();
        let checkpoint = Checkpoint {
            lines: number("lines")?,
            bytes: number("bytes")?,
            crc: Hasher::new_with_initial_len(crc("crc")?, number("bytes")?),
            tail: number("tailBytes").zip(crc("tailCrc")),
        };
        Some((Source::from_name(&members.text("source")?)?, checkpoint))
    }

    pub(super) fn same_lines(&self, other: &Self) -> bool {
        (self.lines, self.bytes, self.crc()) == (other.lines, other.bytes, other.crc())
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    }

    pub(super) fn end_line(&mut self) {
        self.add(b"\n");
        self.lines += 1;
    }

    pub(super) fn set_tail(&mut self, bytes: &[u8]) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.tail = Some((length, checksum::crc(bytes)));
    }
}
