//! Streamed text: a secret may begin in one piece and end in another, so the pieces of a span are joined before they are searched.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hasher};

use tracewal::Payload;

use crate::unescape::{Origin, unescape};

/// Text is held until all of it is there, but no more than this.
const HELD_MAX: usize = 64 << 20;
/// What is held of a long text when the rest of it is let go: no secret is longer.
const TAIL: usize = 64 << 10;

/// A piece, as it is in its event.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) seq: u64,
    pub(crate) encoding: u8,
    pub(crate) bytes: Vec<u8>,
    /// What it was; `None`: it has not changed.
    was: Option<Sum>,
}

/// Tells pieces apart: length and hash.
type Sum = (usize, u64);

fn sum(bytes: &[u8]) -> Sum {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    (bytes.len(), hasher.finish())
}

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Looked<'t> {
    /// It has been looked at with the pieces around it, and stays.
    Stays,
    /// It became this.
    Became(&'t [u8]),
    /// It has not been looked at: it is new, or another one than it was.
    Never,
}

/// Replaces a part of a text by something.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) with: String,
}

/// The pieces of all spans that are not done yet, and those that have changed.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    spans: HashMap<String, Vec<Piece>>,
    ended: BTreeSet<String>,
    held: usize,
    changed: HashMap<u64, Changed>,
    /// The last piece that has been added.
    last: u64,
}

/// What a piece has become that was so long, and had this checksum.
#[derive(Debug)]
struct Changed {
    was: Sum,
    bytes: Vec<u8>,
}

/// Says what is to be replaced in the joined text whose pieces begin at these places, with their numbers.
pub(crate) type Search<'s> = &'s mut dyn FnMut(&[u8], &[(usize, u64)]) -> Vec<Edit>;

impl Texts {
    /// Takes the next piece of a span.
    pub(crate) fn add(&mut self, span: &str, seq: u64, text: &Payload<'_>, search: Search<'_>) {
        let piece = Piece { seq, encoding: text.encoding, bytes: text.bytes.to_vec(), was: None };
        self.last = self.last.max(seq);
        self.held += piece.bytes.len();
        match self.spans.get_mut(span) {
            Some(pieces) => pieces.push(piece),
            None => drop(self.spans.insert(span.to_owned(), vec![piece])),
        }
        if self.held > HELD_MAX {
            self.let_go(search);
        }
    }

    /// A span is over: there is hardly more to come.
    pub(crate) fn end(&mut self, span: &str) {
        if self.spans.contains_key(span) {
            self.ended.insert(span.to_owned());
        }
    }

    /// All pieces are there.
    pub(crate) fn finish(&mut self, search: Search<'_>) {
        let mut spans: Vec<_> = std::mem::take(&mut self.spans).into_values().collect();
        // In the order of the log, so that it is told in that order.
        spans.sort_by_key(|pieces| pieces.first().map(|piece| piece.seq));
        for mut pieces in spans {
            settle(&mut pieces, search);
            self.keep_changed(pieces);
        }
        self.ended.clear();
        self.held = 0;
    }

    /// What became of the piece with this number.
    pub(crate) fn looked_at(&self, seq: u64, bytes: &[u8]) -> Looked<'_> {
        match self.changed.get(&seq) {
            Some(changed) if changed.was == sum(bytes) => Looked::Became(&changed.bytes),
            None if seq <= self.last => Looked::Stays,
            _ => Looked::Never,
        }
    }

    /// Lets go of the texts of spans that are over, and of all but the ends of long ones.
    fn let_go(&mut self, search: Search<'_>) {
        for span in std::mem::take(&mut self.ended) {
            if let Some(mut pieces) = self.spans.remove(&span) {
                settle(&mut pieces, search);
                self.keep_changed(pieces);
            }
        }
        let spans: Vec<String> = self.spans.keys().cloned().collect();
        for span in spans {
            let Some(mut pieces) = self.spans.remove(&span) else { continue };
            let len: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
            if len > 2 * TAIL {
                settle(&mut pieces, search);
                let mut tail = 0;
                let split = pieces.iter().rposition(|piece| {
                    tail += piece.bytes.len();
                    tail >= TAIL
                });
                let rest = pieces.split_off(split.unwrap_or(0));
                self.keep_changed(std::mem::replace(&mut pieces, rest));
            }
            self.spans.insert(span, pieces);
        }
        self.held = self.spans.values().flatten().map(|piece| piece.bytes.len()).sum();
    }

    fn keep_changed(&mut self, pieces: Vec<Piece>) {
        for Piece { seq, bytes, was, .. } in pieces {
            if let Some(was) = was {
                self.changed.insert(seq, Changed { was, bytes });
            }
        }
    }
}

