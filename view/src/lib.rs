//! Looking at sessions: a web page that a local server serves, and the same page as one file.
//!
//! [`Trace`] is one session that is looked at: its fold, and beside it small numbers for every span and event, so that any part of it can
//! be shown without reading the rest. It follows the log. The documents that the page asks for are methods of it; docs/viewer.md says what
//! is in them. [`Server`] serves them to this machine alone; [`write_html`] writes them into one file.
//!
//! | module | holds |
//! |---|---|
//! | `trace` | a session that is looked at, and how it follows the log |
//! | `index` | what is kept of it beside the fold |
//! | `skeleton` | the spans as bars |
//! | `documents` | what the page asks for |
//! | `scan`, `cut`, `unescape`, `text`, `line` | JSON as it streams by; texts as they are shown |
//! | `server` | serving it, to whom, and what changes while somebody looks |
//! | `html`, `assets` | the page, and the page as one file |
#![forbid(unsafe_code)]

mod assets;
mod cut;
mod documents;
mod error;
mod html;
mod index;
mod line;
mod scan;
mod server;
mod skeleton;
mod text;
mod trace;
mod unescape;

pub use documents::{Classes, SIZES, SessionRow, Sizes, TEXT_MAX};
pub use error::{Result, ViewError};
pub use html::{path_of, write_html};
pub use server::Server;
pub use trace::{Trace, Writer};
