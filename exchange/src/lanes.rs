//! Which spans share a track: on one track, spans do not overlap, unless one is inside the other and is its child.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A span on its way to a track.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) start: i128,
    pub(crate) end: i128,
    /// Position of the span around it; `None`: the root, or one that comes later.
    pub(crate) parent: Option<usize>,
}

/// The track of each stretch, from 0. Tracks are given in the order of time, and taken again when they are free.
pub(crate) fn lanes(stretches: &[Stretch]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..stretches.len()).collect();
    // Two of no length at the same moment would be shown as one inside the other.
    let stretch_at = |at: usize| {
        stretches.get(at).map(|stretch| Stretch { end: stretch.end.max(stretch.start + 1), ..*stretch })
    };
    let key = |at: &usize| stretch_at(*at).map(|s| (s.start, Reverse(s.end), *at));
    order.sort_unstable_by_key(key);
    let mut lane_of = vec![u32::MAX; stretches.len()];
    // Of each track, what is open on it, from the outside in: end and position.
    let mut open: Vec<Vec<(i128, usize)>> = Vec::new();
    let mut free: BinaryHeap<Reverse<(i128, u32)>> = BinaryHeap::new();
    for at in order {
        let Some(stretch) = stretch_at(at) else { continue };
        let parents = stretch.parent.filter(|parent| *parent < at).and_then(|parent| {
            let lane = lane_of.get(parent).copied().filter(|lane| *lane != u32::MAX)?;
            Some((lane, parent))
        });
        let inside = parents.filter(|(lane, parent)| {
            let Some(stack) = open.get_mut(to_usize(*lane)) else { return false };
            while stack.last().is_some_and(|(end, inner)| *end <= stretch.start && inner != parent) {
                stack.pop();
            }
            stack.last().is_some_and(|(end, inner)| inner == parent && *end >= stretch.end)
        });
        let lane = match (inside, free.peek()) {
            (Some((lane, _)), _) => lane,
            (None, Some(Reverse((end, lane)))) if *end <= stretch.start => {
                let lane = *lane;
                free.pop();
                if let Some(stack) = open.get_mut(to_usize(lane)) {
                    stack.clear();
                }
                free.push(Reverse((stretch.end, lane)));
                lane
            }
            _ => {
                let lane = u32::try_from(open.len()).unwrap_or(u32::MAX - 1);
                open.push(Vec::new());
                free.push(Reverse((stretch.end, lane)));
                lane
            }
        };
        if let Some(stack) = open.get_mut(to_usize(lane)) {
            stack.push((stretch.end, at));
        }
        if let Some(to) = lane_of.get_mut(at) {
            *to = lane;
        }
    }
    lane_of
}

fn to_usize(lane: u32) -> usize {
    usize::try_from(lane).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(spans: &[(i128, i128, Option<usize>)]) -> Vec<u32> {
        let stretch = |(start, end, parent): &(i128, i128, Option<usize>)| Stretch {
            start: *start,
            end: *end,
            parent: *parent,
        };
        lanes(&spans.iter().map(stretch).collect::<Vec<_>>())
    }

    #[test]
    fn children_nest_and_what_overlaps_has_a_track_of_its_own() {
        assert_eq!(
            of(&[
                (0, 100, None),
                (10, 50, Some(0)),
                (20, 60, Some(0)),
                (20, 30, Some(1)),
                (60, 70, Some(0)),
                (65, 200, Some(0)),
            ]),
            [0, 0, 1, 0, 0, 1]
        );
    }

    #[test]
    fn what_has_no_length_is_inside_its_parent_alone() {
        assert_eq!(
            of(&[(0, 9, None), (5, 5, Some(0)), (5, 5, Some(0)), (5, 5, Some(2)), (6, 6, None)]),
            [0, 0, 1, 1, 1]
        );
    }

    #[test]
    fn what_is_inside_another_without_being_its_child_is_not_shown_as_if_it_were() {
        assert_eq!(of(&[(0, 100, None), (10, 50, Some(0)), (20, 30, Some(0))]), [0, 0, 1]);
    }
}
