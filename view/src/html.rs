//! One session as one file: the page with its script, its style and all documents in it. It opens from disk, and asks nobody for anything.
//!
//! What is in a log is not to be trusted. It stands in `<script type="application/json">` elements, whose text a browser takes as it is up
//! to `</script`, or, behind `<!--`, up to something else. Neither can be in it: every `<` in JSON stands in a string, and is written as
//! `\u003c`. Line ends and NUL, which a browser would change, are escaped in JSON anyway. No script but the page's own may run: its hash
//! stands in the policy at the top.

use std::io::{self, Write};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sha2::{Digest, Sha256};
use tracewal::{SessionName, Store};
use tracewal_prices::Prices;

use crate::assets::{PAGE, SCRIPT, STYLE};
use crate::error::{Result, ViewError};
use crate::text::prefix;
use crate::trace::Trace;

/// What `encodeURIComponent` escapes.
const COMPONENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'$')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b',')
    .add(b'/')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The part of an address that names a session.
#[must_use]
pub fn path_of(id: &str) -> String {
    format!("~{}", utf8_percent_encode(id, COMPONENT))
}

/// Writes a session as one HTML file. What is in memory meanwhile does not grow with what its spans hold.
///
/// # Errors
/// What reading the log or writing met; what has been written until then is not a whole page.
pub fn write_html(
    store: &Store,
    session: &SessionName,
    prices: &Arc<Prices>,
    out: &mut impl Write,
) -> Result<()> {
    let mut trace = Trace::open(store, session, prices)?;
    let page = Page::of(PAGE.bytes).ok_or_else(|| ViewError::no("place for the data in the page"))?;
    let mut file = File { out };
    let title = trace.summary().metadata.title.as_deref().unwrap_or(session.id()).to_owned();
    file.raw(page.head)?;
    file.raw(&policy())?;
    file.raw(&format!("<title>{}</title>\n<style>", escaped(prefix(&title, 300))))?;
    file.raw(STYLE.bytes)?;
    file.raw("</style>")?;
    file.raw(page.between)?;
    file.raw("<body data-mode=\"file\">")?;
    file.raw(page.body)?;
    documents(&mut trace, &mut file)?;
    file.raw("<script>")?;
    file.raw(SCRIPT.bytes)?;
    file.raw("</script>")?;
    file.raw(page.end)?;
    file.out.flush().map_err(ViewError::Write)
}

fn documents<W: Write>(trace: &mut Trace, file: &mut File<'_, W>) -> Result<()> {
    let id = trace.session().id().to_owned();
    let base = format!("api/s/{}", path_of(&id));
    let meta = serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "mode": "file", "session": id });
    file.document("api/meta", &meta.to_string().into_bytes())?;
    let sessions = serde_json::json!({ "version": 1, "sessions": [trace.row()] });
    file.document("api/sessions", &sessions.to_string().into_bytes())?;
    file.document(&format!("{base}/summary"), &trace.summary_document()?)?;
    let chunks = trace.chunks();
    for chunk in 0..chunks.skeleton {
        file.document(&format!("{base}/skeleton/{chunk}"), &trace.skeleton(chunk)?)?;
    }
    for chunk in 0..chunks.rows {
        file.document(&format!("{base}/rows/{chunk}"), &trace.rows(chunk)?)?;
    }
    for chunk in 0..chunks.chat {
        file.document(&format!("{base}/chat/{chunk}"), &trace.chat(chunk)?)?;
    }
    for chunk in 0..chunks.log {
        file.document(&format!("{base}/log/{chunk}"), &trace.log(chunk)?)?;
    }
    for chunk in 0..chunks.spans {
        file.begin(&format!("{base}/spans/{chunk}"))?;
        trace.spans(chunk, &mut Escaped(&mut *file.out))?;
        file.end()?;
    }
    for chunk in 0..chunks.log {
        file.begin(&format!("{base}/raw/{chunk}"))?;
        trace.raw(chunk, &mut Escaped(&mut *file.out))?;
        file.end()?;
    }
    Ok(())
}

/// The parts of the page around what is put in its place.
struct Page<'a> {
    head: &'a str,
    between: &'a str,
    body: &'a str,
    end: &'a str,
}

impl<'a> Page<'a> {
    fn of(page: &'a str) -> Option<Self> {
        let (before, rest) = around(page, "<title>", "</title>")?;
        // What stands between the title and the style is nothing that the file needs.
        let (_, rest) = around(rest, "<link rel=\"stylesheet\"", ">")?;
        let (between, rest) = around(rest, "<body", ">")?;
        let at = rest.rfind("<script ")?;
        let (body, script) = rest.split_at_checked(at)?;
        let (_, end) = around(script, "<script ", "</script>")?;
        Some(Page { head: before, between, body, end })
    }
}

/// What stands before and behind a part of a text.
fn around<'a>(text: &'a str, from: &str, to: &str) -> Option<(&'a str, &'a str)> {
    let start = text.find(from)?;
    let (before, rest) = text.split_at_checked(start)?;
    let end = rest.find(to)? + to.len();
    Some((before, rest.split_at_checked(end)?.1))
}

/// Nothing may be loaded or sent; only this script and this style count.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    let (script, style) = (hash(SCRIPT.bytes), hash(STYLE.bytes));
    format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-{script}'; style-src \
         'sha256-{style}'; img-src data:; connect-src 'none'; base-uri 'none'; form-action 'none'\">\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

struct File<'w, W> {
    out: &'w mut W,
}

impl<W: Write> File<'_, W> {
    fn raw(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes()).map_err(ViewError::Write)
    }

    /// A document that is there as a whole.
    fn document(&mut self, path: &str, json: &[u8]) -> Result<()> {
        self.begin(path)?;
        Escaped(&mut *self.out).write_all(json).map_err(ViewError::Write)?;
        self.end()
    }

    fn begin(&mut self, path: &str) -> Result<()> {
        self.raw(&format!("<script type=\"application/json\" id=\"d:{}\">", escaped(path)))
    }

    fn end(&mut self) -> Result<()> {
        self.raw("</script>\n")
    }
}

/// JSON on its way into a script element.
struct Escaped<'w, W>(&'w mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pieces = bytes.split(|byte| *byte == b'<');
        self.0.write_all(pieces.next().unwrap_or_default())?;
        for piece in pieces {
            self.0.write_all(b"\\u003c")?;
            self.0.write_all(piece)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_a_browser_writes_them() {
        assert_eq!(path_of("a/b c"), "~a%2Fb%20c");
        assert_eq!(path_of(".."), "~..");
        assert_eq!(path_of("é-_.!~*'()\"&<"), "~%C3%A9-_.!~*'()%22%26%3C");
    }

    #[test]
    fn nothing_in_the_page_ends_its_own_elements() {
        let within = |text: &str, word: &str| text.to_ascii_lowercase().contains(word);
        for word in ["</script", "<script", "<!--", "\r", "\0"] {
            assert!(!within(SCRIPT.bytes, word), "{word:?} in the script");
        }
        for word in ["</style", "<!--", "\r", "\0"] {
            assert!(!within(STYLE.bytes, word), "{word:?} in the style");
        }
        assert!(Page::of(PAGE.bytes).is_some());
    }
}
