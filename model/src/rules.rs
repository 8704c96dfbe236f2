//! The rules of the protocol that can be taken away, one at a time, to see that each is needed: a model that finds nothing proves nothing.

/// What is kept to. The default is the protocol of SPEC.md, with everything kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    /// A materialisation looks for crash records again after its rename.
    pub look_again: bool,
    /// An ending is not shown before a mark covers it.
    pub durable_before_shown: bool,
    /// One materialisation at a time.
    pub one_materialiser: bool,
    /// The owner entry is removed after the view has been written, and not before.
    pub owner_entry_last: bool,
    /// A view is written beside the old one, and renamed when it is whole.
    pub written_beside: bool,
    /// Before the owner entry is removed, under its lock, the log is looked at once more: it must be the one that the view shows.
    pub look_before_release: bool,
    /// A session with a crash record is written also when the writer of its last run is dead and not recovered yet.
    pub crashed_is_always_written: bool,
    /// The owner entry of a run that never got a segment is removed too.
    pub unborn_runs_are_released: bool,
    /// A crash that is recorded after the session was closed takes the owner entry again first, and not another's.
    pub late_crash_owns: bool,
    /// Where there is no owner entry, one is written before a crash record is appended for somebody else.
    pub owned_before_appended: bool,
    /// A resume that took the session over from a dead writer writes the view when it is done.
    pub takeover_shows_crash: bool,
    /// A sync publishes its mark before it tells waiting threads that it is done.
    pub mark_before_durable: bool,
    /// Recovery waits for locks that somebody else holds. Whoever holds one may have looked at the log for the last time.
    pub recovery_waits: bool,
    /// A view that was written here is left as it is only where it shows all there is.
    pub left_only_when_current: bool,
    /// Prune removes a temporary file that a dead materialisation left.
    pub temporaries_are_pruned: bool,
    /// The temporary name is one that no earlier holder of the lock used, and what an earlier one left is removed first.
    pub own_temporary_name: bool,
    /// Renames of killed processes may land after their locks are gone, as on a file system at the other end of a network.
    pub renames_outlive_processes: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            look_again: true,
            durable_before_shown: true,
            one_materialiser: true,
            owner_entry_last: true,
            written_beside: true,
            look_before_release: true,
            crashed_is_always_written: true,
            unborn_runs_are_released: true,
            late_crash_owns: true,
            owned_before_appended: true,
            takeover_shows_crash: true,
            mark_before_durable: true,
            recovery_waits: true,
            left_only_when_current: true,
            temporaries_are_pruned: true,
            own_temporary_name: false,
            renames_outlive_processes: false,
        }
    }
}

/// A rule's name, and how it is taken away.
type Change = (&'static str, fn(&mut Rules));

/// The rules that the store keeps.
const EACH: &[Change] = &[
    ("look_again", |rules| rules.look_again = false),
    ("durable_before_shown", |rules| rules.durable_before_shown = false),
    ("one_materialiser", |rules| rules.one_materialiser = false),
    ("owner_entry_last", |rules| rules.owner_entry_last = false),
    ("written_beside", |rules| rules.written_beside = false),
    ("look_before_release", |rules| rules.look_before_release = false),
    ("crashed_is_always_written", |rules| rules.crashed_is_always_written = false),
    ("unborn_runs_are_released", |rules| rules.unborn_runs_are_released = false),
    ("late_crash_owns", |rules| rules.late_crash_owns = false),
    ("owned_before_appended", |rules| rules.owned_before_appended = false),
    ("takeover_shows_crash", |rules| rules.takeover_shows_crash = false),
    ("mark_before_durable", |rules| rules.mark_before_durable = false),
    ("recovery_waits", |rules| rules.recovery_waits = false),
    ("left_only_when_current", |rules| rules.left_only_when_current = false),
    ("temporaries_are_pruned", |rules| rules.temporaries_are_pruned = false),
];

impl Rules {
    /// The names of the rules that the store keeps.
    pub fn names() -> impl Iterator<Item = &'static str> {
        EACH.iter().map(|(name, _)| *name)
    }

    /// All but the one of this name.
    #[must_use]
    pub fn without(name: &str) -> Self {
        let mut rules = Rules::default();
        EACH.iter().filter(|(of, _)| *of == name).for_each(|(_, change)| change(&mut rules));
        rules
    }
}
