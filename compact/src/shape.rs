//! The shape of a document: up to which spans it can be taken over into the next one, and what has to be known to go on from there.

use std::collections::hash_map::RandomState;

use crate::changes::Unchanged;
use crate::defaults::{Taken, ToolsOf};
use crate::fold::Fold;
use crate::places::Place;
use crate::tools::ToolUses;

/// At least so many bytes lie between two checkpoints, but for the last.
const STEP: u64 = 64 * 1024;
/// A head that is longer is not kept to be compared.
const HEAD_MOST: usize = 64 * 1024;
/// A checkpoint that would hold more tools than this is not made: it is what it costs to copy them.
const TOOLS_MOST: usize = 4096;

/// A point behind a span.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    /// The next span, by its position among those that events are about.
    pub(crate) next: usize,
    /// The first event of the last span before it.
    pub(crate) behind: Place,
    /// How long the document is up to here.
    pub(crate) end: u64,
    pub(crate) results: Taken,
    pub(crate) called: Taken,
    pub(crate) uses: ToolUses,
}

/// The shape of a document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// Everything up to the root and with it, if it is short; and how long it is.
    pub(crate) head: Vec<u8>,
    head_len: u64,
    /// Ascending; the nearer to the end, the denser: what changes is mostly there.
    checkpoints: Vec<Checkpoint>,
    /// Of the whole document.
    pub(crate) length: u64,
    /// For hashes that nobody can foresee.
    pub(crate) key: RandomState,
}

impl Shape {
    /// The last checkpoint up to which nothing has changed. The tools are left there, or where they were.
    pub(crate) fn go_on(
        &self,
        unchanged: Unchanged,
        fold: &Fold,
        results: &mut ToolsOf,
        called: &mut ToolsOf,
    ) -> Option<usize> {
        let holds = |checkpoint: &Checkpoint, results: &mut ToolsOf, called: &mut ToolsOf| {
            unchanged.covers(checkpoint.behind)
                && results.go_on_behind(checkpoint.results, checkpoint.behind, fold)
                && called.go_on_behind(checkpoint.called, checkpoint.behind, fold)
        };
        let mut last = None;
        for (at, checkpoint) in self.checkpoints.iter().enumerate() {
            let before = (results.mark(), called.mark());
            if !holds(checkpoint, results, called) {
                results.back_to(before.0);
                called.back_to(before.1);
                break;
            }
            last = Some(at);
        }
        last
    }

    /// Becomes the shape of a document with this head, that goes on from a checkpoint of the one before. Returns how long the head was
    /// before, and the checkpoint.
    pub(crate) fn begin(
        &mut self,
        head_len: u64,
        head: &[u8],
        again: Option<usize>,
    ) -> Option<(u64, &Checkpoint)> {
        let before = std::mem::replace(&mut self.head_len, head_len);
        self.head.clear();
        self.head.extend_from_slice(if head.len() <= HEAD_MOST { head } else { &[] });
        self.checkpoints.truncate(again.map_or(0, |at| at + 1));
        for checkpoint in &mut self.checkpoints {
            checkpoint.end = checkpoint.end - before + head_len;
        }
        self.checkpoints.last().map(|checkpoint| (before, checkpoint))
    }

    /// Whether the last checkpoint lies so far back that there should be another one.
    pub(crate) fn is_far(&self, position: u64) -> bool {
        let last = self.checkpoints.last().map_or(self.head_len, |checkpoint| checkpoint.end);
        position - last >= STEP
    }

    /// Adds one behind the others, and leaves out of these what has become too dense: about two are left for every doubling of the
    /// distance from the end.
    pub(crate) fn add(&mut self, checkpoint: Checkpoint) {
        if checkpoint.uses.size() > TOOLS_MOST {
            return;
        }
        let end = checkpoint.end;
        self.checkpoints.push(checkpoint);
        let mut at = self.checkpoints.len().saturating_sub(2);
        while at > 0 {
            let ends = |at: usize| self.checkpoints.get(at).map_or(0, |checkpoint| checkpoint.end);
            if ends(at + 1) - ends(at - 1) <= (end - ends(at + 1)) / 2 {
                self.checkpoints.remove(at);
            }
            at -= 1;
        }
    }

    /// Roughly how many bytes it takes.
    pub(crate) fn footprint(&self) -> usize {
        let tools: usize = self.checkpoints.iter().map(|checkpoint| checkpoint.uses.size()).sum();
        self.head.capacity() + self.checkpoints.len() * size_of::<Checkpoint>() + tools * 200
    }
}
