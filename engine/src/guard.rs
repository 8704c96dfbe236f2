//! The guards that keep the known incidents of trace recorders from happening here, by name, so that a test can take one away and see
//! its incident happen. Without the feature `fault-injection` every guard stands, and asking for it costs nothing.

#[cfg(feature = "fault-injection")]
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A guard. Each stands at one place, where it is asked whether it [is off](Guard::is_off).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A materialisation looks for crash records again after its rename, before it gives up its lock.
    LookAgain,
    /// One materialisation at a time per session.
    OneMaterialiser,
    /// A view is written beside the old one, and renamed when it is whole.
    WrittenBeside,
    /// A view is synced before it is renamed.
    SyncBeforeRename,
    /// What a failed materialisation leaves is removed.
    TidyAfterFailure,
    /// An append returns when its event has been published.
    PublishedBeforeReturn,
    /// A crash record outranks every other ending.
    CrashOutranks,
    /// An ending is not shown before it is durable.
    DurableBeforeShown,
    /// A session's view depends on its own log alone.
    OwnLogAlone,
    /// A session is known by its name, which is made from its id once.
    KnownByName,
    /// Sessions are told apart by their exact ids, and not by the names made from them.
    ExactIds,
    /// An ending returns the path of the view, whatever that says.
    PathWhatever,
    /// A signal handler fills a crash slot of every live session.
    CrashSlots,
    /// A signal handler ends with what would have happened without it.
    DefaultAction,
    /// Every fatal event is recorded, not the first alone.
    EveryFatalEvent,
    /// A session is covered until the last step of its end.
    CoveredUntilClosed,
    /// Of the lifecycle actions that are open, the one that was begun last counts.
    NearestAction,
    /// Of several crash records the first one's reason stands.
    FirstCrashStands,
    /// Of what may have stopped an attempt, the first counts.
    FirstCandidateStands,
    /// Recovery copies what was not proved durable.
    CopyUnproved,
    /// A view is left alone for a time that grows with its size.
    Pause,
    /// A session is running until it has an ending.
    RunningUntilEnded,
    /// A resumed run goes on in a new segment.
    NewSegment,
}

impl Guard {
    /// Whether a test has taken it away.
    #[cfg(not(feature = "fault-injection"))]
    #[inline(always)]
    #[must_use]
    pub const fn is_off(self) -> bool {
        false
    }

    /// Whether a call for a guard that has been taken away is not the first one.
    #[cfg(not(feature = "fault-injection"))]
    #[inline(always)]
    #[must_use]
    pub const fn is_off_after_the_first(self) -> bool {
        false
    }
}

/// What has been taken away in this process: a bit for each guard. Asked in signal handlers too.
#[cfg(feature = "fault-injection")]
static OFF: AtomicU64 = AtomicU64::new(0);

#[cfg(feature = "fault-injection")]
impl Guard {
    /// Every guard.
    pub const ALL: [Guard; 23] = [
        Guard::LookAgain,
        Guard::OneMaterialiser,
        Guard::WrittenBeside,
        Guard::SyncBeforeRename,
        Guard::TidyAfterFailure,
        Guard::PublishedBeforeReturn,
        Guard::CrashOutranks,
        Guard::DurableBeforeShown,
        Guard::OwnLogAlone,
        Guard::KnownByName,
        Guard::ExactIds,
        Guard::PathWhatever,
        Guard::CrashSlots,
        Guard::DefaultAction,
        Guard::EveryFatalEvent,
        Guard::CoveredUntilClosed,
        Guard::NearestAction,
        Guard::FirstCrashStands,
        Guard::FirstCandidateStands,
        Guard::CopyUnproved,
        Guard::Pause,
        Guard::RunningUntilEnded,
        Guard::NewSegment,
    ];

    #[allow(clippy::as_conversions)] // A variant's place in the list.
    fn bit(self) -> u64 {
        1 << self as u8
    }

    /// Whether a test has taken it away.
    #[must_use]
    pub fn is_off(self) -> bool {
        OFF.load(Ordering::Acquire) & self.bit() != 0
    }

    /// Whether a call for a guard that has been taken away is not the first one.
    #[must_use]
    pub fn is_off_after_the_first(self) -> bool {
        static ASKED: AtomicBool = AtomicBool::new(false);
        self.is_off() && ASKED.swap(true, Ordering::AcqRel)
    }

    /// Takes it away, in this process and until it ends.
    pub fn take_away(self) {
        OFF.fetch_or(self.bit(), Ordering::AcqRel);
    }

    /// The guard of this name, as `Debug` writes it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Guard::ALL.into_iter().find(|guard| format!("{guard:?}") == name)
    }
}
