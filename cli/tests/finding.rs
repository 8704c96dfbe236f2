//! Stores and sessions that are there or not, and who may see and change them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::Read;
use std::process::Stdio;

use support::{Scene, json, notes};

#[test]
fn a_session_is_found_by_the_beginning_of_its_id() {
    let scene = Scene::new();
    for id in ["alpha-1", "alpha-2", "beta", "beta-2"] {
        scene.record(&["--session", id], notes(1)).fine();
    }
    assert_eq!(scene.show("alpha-2")["sessionId"], "alpha-2");
    assert_eq!(scene.show("beta-")["sessionId"], "beta-2");
    // An exact id wins, though another begins with it.
    assert_eq!(scene.show("beta")["sessionId"], "beta");
    let said = scene.run(&["show", "alph"]).failed(1);
    assert!(said.contains("alpha-1") && said.contains("alpha-2"), "{said}");
    let said = scene.run(&["show", "gamma"]).failed(4);
    assert!(said.contains("gamma"), "{said}");
}

#[test]
fn looking_makes_no_store() {
    let scene = Scene::new();
    for command in [
        &["ls"][..],
        &["show", "x"],
        &["verify"],
        &["stats"],
        &["tail"],
        &["prune", "--keep", "1"],
        &["recover"],
    ] {
        let said = scene.run(command).failed(4);
        assert!(said.contains("no store at") && said.contains("--store"), "{said}");
    }
    assert!(!scene.store().exists());
}

#[test]
fn wrong_usage_is_told_apart() {
    let scene = Scene::new();
    for args in [&["prune"][..], &["frobnicate"], &["import", "claude-code"], &["ls", "--status", "sad"]] {
        assert_eq!(scene.run(args).code, 2, "{args:?}");
    }
}

#[test]
fn ls_shows_the_newest_first_and_no_more_than_it_should() {
    let scene = Scene::new();
    for n in 0..25 {
        let first = format!("{{\"type\":\"session-started\",\"time\":{}}}\n", 1_000 * (n * 7 % 25));
        scene
            .record(
                &["--session", &format!("s{n}"), "--end", if n % 5 == 0 { "error" } else { "completed" }],
                first,
            )
            .fine();
    }
    let ids = |args: &[&str]| -> Vec<String> {
        let listed = json(&scene.run(args).fine());
        listed.as_array().unwrap().iter().map(|line| line["sessionId"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids(&["ls", "--json", "--all"]);
    assert_eq!(all.len(), 25);
    // 7 × 7 % 25 = 24 is the newest.
    assert_eq!(all[0], "s7");
    assert_eq!(all[24], "s0");
    assert_eq!(ids(&["ls", "--json"]), all[..20]);
    assert_eq!(ids(&["ls", "--json", "--limit", "3"]), all[..3]);
    assert_eq!(ids(&["ls", "--json", "--all", "--status", "error"]).len(), 5);
    assert_eq!(scene.run(&["ls"]).fine().lines().count(), 21);
}

#[test]
fn what_is_in_a_log_does_not_steer_the_terminal() {
    let scene = Scene::new();
    let first = "{\"type\":\"session-started\",\"metadata\":{\"title\":\"a\\u001b[2Jb\\nc\"}}\n{\"type\":\"note\",\"name\":\"\\u001b[31m\"}\n";
    scene.record(&["--session", "e\u{1b}[1m"], first).fine();
    for args in [&["ls"][..], &["show", "e"], &["tail", "e"], &["stats"]] {
        let printed = scene.run(args).fine();
        assert!(!printed.contains('\u{1b}'), "{args:?}: {printed:?}");
    }
}

#[test]
fn prune_removes_only_what_it_says() {
    let scene = Scene::new();
    for id in ["a", "b", "c"] {
        scene.record(&["--session", id, "--end", "completed"], notes(1)).fine();
    }
    let planned = scene.run(&["prune", "--keep", "2", "--dry-run"]).fine();
    assert!(planned.contains("1 session") && planned.contains("would be removed"), "{planned}");
    assert_eq!(json(&scene.run(&["ls", "--json"]).fine()).as_array().unwrap().len(), 3);
    let pruned = json(&scene.run(&["prune", "--keep", "2", "--json"]).fine());
    assert_eq!(pruned[0]["removed"], true);
    let gone = pruned[0]["sessionId"].as_str().unwrap();
    scene.run(&["show", gone]).failed(4);
    assert!(!scene.store().join(format!("traces/{gone}.json")).exists());
    assert_eq!(
        scene.run(&["prune", "--older-than", "1d", "--max-size", "1GB"]).fine(),
        "0 sessions, 0 B removed\n"
    );
    scene.run(&["prune", "--max-size", "0"]).fine();
    assert_eq!(json(&scene.run(&["ls", "--json"]).fine()).as_array().unwrap().len(), 0);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let scene = Scene::new();
    scene.record(&["--session", "s"], notes(20_000)).fine();
    for args in
        [&["events", "s"][..], &["tail", "s"], &["show", "s", "--json"], &["completions", "bash"], &["man"]]
    {
        let mut child = scene.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdout.take().unwrap();
        pipe.read_exact(&mut [0; 10]).unwrap();
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_store_that_may_not_be_written_can_be_looked_at() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    fn all(path: &std::path::Path, change: &dyn Fn(&std::path::Path)) {
        change(path);
        if path.is_dir() {
            std::fs::read_dir(path).unwrap().for_each(|entry| all(&entry.unwrap().path(), change));
        }
    }
    let scene = Scene::new();
    scene.record(&["--session", "s", "--end", "completed"], notes(3)).fine();
    let mut killed = scene.spawn(&["record", "--session", "k", "--ack"]);
    std::io::Write::write_all(killed.stdin.as_mut().unwrap(), notes(1).as_bytes()).unwrap();
    killed.stdout.as_mut().unwrap().read_exact(&mut [0; 9]).unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();

    let is_root = std::fs::metadata(scene.dir.path()).unwrap().uid() == 0;
    // Root may write everywhere: it asks as somebody else, who has to own the files to read them.
    std::fs::set_permissions(scene.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    all(&scene.store(), &|path| {
        if is_root {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o555;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    });
    let run = |args: &[&str]| {
        let mut command = scene.command(args);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.stdin(Stdio::null()).output()
    };
    let Ok(listed) = run(&["ls"]) else {
        println!("skipped: the command cannot be run as another user here");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap() + &String::from_utf8(listed.stderr).unwrap();
    assert!(listed.contains("completed") && listed.contains("crashed, not yet recorded"), "{listed}");
    for args in
        [&["show", "k"][..], &["events", "k"], &["verify"], &["stats"], &["path", "s"], &["tail", "-f", "k"]]
    {
        let output = run(args).unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
    let refused = run(&["repair", "s"]).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    all(&scene.store(), &|path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    });
}
