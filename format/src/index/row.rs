//! What the index keeps of a session.

use super::frame::take_name;
use super::{Bytes, put_text};
use crate::log::{Loss, LossKind};
use crate::time::Time;

/// A row with longer texts, or more losses, is cut.
const ROW_MAX: usize = 16 << 10;

/// The files of a session's log, as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilesStamp {
    /// When the session's folder last changed, in nanoseconds since the epoch.
    pub folder_ns: i64,
    /// How many segments there are.
    pub segments: u32,
    /// The checksum of each segment's number, size and time of the last change, in the order of the numbers.
    pub sum: u32,
}

/// A session that nobody has open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The name of its folder.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its files.
    pub files: FilesStamp,
    /// The version of the fold that this was found with.
    pub fold_version: u32,
    /// 0 running, 1 completed, 2 error, 3 crashed.
    pub status: u8,
    /// No segment can be read.
    pub is_unreadable: bool,
    /// Something is left out here: who shows it folds the log.
    pub is_cut: bool,
    /// Time of its first event.
    pub started_at: Time,
    /// Time of the record that decided the status, else of the last event.
    pub ended_at: Time,
    /// Input, output, reasoning, cache read, cache write.
    pub tokens: [u64; 5],
    /// US dollars.
    pub cost: f64,
    /// Spans of kind generation.
    pub generations: u64,
    /// Spans of kind tool.
    pub tool_calls: u64,
    /// Spans.
    pub spans: u64,
    /// Events.
    pub events: u64,
    /// The highest sequence number.
    pub last_seq: u64,
    /// Raised by repair.
    pub generation: u32,
    /// From the metadata.
    pub title: Option<String>,
    /// From the metadata.
    pub model: Option<String>,
    /// From the metadata.
    pub agent: Option<String>,
    /// The error that it ended with, or the reason of the crash.
    pub error: Option<String>,
    /// Why it stopped.
    pub cause: Option<String>,
    /// The kind of that cause.
    pub cause_kind: Option<String>,
    /// What is lost.
    pub losses: Vec<Loss>,
}

const IS_UNREADABLE: u8 = 1;
const IS_CUT: u8 = 2;

impl Row {
    /// The row without what would make it too long.
    #[must_use]
    pub fn cut_to_size(self) -> Self {
        let texts = [&self.title, &self.model, &self.agent, &self.error];
        let len = texts.into_iter().flatten().map(String::len).fold(0, usize::saturating_add);
        let of_loss = |loss: &Loss| 64 + loss.file.len() + loss.was.as_ref().map_or(0, String::len);
        if self.losses.iter().map(of_loss).fold(len, usize::saturating_add) <= ROW_MAX {
            return self;
        }
        Row { is_cut: true, title: None, model: None, agent: None, error: None, losses: Vec::new(), ..self }
    }

    pub(super) fn put(&self, to: &mut Vec<u8>) {
        put_text(to, &self.name);
        put_text(to, &self.id);
        to.extend(self.files.folder_ns.to_le_bytes());
        to.extend(self.files.segments.to_le_bytes());
        to.extend(self.files.sum.to_le_bytes());
        to.extend(self.fold_version.to_le_bytes());
        to.push(self.status);
        to.push(u8::from(self.is_unreadable) * IS_UNREADABLE + u8::from(self.is_cut) * IS_CUT);
        to.extend(self.started_at.as_ns().to_le_bytes());
        to.extend(self.ended_at.as_ns().to_le_bytes());
        self.tokens.iter().for_each(|n| to.extend(n.to_le_bytes()));
        to.extend(self.cost.to_le_bytes());
        for n in [self.generations, self.tool_calls, self.spans, self.events, self.last_seq] {
            to.extend(n.to_le_bytes());
        }
        to.extend(self.generation.to_le_bytes());
        [&self.title, &self.model, &self.agent, &self.error, &self.cause, &self.cause_kind]
            .into_iter()
            .for_each(|text| put_option(to, text));
        to.extend(u32::try_from(self.losses.len()).unwrap_or(0).to_le_bytes());
        for loss in &self.losses {
            put_text(to, &loss.file);
            to.extend(loss.offset.to_le_bytes());
            to.extend(loss.length.to_le_bytes());
            put_text(to, loss.kind.as_str());
            put_option(to, &loss.was);
            // No event has the number 0.
            let (first, last) = loss.missing.unwrap_or((0, 0));
            to.extend(first.to_le_bytes());
            to.extend(last.to_le_bytes());
        }
    }

    pub(super) fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
        let (name, id) = (take_name(bytes)?.to_owned(), bytes.text()?.to_owned());
        let files = FilesStamp { folder_ns: bytes.i64()?, segments: bytes.u32()?, sum: bytes.u32()? };
        let (fold_version, status, flags) = (bytes.u32()?, bytes.u8()?, bytes.u8()?);
        let (started_at, ended_at) = (Time::from_ns(bytes.i128()?), Time::from_ns(bytes.i128()?));
        let mut tokens = [0; 5];
        for n in &mut tokens {
            *n = bytes.u64()?;
        }
        let mut row = Row {
            name,
            id,
            files,
            fold_version,
            status,
            is_unreadable: flags & IS_UNREADABLE != 0,
            is_cut: flags & IS_CUT != 0,
            started_at,
            ended_at,
            tokens,
            cost: f64::from_le_bytes(bytes.array()?),
            generations: bytes.u64()?,
            tool_calls: bytes.u64()?,
            spans: bytes.u64()?,
            events: bytes.u64()?,
            last_seq: bytes.u64()?,
            generation: bytes.u32()?,
            title: take_option(bytes)?,
            model: take_option(bytes)?,
            agent: take_option(bytes)?,
            error: take_option(bytes)?,
            cause: take_option(bytes)?,
            cause_kind: take_option(bytes)?,
            losses: Vec::new(),
        };
        if status > 3 || flags > 3 {
            return None;
        }
        // Each takes bytes: a wrong count runs out of them.
        for _ in 0..bytes.u32()? {
            row.losses.push(take_loss(bytes)?);
        }
        Some(row)
    }
}

fn take_loss(bytes: &mut Bytes<'_>) -> Option<Loss> {
    let (file, offset, length) = (bytes.text()?.to_owned(), bytes.u64()?, bytes.u64()?);
    let (kind, was) = (LossKind::from_name(bytes.text()?), take_option(bytes)?);
    let missing = Some((bytes.u64()?, bytes.u64()?)).filter(|missing| *missing != (0, 0));
    Some(Loss { file, offset, length, kind, was, missing })
}

fn put_option(to: &mut Vec<u8>, text: &Option<String>) {
    to.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(to, text);
    }
}

fn take_option(bytes: &mut Bytes<'_>) -> Option<Option<String>> {
    match bytes.u8()? {
        0 => Some(None),
        1 => Some(Some(bytes.text()?.to_owned())),
        _ => None,
    }
}
