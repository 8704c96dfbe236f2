//! Who is let in, and what every answer says to the browser.
//!
//! A page of another origin can make this machine's browser ask for any address, also under a name that it has pointed at 127.0.0.1 (DNS
//! rebinding). So a request has to name this server as the host, come from its own page if it comes from one, and begin with the token,
//! which stands nowhere but in the address that was printed.

use std::io;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::Shared;

/// Nothing but what this server serves itself may be loaded, run, or sent to; nothing may show it in a frame.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                                 base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// What a request has to say.
#[derive(Debug)]
pub(super) struct Gate {
    token: String,
    hosts: [String; 2],
}

/// Why a request is turned away.
type Refusal = (StatusCode, &'static str);

impl Gate {
    pub(super) fn new(port: u16) -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let token = format!("{:032x}", u128::from_le_bytes(random));
        Ok(Gate { token, hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")] })
    }

    pub(super) fn url(&self) -> String {
        let [host, _] = &self.hosts;
        format!("http://{host}/{}/", self.token)
    }

    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        if method != Method::GET && method != Method::HEAD {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "only GET"));
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let is_known = |host: &str| self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        let named = uri.authority().map_or(Ok(()), |named| is_known(named.as_str()).then_some(()).ok_or(()));
        if hosts.next().is_some() || named.is_err() || !host.is_some_and(is_known) {
            return Err((StatusCode::FORBIDDEN, "not the name of this server"));
        }
        let origin = |origin: &HeaderValue| {
            let host = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
            host.is_some_and(is_known)
        };
        if !headers.get_all(header::ORIGIN).iter().all(origin) {
            return Err((StatusCode::FORBIDDEN, "asked for by another site"));
        }
        let token = uri.path().strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default();
        if bool::from(token.as_bytes().ct_eq(self.token.as_bytes())) {
            Ok(())
        } else {
            Err((StatusCode::NOT_FOUND, "not found"))
        }
    }
}

/// Lets a request in or turns it away, and puts on the answer what keeps the browser in its bounds.
pub(super) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let checked = shared.gate.check(request.method(), request.uri(), request.headers());
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
