//! `tracewal tail`: events as they come.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tracewal::{Error, Item, Log, Reading, SessionName, Store};

use super::tail_line;
use crate::account::{self, Account};
use crate::args::Tail;
use crate::failure::{Failure, Result};
use crate::output::Out;
use crate::{output, stores, text};

/// How often a log that is being written is looked at.
const POLL: Duration = Duration::from_millis(50);

pub(crate) fn run(folder: &Path, args: &Tail) -> Result<()> {
    let store = stores::open_to_look(folder)?;
    let session = match &args.session {
        Some(id) => stores::session(&store, id)?,
        None => super::ls::newest(&store)?
            .ok_or_else(|| Failure::not_found("there is no session yet; record one"))?,
    };
    let mut out = output::people();
    if args.follow && store.is_live(&session) {
        follow(&store, &session, &mut out)?;
    } else {
        let mut log = store.read(&session, account::reading(store.is_live(&session)))?;
        print_rest(&store, &session, &mut log, &mut out)?;
    }
    if args.follow {
        output::mention(&over(&store, &session)?);
    }
    Ok(())
}

fn follow(store: &Store, session: &SessionName, out: &mut Out) -> Result<()> {
    let mut log = store.read(session, Reading::Live)?;
    loop {
        // Asked before the log is read: what a writer wrote before it went is still printed.
        let live = store.is_live(session);
        if !live && !store.is_read_only() {
            // If it died, the log gets the crash record that is printed last.
            store.recover_session(session)?;
            store.materialise(session)?;
        }
        log.refresh().map_err(|source| unreadable(store, session, source))?;
        print_rest(store, session, &mut log, out)?;
        if !live {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
}

fn print_rest(store: &Store, session: &SessionName, log: &mut Log, out: &mut Out) -> Result<()> {
    while let Some(item) = log.next().map_err(|source| unreadable(store, session, source))? {
        let line = match item {
            Item::Event(entry) => tail_line::entry(&entry),
            Item::Slot(slot) => tail_line::line("-", slot.time, &slot.event()),
            Item::Loss(loss) => text::one_line(&account::loss(&loss)),
            Item::DurableMark(_) | Item::Poison(_) | Item::LogRecord(_) => continue,
        };
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

fn unreadable(store: &Store, session: &SessionName, source: std::io::Error) -> Error {
    Error::Io { doing: "read", path: store.folder(session), source }
}

/// Why nothing more comes.
fn over(store: &Store, session: &SessionName) -> Result<String> {
    Ok(match Account::of(store, session)?.status() {
        "running" => "the session has been closed, without an ending".to_owned(),
        status => format!("the session is over: {status}"),
    })
}
