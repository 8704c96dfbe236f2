//! Finding things in sessions, by the index where there is one, and by reading their logs where not.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::{ControlFlow, Range};

use tracewal::{Error, Item, Listed, Reading, Result, SessionName, Store};

use crate::extract::Extractor;
use crate::hit::Hit;
use crate::index::{Index, IndexError, Known, Stamp};
use crate::passage::Passage;
use crate::pattern::Pattern;
use crate::update::{self, Progress, Wanted};

/// Searches a store.
#[derive(Debug)]
pub struct Searcher<'s> {
    store: &'s Store,
    index: Option<Index>,
    /// The sessions that may be answered from the index, if it knows them so.
    wanted: HashMap<String, Stamp>,
    why_not: Option<String>,
}

/// What the index says of a pattern, for all sessions.
#[derive(Clone, Debug)]
pub struct Found {
    /// The pieces of the sessions that the index knows as they are.
    sessions: HashMap<String, Range<i64>>,
    /// Those that may hold it, in order; `None`: any may.
    pieces: Option<Vec<i64>>,
}

impl<'s> Searcher<'s> {
    /// Brings the index up to date with these sessions, which are those of a listing of this store, and opens it. What cannot be indexed is read: see
    /// [`why_not_indexed`](Self::why_not_indexed).
    ///
    /// # Errors
    /// When it cannot be told which sessions somebody has open.
    pub fn open(store: &'s Store, sessions: &[Listed], progress: &dyn Progress) -> Result<Self> {
        let mut searcher = Searcher { store, index: None, wanted: HashMap::new(), why_not: None };
        if let Err(error) = searcher.prepare(sessions, progress)? {
            searcher.why_not = Some(match error {
                IndexError::Failed(why) => why,
                IndexError::Damaged | IndexError::Missing => "somebody else removes it".to_owned(),
            });
        }
        Ok(searcher)
    }

    fn prepare(
        &mut self,
        sessions: &[Listed],
        progress: &dyn Progress,
    ) -> Result<std::result::Result<(), IndexError>> {
        let owned: HashSet<String> = self.store.owned()?.into_iter().collect();
        let wanted = sessions.iter().filter_map(|listed| {
            let session = listed.name();
            // What somebody has open changes without a sign.
            if owned.contains(session.name()) {
                return None;
            }
            let stamp = match listed {
                Listed::Row(row) => Some((row.files.folder_ns, row.files.segments, row.files.sum)),
                Listed::Log(session) => update::stamp(self.store, session),
            };
            Some(Wanted { session, stamp: stamp? })
        });
        let wanted: Vec<Wanted> = wanted.collect();
        let Some(folder) = update::folder(self.store) else {
            return Ok(Err(IndexError::Failed("there is no folder to keep it in".to_owned())));
        };
        if wanted.is_empty() {
            return Ok(Ok(()));
        }
        let opened = update::update(self.store, &folder, &wanted, progress).and_then(|()| folder.open());
        Ok(opened.map(|index| {
            self.wanted = wanted.into_iter().map(|w| (w.session.name().to_owned(), w.stamp)).collect();
            self.index = Some(index);
        }))
    }

    /// Why there is no index: then every log is read.
    #[must_use]
    pub fn why_not_indexed(&self) -> Option<&str> {
        self.why_not.as_deref()
    }

    /// Asks the index where a pattern may be.
    #[must_use]
    pub fn find(&mut self, pattern: &Pattern) -> Found {
        let lookup = pattern.lookup();
        let found = self.index.as_mut().map(|index| index.find(lookup.as_deref()));
        let (known, pieces) = match found {
            Some(Ok(found)) => found,
            Some(Err(error)) => {
                self.index = None;
                if matches!(error, IndexError::Damaged) {
                    update::clear(self.store);
                }
                (Vec::new(), None)
            }
            None => (Vec::new(), None),
        };
        let is_so = |known: &Known| self.wanted.get(&known.name) == Some(&known.stamp);
        let sessions = known.into_iter().filter(is_so).map(|known| (known.name, known.pieces)).collect();
        Found { sessions, pieces }
    }

