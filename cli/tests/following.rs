//! `tracewal tail -f`: sees what is written while it looks, and ends when nothing more can come.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout};

use support::{Scene, notes};

struct Followed {
    writer: Child,
    input: Option<ChildStdin>,
    tail: Child,
    lines: BufReader<ChildStdout>,
}

/// A session that is being recorded, and a tail that has shown its first note.
fn followed(scene: &Scene) -> Followed {
    let mut writer = scene.spawn(&["record", "--session", "s", "--ack"]);
    let mut input = writer.stdin.take();
    input.as_mut().unwrap().write_all(notes(1).as_bytes()).unwrap();
    BufReader::new(writer.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    let mut tail = scene.spawn(&["tail", "-f"]);
    let lines = BufReader::new(tail.stdout.take().unwrap());
    let mut followed = Followed { writer, input, tail, lines };
    followed.until("note");
    followed
}

impl Followed {
    fn until(&mut self, what: &str) {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the tail ended before {what}");
            if line.contains(what) {
                return;
            }
        }
    }

    fn rest(mut self) -> (String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.lines.read_to_string(&mut out).unwrap();
        self.tail.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(self.tail.wait().unwrap().success());
        self.writer.wait().unwrap();
        (out, err)
    }
}

#[test]
fn it_ends_with_the_session() {
    let scene = Scene::new();
    let mut followed = followed(&scene);
    let mut input = followed.input.take().unwrap();
    input.write_all(b"{\"type\":\"note\",\"name\":\"second\"}\n").unwrap();
    followed.until("second");
    input.write_all(b"{\"type\":\"session-ended\",\"status\":\"completed\"}\n").unwrap();
    drop(input);
    let (out, err) = followed.rest();
    assert!(out.contains("session-ended    completed"), "{out}");
    assert!(err.contains("over: completed"), "{err}");
}

#[test]
fn it_ends_when_the_writer_closes() {
    let scene = Scene::new();
    let mut followed = followed(&scene);
    followed.input.take();
    let (out, err) = followed.rest();
    assert!(out.contains("run-ended        stdin-end"), "{out}");
    assert!(err.contains("closed"), "{err}");
}

#[test]
fn it_says_that_the_writer_was_killed() {
    let scene = Scene::new();
    let mut followed = followed(&scene);
    followed.writer.kill().unwrap();
    followed.writer.wait().unwrap();
    let (out, err) = followed.rest();
    // What recovery copied has been shown before: once is enough, and nothing is lost.
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.contains("crashed          process vanished"), "{out}");
    assert!(err.contains("over: crashed"), "{err}");
}

#[test]
fn without_follow_it_prints_what_there_is() {
    let scene = Scene::new();
    scene.record(&["--session", "s"], notes(3)).fine();
    let printed = scene.run(&["tail"]).fine();
    assert_eq!(printed.lines().count(), 6, "{printed}");
}
