//! `span/I`, `spans/K` and `text/I/FIELD`: whole spans.

use std::io::Write;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{SIZES, in_chunk, raw};
use crate::cut::{Cut, Cutter, Extract};
use crate::error::{Result, ViewError};
use crate::trace::Trace;

/// A longer text is cut, in bytes of JSON.
pub const TEXT_MAX: usize = 256 << 10;
/// A member of a span that is longer with all its texts cut is shown as the beginning of its JSON.
const MEMBER_MAX: usize = 2 << 20;
/// At most so many children are listed.
const CHILDREN_MAX: usize = 1000;

#[derive(Serialize)]
struct Document {
    index: usize,
    span: Box<RawValue>,
    cut: Vec<Cut>,
    children: Vec<usize>,
    #[serde(rename = "childrenTotal")]
    children_total: usize,
    parent: i64,
    siblings: Siblings,
}

#[derive(Serialize)]
struct Siblings {
    previous: Option<usize>,
    next: Option<usize>,
}

impl Trace {
    /// The span at a position, with long texts cut.
    ///
    /// # Errors
    /// [`NotFound`](ViewError::NotFound), or what reading the log met.
    pub fn span(&mut self, index: usize) -> Result<Vec<u8>> {
        let mut cutter = Cutter::new(TEXT_MAX, MEMBER_MAX);
        self.canonical_span(index, &mut cutter)?;
        let (span, cut) = cutter.finish();
        let bars = self.skeleton.bars();
        let of = |parent: Option<usize>| {
            bars.iter().enumerate().filter(move |(_, bar)| bar.parent() == parent && parent.is_some())
        };
        let parent = self.skeleton.bar(index).and_then(|bar| bar.parent());
        let children_total = of(Some(index)).count();
        let children = of(Some(index)).take(CHILDREN_MAX).map(|(child, _)| child).collect();
        let siblings = Siblings {
            previous: of(parent).map(|(at, _)| at).take_while(|at| *at < index).last(),
            next: of(parent).map(|(at, _)| at).find(|at| *at > index),
        };
        let parent = parent.and_then(|parent| i64::try_from(parent).ok()).unwrap_or(-1);
        Ok(serde_json::to_vec(&Document {
            index,
            span: raw(span)?,
            cut,
            children,
            children_total,
            parent,
            siblings,
        })?)
    }

    /// Writes the span at a position as it stands in the canonical JSON.
    ///
    /// # Errors
    /// [`NotFound`](ViewError::NotFound), or what reading the log or writing met.
    pub fn canonical_span(&mut self, index: usize, out: &mut impl Write) -> Result<()> {
        let is_there = self.spans.render(&self.fold, &mut self.log, index, out)?;
        if is_there { Ok(()) } else { Err(ViewError::no(format!("span {index}"))) }
    }

    /// Writes chunk number `chunk` of whole spans, one at a time.
    ///
    /// # Errors
    /// Those of [`canonical_span`](Self::canonical_span).
    pub fn spans(&mut self, chunk: usize, out: &mut impl Write) -> Result<()> {
        let range = in_chunk(chunk, SIZES.spans, self.spans.len());
        let range = range.ok_or_else(|| ViewError::no(format!("chunk {chunk} of the spans")))?;
        write!(out, "{{\"from\":{},\"spans\":[", range.start).map_err(ViewError::Write)?;
        for index in range.clone() {
            if index > range.start {
                out.write_all(b",").map_err(ViewError::Write)?;
            }
            self.canonical_span(index, out)?;
        }
        out.write_all(b"]}").map_err(ViewError::Write)
    }

    /// Writes one member of the span at a position: a string as its text, anything else as JSON.
    ///
    /// # Errors
    /// Those of [`canonical_span`](Self::canonical_span).
    pub fn text(&mut self, index: usize, field: &str, out: impl Write) -> Result<()> {
        let mut extract = Extract::new(field, out);
        self.canonical_span(index, &mut extract)?;
        let is_there = extract.finish().map_err(ViewError::Write)?;
        if is_there { Ok(()) } else { Err(ViewError::no(format!("{field} in span {index}"))) }
    }

    /// The span at a position, with texts cut to a few characters and no member longer than what is shown of one in a list.
    pub(crate) fn short_span(&mut self, index: usize, text_max: usize, member_max: usize) -> Result<Vec<u8>> {
        let mut cutter = Cutter::new(text_max, member_max);
        self.canonical_span(index, &mut cutter)?;
        Ok(cutter.finish().0)
    }
}
