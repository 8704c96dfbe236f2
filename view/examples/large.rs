//! What a large session costs to look at: `cargo run --release -p tracewal-view --example large [SPANS] [MEGABYTES]`.
//!
//! Records a session in a process of its own, serves it from another one, and asks for what a page asks for. Prints how long each answer
//! took, and how much memory the server had at most (Linux).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use tracewal::{Payload, Tokens};

/// Tools of one model call.
const TOOLS: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["record", folder, spans, megabytes] => {
            record(Path::new(folder), spans.parse().unwrap(), megabytes.parse().unwrap());
        }
        ["serve", folder] => serve(Path::new(folder)),
        ["html", folder, file] => html(Path::new(folder), Path::new(file)),
        [] => measure("100000", "200"),
        [spans] => measure(spans, "200"),
        [spans, megabytes, ..] => measure(spans, megabytes),
    }
}

fn record(folder: &Path, spans: usize, megabytes: usize) {
    let store = tracewal::open(folder).unwrap();
    let session = store.session("large").title("A large session").prompt("Do a lot").start().unwrap();
    let bytes = megabytes * 1_000_000 / spans.max(1);
    let words = "the quick brown fox <jumps> over \"the\" lazy dog, 0123456789\n".repeat(bytes / 60 + 1);
    let turns = spans / (TOOLS + 1);
    for turn in 0..turns {
        let call = session.generation("chat").model("claude-sonnet-4").start().unwrap();
        call.text("Let me look at it.").unwrap();
        for tool in 0..TOOLS {
            let name = ["bash", "read", "edit", "grep"].get(tool).copied().unwrap_or("bash");
            let input = format!(r#"{{"command":"make {turn}","file_path":"/work/src/{}.rs"}}"#, turn % 700);
            let tool = call.tool(name).input(Payload::owned_json(input)).start().unwrap();
            let output = words.get(..bytes * 5 / 4).unwrap_or(&words);
            if turn % 50 == 0 {
                tool.fail("exit code 2").unwrap();
            } else {
                tool.end().output(output.to_owned()).finish().unwrap();
            }
        }
        call.end()
            .tokens(Tokens::new(1200_u64, 85_u64, 0_u64, 9000_u64, 0_u64))
            .cost(0.0049)
            .finish()
            .unwrap();
    }
    session.complete().unwrap();
}

fn serve(folder: &Path) {
    let store = tracewal::options().open(folder).unwrap();
    let server = tracewal_view::Server::bind(&store, None, Arc::default(), 0).unwrap();
    println!("{}", server.url());
    server.run().unwrap();
}

fn html(folder: &Path, file: &Path) {
    let store = tracewal::options().open(folder).unwrap();
    let session = store.find("large").unwrap();
    let mut out = std::io::BufWriter::new(std::fs::File::create(file).unwrap());
    tracewal_view::write_html(&store, &session, &Arc::default(), &mut out).unwrap();
    out.flush().unwrap();
    println!("{}", memory("self"));
}

fn again(arguments: &[&str]) -> Child {
    let this = std::env::current_exe().unwrap();
    Command::new(this).args(arguments).stdout(Stdio::piped()).spawn().unwrap()
}

fn measure(spans: &str, megabytes: &str) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let store_text = store.to_str().unwrap();
    let begun = Instant::now();
    assert!(again(&["record", store_text, spans, megabytes]).wait().unwrap().success());
    let log: u64 = std::fs::read_dir(store.join("sessions/large"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    println!(
        "{spans} spans, {} MB of log, recorded in {:.1} s",
        log / 1_000_000,
        begun.elapsed().as_secs_f64()
    );

    let begun = Instant::now();
    let mut server = again(&["serve", store_text]);
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    println!("{:>8.1} ms  the server listens", begun.elapsed().as_secs_f64() * 1000.0);
    let (host, base) = line.trim().strip_prefix("http://").unwrap().split_once('/').unwrap();
    let ask = |path: &str, what: &str| -> Vec<u8> {
        let asked = Instant::now();
        let body = get(host, &format!("/{base}{path}"));
        let ms = asked.elapsed().as_secs_f64() * 1000.0;
        println!("{ms:>8.1} ms {:>9} bytes  {what}", body.len());
        body
    };
    ask("", "the page");
    ask("api/sessions", "the list");
    let session = "api/s/~large";
    let summary: Value =
        serde_json::from_slice(&ask(&format!("{session}/summary"), "the summary, the log not read before"))
            .unwrap();
    println!("{:>8.1} ms  since the server was started", begun.elapsed().as_secs_f64() * 1000.0);
    ask(&format!("{session}/summary"), "the summary again");
    let last = |of: &str| summary.pointer(&format!("/chunks/{of}")).and_then(Value::as_u64).unwrap() - 1;
    for (of, what) in [("skeleton", "bars"), ("rows", "rows"), ("chat", "messages"), ("log", "lines")] {
        ask(&format!("{session}/{of}/0"), &format!("the first chunk of the {what}"));
        ask(&format!("{session}/{of}/{}", last(of)), &format!("the last chunk of the {what}"));
    }
    let asked = Instant::now();
    let chunks = last("skeleton") + 1;
    let bytes: usize =
        (0..chunks).map(|chunk| get(host, &format!("/{base}{session}/skeleton/{chunk}")).len()).sum();
    println!("{:>8.1} ms {bytes:>9} bytes  all bars", asked.elapsed().as_secs_f64() * 1000.0);
    let asked = Instant::now();
    let chunks = last("rows") + 1;
    (0..chunks).for_each(|chunk| drop(get(host, &format!("/{base}{session}/rows/{chunk}"))));
    println!("{:>8.1} ms  all {chunks} chunks of the rows", asked.elapsed().as_secs_f64() * 1000.0);
    ask(&format!("{session}/span/5"), "a span");
    ask(&format!("{session}/search?q=nothing+like+it"), "a search that finds nothing");
    ask(&format!("{session}/search?q=lazy"), "a search that finds a lot");
    println!("the server: {}", memory(&server.id().to_string()));
    server.kill().unwrap();
    server.wait().unwrap();

    let file = folder.path().join("large.html");
    let begun = Instant::now();
    let mut written = again(&["html", store_text, file.to_str().unwrap()]);
    let mut said = String::new();
    written.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(written.wait().unwrap().success());
    let size = file.metadata().unwrap().len() / 1_000_000;
    println!("one file of {size} MB in {:.1} s: {}", begun.elapsed().as_secs_f64(), said.trim());
}

fn get(host: &str, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&answer));
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    answer.split_off(head + 4)
}

/// The memory of a process, as Linux tells it.
fn memory(pid: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
        kib * 1024 / 1_000_000
    };
    format!("{} MB of memory at most, {} MB of it now not backed by files", of("VmHWM:"), of("RssAnon:"))
}
