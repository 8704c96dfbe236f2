//! A server that is run by the command, and asked as a browser would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Scene, json};

pub struct Viewer {
    child: Child,
    /// Host and port.
    pub host: String,
    /// `/TOKEN/`.
    pub base: String,
    /// What stands behind that in the address that was printed.
    pub rest: String,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Viewer {
    pub fn start(scene: &Scene, args: &[&str]) -> Self {
        let mut all = vec!["view", "--no-open"];
        all.extend(args);
        Self::of(scene.command(&all))
    }

    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{line:?}"));
        let (host, path) = address.split_once('/').unwrap();
        let (token, rest) = path.split_once('/').unwrap();
        Viewer { child, host: host.into(), base: format!("/{token}/"), rest: rest.into() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as a terminal that is closed or a service manager does, and waits until it has.
    pub fn end(mut self) -> ExitStatus {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(asked.success());
        self.child.wait().unwrap()
    }

    /// Sends a request as it stands, and reads the answer to its end.
    pub fn send(&self, request: &str) -> Response {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let (status, headers) = head(&mut reader);
        let mut body = Vec::new();
        reader.read_to_end(&mut body).unwrap();
        let mut response = Response { status, headers, body };
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = unchunked(&response.body);
        }
        response
    }

    /// Asks for a path under the token.
    pub fn ask(&self, path: &str) -> Response {
        let (host, base) = (&self.host, &self.base);
        self.send(&format!("GET {base}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    }

    #[track_caller]
    pub fn text(&self, path: &str) -> String {
        let response = self.ask(path);
        let text = String::from_utf8(response.body).unwrap();
        assert_eq!(response.status, 200, "{path}: {text}");
        text
    }

    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        json(&self.text(path))
    }

    /// All chunks of a document, as one list.
    #[track_caller]
    pub fn chunks(&self, session: &str, of: &str, list: &str) -> Vec<Value> {
        let summary = self.json(&format!("{session}/summary"));
        let name = if of == "raw" { "log" } else { of };
        let count = summary["chunks"][name].as_u64().unwrap();
        let mut all = Vec::new();
        for chunk in 0..count {
            let mut document = self.json(&format!("{session}/{of}/{chunk}"));
            assert_eq!(document["from"], all.len());
            all.append(document[list].as_array_mut().unwrap());
        }
        assert_eq!(self.ask(&format!("{session}/{of}/{count}")).status, 404);
        all
    }

    /// The events of a stream.
    pub fn listen(&self, path: &str) -> Stream {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET {}{path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.base, self.host).unwrap();
        let mut reader = BufReader::new(stream);
        let (status, _) = head(&mut reader);
        assert_eq!(status, 200);
        Stream { reader }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => return (status, headers),
        }
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|pair| pair == b"\r\n").expect("the length of a chunk");
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend(&body[end + 2..end + 2 + length]);
        body = &body[end + 2 + length + 2..];
    }
}

/// Server-sent events.
pub struct Stream {
    reader: BufReader<TcpStream>,
}

impl Stream {
    /// The next event: its name, and its data as JSON.
    pub fn next(&mut self) -> (String, Value) {
        let (mut name, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            assert!(self.reader.read_line(&mut line).unwrap() > 0, "the stream has ended");
            if let Some(event) = line.trim_end().strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(data) = line.trim_end().strip_prefix("data: ") {
                return (name, json(data));
            }
        }
    }
}

/// The part of an address that is about a session.
pub fn path(id: &str) -> String {
    let mut path = String::from("api/s/~");
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
