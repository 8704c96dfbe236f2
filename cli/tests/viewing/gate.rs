//! Who is let in: nobody who does not know the token, nobody who comes by another name, no page of another site.

use crate::browser::{Response, Viewer, path};
use crate::support::{Scene, notes};

fn scene() -> Scene {
    let scene = Scene::new();
    scene.record(&["--session", "s", "--end", "completed"], notes(3)).fine();
    scene
}

fn with(viewer: &Viewer, method: &str, target: &str, headers: &str) -> Response {
    viewer.send(&format!("{method} {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"))
}

#[test]
fn only_the_right_host_origin_token_and_method_get_in() {
    let scene = scene();
    let viewer = Viewer::start(&scene, &[]);
    let (host, base) = (viewer.host.clone(), viewer.base.clone());
    let port = host.rsplit(':').next().unwrap();
    let good = format!("Host: {host}\r\n");
    let target = format!("{base}api/sessions");
    let cases = [
        (200, "GET", target.clone(), good.clone()),
        (200, "HEAD", target.clone(), good.clone()),
        (200, "GET", target.clone(), format!("Host: localhost:{port}\r\n")),
        (200, "GET", target.clone(), format!("Host: LOCALHOST:{port}\r\n")),
        (200, "GET", target.clone(), format!("{good}Origin: http://{host}\r\n")),
        (200, "GET", target.clone(), format!("{good}Origin: http://localhost:{port}\r\n")),
        (200, "GET", format!("http://{host}{target}"), good.clone()),
        // Another name for this machine: DNS rebinding.
        (403, "GET", target.clone(), "Host: evil.example\r\n".into()),
        (403, "GET", target.clone(), format!("Host: evil.example:{port}\r\n")),
        (403, "GET", target.clone(), "Host: 127.0.0.1\r\n".into()),
        (403, "GET", target.clone(), format!("Host: 127.0.0.1:1{port}\r\n")),
        (403, "GET", target.clone(), format!("Host: [::1]:{port}\r\n")),
        (403, "GET", target.clone(), format!("Host: {host}.evil.example\r\n")),
        (403, "GET", target.clone(), format!("Host: evil.example\r\n{good}")),
        (403, "GET", target.clone(), format!("{good}Host: evil.example\r\n")),
        (403, "GET", target.clone(), String::new()),
        (403, "GET", format!("http://evil.example{target}"), good.clone()),
        // Another site's page.
        (403, "GET", target.clone(), format!("{good}Origin: http://evil.example\r\n")),
        (403, "GET", target.clone(), format!("{good}Origin: https://{host}\r\n")),
        (403, "GET", target.clone(), format!("{good}Origin: http://127.0.0.1:1\r\n")),
        (403, "GET", target.clone(), format!("{good}Origin: null\r\n")),
        (
            403,
            "GET",
            target.clone(),
            format!("{good}Origin: http://{host}\r\nOrigin: http://evil.example\r\n"),
        ),
        // Not the token.
        (404, "GET", "/".into(), good.clone()),
        (404, "GET", "/api/sessions".into(), good.clone()),
        (404, "GET", "//api/sessions".into(), good.clone()),
        (404, "GET", format!("/{}/api/sessions", "0".repeat(32)), good.clone()),
        (404, "GET", format!("{}0/api/sessions", base.trim_end_matches('/')), good.clone()),
        (404, "GET", format!("{}/api/sessions", &base[..base.len() - 2]), good.clone()),
        (404, "GET", format!("/x{target}"), good.clone()),
        // Nothing can be changed.
        (405, "POST", target.clone(), format!("{good}Content-Length: 0\r\n")),
        (405, "PUT", target.clone(), format!("{good}Content-Length: 0\r\n")),
        (405, "DELETE", target.clone(), good.clone()),
        (405, "OPTIONS", target.clone(), format!("{good}Origin: http://evil.example\r\n")),
        // Nothing but the page's own files.
        (404, "GET", format!("{base}assets/../../../etc/passwd"), good.clone()),
        (404, "GET", format!("{base}assets/..%2f..%2f..%2f..%2fetc%2fpasswd"), good.clone()),
        (404, "GET", format!("{base}%2e%2e/STORE"), good.clone()),
        (404, "GET", format!("{base}assets/%00"), good.clone()),
        (404, "GET", format!("{base}STORE"), good.clone()),
    ];
    for (status, method, target, headers) in cases {
        let response = with(&viewer, method, &target, &headers);
        assert_eq!(response.status, status, "{method} {target} {headers:?}");
        guarded(&response, &target);
        if status != 200 {
            let body = String::from_utf8_lossy(&response.body);
            assert!(!body.contains("sessions\":") && !body.contains("root:"), "{target}: {body}");
        }
    }
}

/// Every answer, also one that turns away, says so to the browser.
fn guarded(response: &Response, target: &str) {
    let policy = response.header("content-security-policy").unwrap_or_else(|| panic!("{target}"));
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name} of {target}");
    }
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[test]
fn no_session_is_found_by_a_path() {
    let scene = scene();
    // Something that is not the store's.
    std::fs::create_dir(scene.dir.path().join("outside")).unwrap();
    let viewer = Viewer::start(&scene, &[]);
    for id in
        ["..", "../..", "../../outside", "/etc", "s/../s", "", ".", "s\0", "\u{2028}", &"x".repeat(5000)]
    {
        for document in ["summary", "span/0", "live", "text/0/name"] {
            let response = viewer.ask(&format!("{}/{document}", path(id)));
            assert!([404, 414, 431].contains(&response.status), "{id:?}: {}", response.status);
        }
    }
    for address in [
        "api/s/s/summary",
        "api/s/~s/skeleton/-1",
        "api/s/~s/skeleton/x",
        "api/s/~s/skeleton/18446744073709551615",
        "api/s/~s/span/99999999999999999999",
        "api/s/~s/span/1",
        "api/s/~s/text/0/nothing",
        "api/s/~s/event/0",
        "api/s/~s/search",
        "api/s/~%ff/summary",
    ] {
        let status = viewer.ask(address).status;
        assert!((400..=404).contains(&status), "{address}: {status}");
    }
    assert_eq!(viewer.ask("api/s/~s/summary").status, 200);
}

#[test]
fn it_listens_on_this_machine_alone_and_its_address_cannot_be_guessed() {
    let scene = scene();
    let (one, other) = (Viewer::start(&scene, &[]), Viewer::start(&scene, &[]));
    assert!(one.host.starts_with("127.0.0.1:"));
    assert_ne!(one.base, other.base);
    assert_eq!(one.base.len(), 34, "128 bits, in hexadecimal");
    // Who is bound to all addresses has 0 for one.
    let port: u16 = one.host.rsplit(':').next().unwrap().parse().unwrap();
    let sockets = std::fs::read_to_string(format!("/proc/{}/net/tcp", one.pid())).unwrap();
    let listening = format!(":{port:04X} 00000000:0000 0A");
    let line = sockets.lines().find(|line| line.contains(&listening)).expect("a listening socket");
    assert!(line.contains("0100007F:"), "{line}");
    let sockets = std::fs::read_to_string(format!("/proc/{}/net/tcp6", one.pid())).unwrap_or_default();
    assert!(!sockets.contains(&format!(":{port:04X} ")), "{sockets}");
}
