//! Each case again without its guard: the old outcome is observed.

use tracewal_engine::guard::Guard;

use crate::support::trials::without;

#[test]
fn negative_m1() {
    let wrong = "what the late rename left";
    without(&[Guard::LookAgain], "m1_late_rename::m1", "rename delayed by 200 ms", 8, wrong);
    without(&[Guard::LookAgain], "m1_late_rename::m1", "rename delayed by 2 s", 8, wrong);
}

#[test]
fn negative_m2() {
    let case = "a burst during a snapshot, then SIGKILL";
    without(&[Guard::PublishedBeforeReturn], "m2_burst::m2", case, 4, "left: (800, 0)");
}

#[test]
fn negative_m3() {
    let (crash, durable) =
        ("a crash before each step of the export", "an ending that cannot be made durable");
    without(&[Guard::LookAgain], "m3_export::m3", crash, 10, "left: \"completed\"");
    without(&[Guard::CrashOutranks], "m3_export::m3", crash, 10, "left: \"completed\"");
    without(
        &[Guard::CrashOutranks],
        "m3_export::m3",
        "SIGTERM before each step of the export",
        5,
        "left: \"completed\"",
    );
    without(&[Guard::DurableBeforeShown], "m3_export::m3", durable, 4, "left: \"completed\"");
    without(
        &[Guard::LookAgain],
        "m3_export::m3",
        "a crash while 52 MB are exported",
        1,
        "left: \"completed\"",
    );
}

#[test]
fn negative_m3b() {
    let wrong = "the view of another session is written";
    without(&[Guard::OwnLogAlone], "m3_sessions::m3b", "one of ten sessions crashes", 4, wrong);
}

#[test]
fn negative_m3c() {
    let case = "ids with / \\ . :";
    without(&[Guard::KnownByName], "m3_sessions::m3c", case, 16, "the view of a live session is written");
    without(&[Guard::ExactIds], "m3_sessions::m3c", case, 16, "a session of its own");
}

#[test]
fn negative_m3d() {
    let wrong = "the path of the crashed trace";
    without(&[Guard::PathWhatever], "m3_export::m3d", "an ending after a crash", 4, wrong);
}

#[test]
fn negative_w1() {
    let (two, fails) = ("a second exporter before the rename of the first", "each step fails");
    without(&[Guard::OneMaterialiser], "w1_whole_files::w1", two, 4, "a reader finds a part of a view");
    without(
        &[Guard::WrittenBeside],
        "w1_whole_files::w1",
        "exporters and readers side by side",
        100,
        "one whole document",
    );
    without(&[Guard::TidyAfterFailure], "w1_whole_files::w1", fails, 5, "no temporary file is left");
    without(
        &[Guard::SyncBeforeRename],
        "w1_whole_files::w1",
        "the order of the steps",
        2,
        "what a power cut finds",
    );
}

#[test]
fn negative_k1() {
    without(&[Guard::CrashSlots], "k1_workers::k1", "four workers", 3, "what the dying process left");
    without(&[Guard::PublishedBeforeReturn], "k1_workers::k1", "four workers", 3, "");
}

#[test]
fn negative_k2() {
    without(&[Guard::DefaultAction], "k2_status::k2", "thirteen ways to end", 5, "was survived");
}

#[test]
fn negative_k3() {
    let (again, ending) = ("a SIGINT that is survived, then SIGTERM", "SIGTERM in the last step of the end");
    without(&[Guard::EveryFatalEvent], "k3_again::k3", again, 4, "left: Some(\"SIGINT\")");
    without(&[Guard::CoveredUntilClosed], "k3_again::k3", ending, 4, "left: \"completed\"");
}

#[test]
fn negative_l1() {
    let wrong = "the nearest open action";
    without(&[Guard::NearestAction], "l1_actions::l1", "actions that nest and overlap", 40, wrong);
}

#[test]
fn negative_l2() {
    let cleanup = "clean-up after the first terminal evidence";
    without(
        &[Guard::FirstCrashStands],
        "l2_evidence::l2",
        cleanup,
        4,
        "left: Some(\"tool execution failed\")",
    );
    let derived = "the cause is derived, and clean-up cannot replace it";
    let cancelled = "left: Some(\"user-cancel\")";
    without(&[Guard::FirstCandidateStands], "l2_evidence::l2", derived, 4, cancelled);
    without(
        &[Guard::CopyUnproved],
        "l2_evidence::l2",
        "SIGKILL behind the evidence",
        4,
        "pieces of evidence that are left",
    );
}

#[test]
fn negative_p1() {
    without(&[Guard::Pause], "p1_cost::p1", "bytes of the views of a session that goes on", 1, "bytes in");
}

#[test]
fn negative_r1() {
    let guards = [Guard::RunningUntilEnded, Guard::DurableBeforeShown];
    without(&guards, "r1_running::r1", "between generations", 4, "left: (\"completed\", Completed)");
}

#[test]
fn negative_r2() {
    without(&[Guard::NewSegment], "r2_restart::r2", "another process goes on", 4, "old and new spans");
}
