//! The critical path: the spans that the end had to wait for.

use crate::skeleton::Bar;

/// At most so many spans of it are given.
const PATH_MAX: usize = 2000;

/// From the end of the root backwards: of what a span waited for last, the child that ended last before that, and so on down to the leaves.
/// The positions, in the order of the document.
pub(super) fn critical_path(bars: &[Bar]) -> Vec<usize> {
    let end = |at: usize| bars.get(at).and_then(|bar| bar.end_ns).unwrap_or(i64::MAX);
    let start = |at: usize| bars.get(at).map_or(0, |bar| bar.start_ns);
    // The children of each, in a row, those that ended last at the end.
    let mut children: Vec<usize> = (1..bars.len()).collect();
    let parent = |at: &usize| bars.get(*at).and_then(Bar::parent).unwrap_or(0);
    children.sort_by_key(|at| (parent(at), end(*at), start(*at)));
    let of = |at: usize| {
        let from = children.partition_point(|child| parent(child) < at);
        let to = children.partition_point(|child| parent(child) <= at);
        children.get(from..to).unwrap_or_default()
    };
    let (mut path, mut waiting) = (Vec::new(), vec![0]);
    while let Some(at) = waiting.pop() {
        path.push(at);
        if path.len() >= PATH_MAX {
            break;
        }
        let mut until = end(at);
        for child in of(at).iter().rev() {
            // One that goes on behind what was waited for is not what it waited for, unless nothing else is known of the end.
            if end(*child) <= until {
                waiting.push(*child);
                until = start(*child);
            }
        }
    }
    path.sort_unstable();
    path
}

#[cfg(test)]
mod tests {
    use tracewal_format::event::SpanKind;

    use super::*;
    use crate::skeleton::SpanState;

    fn bar(number: u32, parent: u32, start_ns: i64, end_ns: i64) -> Bar {
        let (kind, state) = (SpanKind::Tool, SpanState::Ok);
        Bar { number, parent, start_ns, end_ns: Some(end_ns), kind, state }
    }

    #[test]
    fn what_was_waited_for_is_on_it_and_what_ran_beside_is_not() {
        let bars = [
            bar(0, u32::MAX, 0, 100),
            bar(1, 0, 0, 40),
            bar(2, 0, 0, 60),
            bar(3, 0, 60, 100),
            bar(4, 3, 60, 90),
            bar(5, 3, 61, 80),
            bar(6, 1, 0, 40),
        ];
        assert_eq!(critical_path(&bars), [0, 2, 3, 4]);
    }
}
