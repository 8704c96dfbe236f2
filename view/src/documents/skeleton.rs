//! `skeleton/K`: the spans as bars.

use serde::Serialize;

use super::{Ms, SIZES, in_chunk};
use crate::error::{Result, ViewError};
use crate::skeleton::Bar;
use crate::trace::Trace;

#[derive(Serialize)]
struct Document {
    from: usize,
    parent: Vec<i64>,
    start: Vec<Ms>,
    end: Vec<Ms>,
    kind: Vec<u8>,
    status: Vec<u8>,
}

/// What stands for the end of a span that goes on: -1 ms.
const OPEN: Ms = Ms(-1_000_000);

impl Trace {
    /// Chunk number `chunk` of the skeleton.
    ///
    /// # Errors
    /// [`NotFound`](ViewError::NotFound).
    pub fn skeleton(&mut self, chunk: usize) -> Result<Vec<u8>> {
        let bars = self.skeleton.bars();
        let range = in_chunk(chunk, SIZES.skeleton, bars.len());
        let range = range.ok_or_else(|| ViewError::no(format!("chunk {chunk} of the skeleton")))?;
        let from = range.start;
        let bars = bars.get(range).unwrap_or_default();
        let base = self.base_ns();
        Ok(serde_json::to_vec(&Document {
            from,
            parent: bars.iter().map(parent).collect(),
            start: bars.iter().map(|bar| since(base, bar.start_ns)).collect(),
            end: bars.iter().map(|bar| bar.end_ns.map_or(OPEN, |end| end_since(base, bar, end))).collect(),
            kind: bars.iter().map(Bar::kind_number).collect(),
            status: bars.iter().map(|bar| bar.state.number()).collect(),
        })?)
    }

    pub(crate) fn base_ns(&self) -> i64 {
        self.summary().started_at.as_ns_i64()
    }
}

fn parent(bar: &Bar) -> i64 {
    if bar.parent == u32::MAX { -1 } else { bar.parent.into() }
}

fn since(base: i64, ns: i64) -> Ms {
    Ms(i128::from(ns) - i128::from(base))
}

/// Never before its start, and never the time that stands for none.
fn end_since(base: i64, bar: &Bar, end: i64) -> Ms {
    let end = since(base, end.max(bar.start_ns));
    if end.0 == OPEN.0 { Ms(OPEN.0 + 1) } else { end }
}

/// One bar as it stands in what is sent while the session goes on: `[index, parent, start, end, kind, status]`.
pub(crate) fn bar_json(position: usize, bar: &Bar, base: i64) -> impl Serialize + use<> {
    let end = bar.end_ns.map_or(OPEN, |end| end_since(base, bar, end));
    (position, parent(bar), since(base, bar.start_ns), end, bar.kind_number(), bar.state.number())
}
