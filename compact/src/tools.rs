//! What the tool calls of a session add up to: which were used most, and which went round in circles.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use tracewal_format::checksum::crc;

/// How many consecutive tool calls are looked at for loops.
const WINDOW: usize = 10;
/// How often the same call has to be among them.
const LOOP: usize = 3;

/// One tool, by its name.
#[derive(Clone, Debug)]
pub(crate) struct ToolUse {
    pub(crate) name: String,
    pub(crate) count: u64,
    pub(crate) duration_ns: i128,
}

/// A tool that was called with the same input again and again.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub(crate) tool: usize,
    pub(crate) input_crc: u32,
    pub(crate) count: usize,
}

/// What a tool was called with: checksum, hash and length stand for the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CallInput {
    crc: u32,
    hash: u64,
    len: usize,
}

impl CallInput {
    /// Of compact JSON text, or of nothing.
    #[must_use]
    pub fn of(input: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        input.hash(&mut hasher);
        CallInput { crc: crc(input), hash: hasher.finish(), len: input.len() }
    }
}

/// A tool, by its position, and its input.
type Call = (usize, CallInput);

/// The tool calls of a session, as they come.
#[derive(Clone, Debug, Default)]
pub struct ToolUses {
    tools: Vec<ToolUse>,
    positions: HashMap<String, usize>,
    window: VecDeque<Call>,
    loops: Vec<Loop>,
    loop_positions: HashMap<Call, usize>,
}

impl ToolUses {
    /// The next call, in the order of the spans' first events. A tool of which nobody said that it ended took no time.
    pub fn add(&mut self, name: &str, input: CallInput, duration_ns: i128) {
        let tool = match self.positions.get(name) {
            Some(tool) => *tool,
            None => {
                let tool = self.tools.len();
                self.positions.insert(name.to_owned(), tool);
                self.tools.push(ToolUse { name: name.to_owned(), count: 0, duration_ns: 0 });
                tool
            }
        };
        if let Some(tool) = self.tools.get_mut(tool) {
            tool.count += 1;
            tool.duration_ns = tool.duration_ns.saturating_add(duration_ns);
        }
        self.look_for_loop((tool, input));
    }

    fn look_for_loop(&mut self, call: Call) {
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        self.window.push_back(call);
        let count = self.window.iter().filter(|other| **other == call).count();
        if count < LOOP {
            return;
        }
        let position = *self.loop_positions.entry(call).or_insert(self.loops.len());
        match self.loops.get_mut(position) {
            Some(known) => known.count = known.count.max(count),
            None => self.loops.push(Loop { tool: call.0, input_crc: call.1.crc, count }),
        }
    }

    /// Loops, in the order in which they were first seen, with the tools' names.
    pub(crate) fn loops(&self) -> impl ExactSizeIterator<Item = (&Loop, &str)> {
        let name = |l: &Loop| self.tools.get(l.tool).map_or("", |tool| tool.name.as_str());
        self.loops.iter().map(move |l| (l, name(l)))
    }

    /// How much there is to copy.
    pub(crate) fn size(&self) -> usize {
        self.tools.len() + self.loops.len()
    }

    /// How many different tools were called.
    pub(crate) fn distinct(&self) -> usize {
        self.tools.len()
    }

    /// The tools by how often they were called, then by first call.
    pub(crate) fn top(&self, at_most: usize) -> Vec<&ToolUse> {
        let mut tools: Vec<&ToolUse> = self.tools.iter().collect();
        tools.sort_by_key(|tool| std::cmp::Reverse(tool.count));
        tools.truncate(at_most);
        tools
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loops(calls: &[(&str, &str)]) -> Vec<(String, String, usize)> {
        let mut uses = ToolUses::default();
        calls.iter().for_each(|(name, input)| uses.add(name, CallInput::of(input.as_bytes()), 0));
        uses.loops().map(|(l, name)| (name.to_owned(), format!("{:08x}", l.input_crc), l.count)).collect()
    }

    #[test]
    fn a_loop_is_three_of_ten() {
        let other: Vec<(&str, &str)> =
            vec![("o", "1"), ("o", "2"), ("o", "3"), ("o", "4"), ("o", "5"), ("o", "6")];
        let a = [("a", "123456789")];
        let near = [&a[..], &other[..4], &a, &other[..3], &a].concat();
        assert_eq!(loops(&near), [("a".to_owned(), "cbf43926".to_owned(), 3)]);
        let far = [&a[..], &other[..4], &a, &other[..5], &a].concat();
        assert_eq!(loops(&far), []);
    }

    #[test]
    fn a_loop_counts_the_most_in_any_window() {
        let calls: Vec<(&str, &str)> =
            [[("a", ""); 15].as_slice(), &[("b", ""); 4], &[("a", ""); 3]].concat();
        assert_eq!(
            loops(&calls),
            [("a".to_owned(), "00000000".to_owned(), 10), ("b".to_owned(), "00000000".to_owned(), 4)]
        );
    }
}
