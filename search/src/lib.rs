//! Full-text search over the sessions of a store: prompts, outputs, inputs of tools, errors (SPEC.md section 18).
//!
//! The index says *where to look*; what is found is read from the log. So an index that lies can hide something, but cannot make anything
//! up, it holds no text, and it can be removed at any time. Sessions that somebody has open are not in it: their logs are read. It is made by
//! whoever searches, session by session: nothing of it is in the way of an append.
//!
//! # Why SQLite
//! The index is an FTS5 table of trigrams, each piece's once. *Trigrams*, and not words, because what people look for in traces is `src/lib.rs:42`, `ECONNRESET`, a
//! half of an id, and regular expressions: a trigram finds each of these, in every language, and `detail = none` keeps of it only in which
//! pieces it occurs. *FTS5*, because transactions, locks between processes and what a kill leaves are its business already, because its file is one,
//! and because SQLite is one C file. tantivy would index words about twice as fast, on more threads than an agent's machine should lend, but knows a
//! regular expression only within a word, deletes by leaving things behind, and brings more than a hundred crates.
//!
//! | module | holds |
//! |---|---|
//! | `text`, `passage` | what of an event is searched |
//! | `extract` | from a log to its passages |
//! | `folding`, `trigram` | letters that differ by case alone; the words of the index |
//! | `pattern` | what is looked for |
//! | `index`, `stored` | the file |
//! | `update` | bringing it up to date, and making it forget |
//! | `searcher`, `hit` | finding things |
#![forbid(unsafe_code)]

mod extract;
mod folding;
mod hit;
mod index;
mod passage;
mod pattern;
mod searcher;
mod stored;
mod text;
mod trigram;
mod update;

pub use hit::Hit;
pub use passage::Field;
pub use pattern::{Pattern, PatternError};
pub use searcher::{Found, Searcher};
pub use text::{VALUE_MAX_BYTES, WORD_MAX_BYTES};
pub use update::{Progress, Quiet, forget};