/// A replaced secret may leave another one in sight, or make one; a few rounds are always enough for what is no construction.
pub(crate) const ROUNDS_MAX: u32 = 8;

/// Replaces what is found in the joined text, until nothing is.
fn settle(pieces: &mut [Piece], search: Search<'_>) {
    for _ in 0..ROUNDS_MAX {
        let plain: Vec<Plain> = pieces.iter().map(Plain::of).collect();
        let mut joined = Vec::new();
        let mut starts = Vec::new();
        for (piece, plain) in pieces.iter().zip(&plain) {
            starts.push((joined.len(), piece.seq));
            joined.extend_from_slice(plain.text(piece));
        }
        let edits = search(&joined, &starts);
        if edits.is_empty() {
            return;
        }
        for (index, (piece, plain)) in pieces.iter_mut().zip(&plain).enumerate() {
            let start = starts.get(index).map_or(0, |start| start.0);
            let end = starts.get(index + 1).map_or(joined.len(), |start| start.0);
            let first = edits.partition_point(|edit| edit.end <= start);
            let here: Vec<Edit> = edits
                .iter()
                .skip(first)
                .take_while(|edit| edit.start < end)
                .map(|edit| {
                    let (from, to) = (edit.start.max(start) - start, edit.end.min(end) - start);
                    let (from, to) = plain.range(from, to);
                    // What replaces it stands in the piece in which it began.
                    let with = if edit.start >= start { edit.with.clone() } else { String::new() };
                    Edit { start: from, end: to, with }
                })
                .collect();
            if !here.is_empty() {
                piece.was.get_or_insert_with(|| sum(&piece.bytes));
                piece.bytes = applied(&piece.bytes, &here);
            }
        }
    }
}

/// A text with edits made to it, which are in order and do not overlap.
pub(crate) fn applied(text: &[u8], edits: &[Edit]) -> Vec<u8> {
    let (mut other, mut at) = (Vec::with_capacity(text.len()), 0);
    for edit in edits {
        other.extend_from_slice(text.get(at..edit.start).unwrap_or_default());
        other.extend_from_slice(edit.with.as_bytes());
        at = edit.end;
    }
    other.extend_from_slice(text.get(at..).unwrap_or_default());
    other
}

/// What a piece says, and where that stands in it: a piece may be a string of JSON.
struct Plain {
    /// Between quotes.
    spelled: Option<(usize, usize)>,
    unescaped: Option<(Vec<u8>, Origin)>,
}

impl Plain {
    fn of(piece: &Piece) -> Self {
        let bytes = &piece.bytes;
        let is_string = piece.encoding == Payload::JSON
            && bytes.len() >= 2
            && bytes.first() == Some(&b'"')
            && bytes.last() == Some(&b'"');
        let spelled = is_string.then(|| (1, bytes.len() - 1));
        let unescaped = spelled.and_then(|(start, end)| unescape(bytes.get(start..end)?));
        Plain { spelled, unescaped }
    }

    fn text<'p>(&'p self, piece: &'p Piece) -> &'p [u8] {
        match (&self.unescaped, self.spelled) {
            (Some((text, _)), _) => text,
            (None, Some((start, end))) => piece.bytes.get(start..end).unwrap_or_default(),
            (None, None) => &piece.bytes,
        }
    }

    fn range(&self, from: usize, to: usize) -> (usize, usize) {
        let (from, to) = self.unescaped.as_ref().map_or((from, to), |(_, origin)| origin.range(from, to));
        let before = self.spelled.map_or(0, |(start, _)| start);
        (from + before, to + before)
    }
}
