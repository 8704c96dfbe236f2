//! One damaged session: it is said what is lost, everything else is shown, and the others are as they were.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Scene, flip, json, notes};

/// Two sessions; in the first, one byte of the event with sequence number 50 is not what it was.
fn damaged() -> (Scene, u64, u64) {
    let scene = Scene::new();
    scene.record(&["--session", "hurt", "--end", "completed"], notes(100)).fine();
    scene.record(&["--session", "sound", "--end", "completed"], notes(3)).fine();
    let (file, offset, length) = scene.record_of("hurt", 50);
    flip(&file, offset + 24 + length - 1);
    (scene, offset, offset + 24 + length)
}

#[test]
fn verify_names_the_file_the_bytes_and_the_missing_event() {
    let (scene, from, to) = damaged();
    let before = std::fs::read_dir(scene.store().join("sessions/hurt")).unwrap().count();
    let ran = scene.run(&["verify"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ran.err, "");
    assert_eq!(ran.out, format!("hurt: 1 event is lost (50): 1.wal bytes {from}..{to}, damage\n"));
    assert_eq!(scene.run(&["verify", "sound"]).fine(), "");
    let ran = scene.run(&["verify", "--json"]);
    assert_eq!(ran.code, 3);
    let damage = &json(&ran.out)[0]["damage"][0];
    assert_eq!((damage["first"].as_u64(), damage["last"].as_u64()), (Some(50), Some(50)));
    assert_eq!(damage["offset"].as_u64(), Some(from));
    // Nothing was written.
    assert_eq!(std::fs::read_dir(scene.store().join("sessions/hurt")).unwrap().count(), before);
}

#[test]
fn everything_else_is_shown_and_the_loss_is_said() {
    let (scene, ..) = damaged();
    let shown = scene.run(&["show", "hurt"]).fine();
    assert!(shown.contains("1 event is lost (50): 1.wal bytes "), "{shown}");
    assert!(shown.contains("status   completed"), "{shown}");
    let events = scene.run(&["events", "hurt"]).fine();
    assert_eq!(events.lines().filter(|line| line.starts_with("{\"lost\":")).count(), 1);
    assert_eq!(events.lines().filter(|line| line.contains("\"note\"")).count(), 99);
    assert!(events.lines().last().unwrap().contains("session-ended"));
    let view = scene.show("hurt");
    assert_eq!(view["wal"]["damage"][0]["first"], 50);
    assert_eq!(view["wal"]["events"], 102);
}

#[test]
fn a_damaged_or_unreadable_session_hides_no_other() {
    let (scene, ..) = damaged();
    scene.record(&["--session", "gone"], notes(1)).fine();
    std::fs::write(scene.store().join("sessions/gone/1.wal"), [b'x'; 9_000]).unwrap();
    let listed = json(&scene.run(&["ls", "--json"]).fine());
    let by_id =
        |id: &str| listed.as_array().unwrap().iter().find(|line| line["sessionId"] == id).unwrap().clone();
    assert_eq!(by_id("sound")["lostEvents"], 0);
    assert_eq!(by_id("hurt")["lostEvents"], 1);
    assert_eq!(by_id("hurt")["status"], "completed");
    assert_eq!(by_id("gone")["status"], "?");
    let table = scene.run(&["ls"]).fine();
    assert!(table.contains("completed, 1 lost"), "{table}");
    assert_eq!(scene.run(&["verify", "gone"]).code, 3);
    let stats = json(&scene.run(&["stats", "--json"]).fine());
    assert_eq!((stats["sessions"].as_u64(), stats["lostEvents"].as_u64()), (Some(3), Some(1)));
}

#[test]
fn repair_says_what_is_lost_and_keeps_the_old_log() {
    let (scene, ..) = damaged();
    let before = scene.run(&["events", "hurt"]).fine();
    let said = scene.run(&["repair", "hurt"]).fine();
    assert!(said.contains("1 event is lost (50)"), "{said}");
    let kept = said.lines().last().unwrap().split("kept in ").nth(1).unwrap();
    assert!(std::path::Path::new(kept).join("1.wal").exists(), "{said}");
    assert_eq!(scene.run(&["verify"]).fine(), "");
    let after = scene.run(&["events", "hurt"]).fine();
    let kept = |log: &str| {
        log.lines().filter(|line| !line.contains("\"lost\"")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(kept(&before), kept(&after));
    assert!(scene.run(&["show", "hurt"]).fine().contains("repaired, was damage"));
    assert!(scene.run(&["repair", "hurt"]).fine().contains("nothing was done"));
}

#[test]
fn events_from_a_number_on() {
    let (scene, ..) = damaged();
    let from = |seq: &str| scene.run(&["events", "hurt", "--from", seq]).fine();
    assert!(from("49").starts_with("{\"seq\":49,"));
    assert!(from("50").starts_with("{\"lost\":"));
    assert!(from("51").starts_with("{\"seq\":51,"));
    assert_eq!(from("999"), "");
}