    /// The texts of a session that hold a pattern, until `each` has enough of them. They are read from its log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn hits(
        &self,
        session: &SessionName,
        pattern: &Pattern,
        found: &Found,
        each: &mut dyn FnMut(Hit) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let failed = |source| Error::Io { doing: "search", path: self.store.folder(session), source };
        match self.candidates(session, found) {
            Some(candidates) if candidates.is_empty() => Ok(ControlFlow::Continue(())),
            Some(candidates) => {
                let mut log = self.store.read(session, Reading::Whole)?;
                let mut flow = ControlFlow::Continue(());
                for passage in candidates {
                    if let Some(text) = passage.read(&mut log).map_err(failed)? {
                        flow = look_at(&passage, &text, pattern, &mut log, each).map_err(failed)?;
                    }
                    if flow.is_break() {
                        break;
                    }
                }
                Ok(flow)
            }
            None => self.read_through(session, pattern, each),
        }
    }

    /// The passages that may hold it. `None`: the index does not know the session as it is, or nothing of the pattern.
    fn candidates(&self, session: &SessionName, found: &Found) -> Option<Vec<Passage>> {
        let index = self.index.as_ref()?;
        let range = found.sessions.get(session.name())?;
        // Where any text may hold it, they are read in their order.
        let pieces = found.pieces.as_ref()?;
        let from = pieces.partition_point(|piece| *piece < range.start);
        let behind = pieces.partition_point(|piece| *piece < range.end);
        let mut passages = Vec::new();
        let mut last = None;
        for piece in pieces.get(from..behind)? {
            for passage in index.passages(*piece).ok()?? {
                // A long text is in several pieces.
                let is = (passage.field, passage.places.first().copied());
                if last != Some(is) {
                    passages.push(passage);
                    last = Some(is);
                }
            }
        }
        Some(passages)
    }

    /// Without the index.
    fn read_through(
        &self,
        session: &SessionName,
        pattern: &Pattern,
        each: &mut dyn FnMut(Hit) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let failed = |source| Error::Io { doing: "search", path: self.store.folder(session), source };
        let reading = if self.store.is_live(session) { Reading::Live } else { Reading::Whole };
        let (mut log, mut again) = (self.store.read(session, reading)?, self.store.read(session, reading)?);
        let mut extractor = Extractor::default();
        let mut emit = |passage: Passage, text: &str| match look_at(&passage, text, pattern, &mut again, each)
        {
            Ok(ControlFlow::Continue(())) => Ok(()),
            Ok(ControlFlow::Break(())) => Err(Stop::Enough),
            Err(error) => Err(Stop::Failed(error)),
        };
        let read = loop {
            match log.next() {
                Ok(Some(Item::Event(entry))) => {
                    if let Err(stop) = extractor.take(&entry, &mut emit) {
                        break Err(stop);
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => break extractor.finish(&mut emit),
                Err(error) => break Err(Stop::Failed(error)),
            }
        };
        match read {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(Stop::Enough) => Ok(ControlFlow::Break(())),
            Err(Stop::Failed(error)) => Err(failed(error)),
        }
    }
}

/// Why a log is not read any further.
enum Stop {
    Enough,
    Failed(io::Error),
}

fn look_at(
    passage: &Passage,
    text: &str,
    pattern: &Pattern,
    log: &mut tracewal::Log,
    each: &mut dyn FnMut(Hit) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let mut matches = pattern.find_in(text, passage.overlap);
    let Some(first) = matches.next() else { return Ok(ControlFlow::Continue(())) };
    let count = 1 + u64::try_from(matches.count()).unwrap_or(u64::MAX);
    Ok(match Hit::of(passage, text, first, count, log)? {
        Some(hit) => each(hit),
        None => ControlFlow::Continue(()),
    })
}
