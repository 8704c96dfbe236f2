//! The file of the index: an SQLite database, as SPEC.md section 18 describes it.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, params};
use tracewal::SessionName;

use crate::folding::Folding;
use crate::passage::Passage;
use crate::stored;
use crate::text::border_before;
use crate::trigram::Trigrams;

/// What is in the file; another number is another index, and is made anew.
const VERSION: i64 = 1;
/// `TWSX`, so that `file` and others know what it is.
const APPLICATION: i64 = 0x5457_5358;

/// Texts are looked up in pieces of about this size.
const PIECE_BYTES: usize = 16 << 10;
/// A text that is longer is cut into pieces that overlap by so much: by more than is looked up of a literal.
const PIECE_OVERLAP_BYTES: usize = 1 << 10;
/// What the index holds back in memory before it writes.
const PENDING_BYTES: i64 = 16 << 20;
/// Somebody else commits within this time.
const BUSY: Duration = Duration::from_secs(30);

/// Stamp of the files of a session's log, as it was indexed.
pub(crate) type Stamp = (i64, u32, u32);

/// A session in the index.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) stamp: Stamp,
    pub(crate) pieces: Range<i64>,
}

/// Where an index is kept.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// Why the index cannot be used.
#[derive(Debug)]
pub(crate) enum IndexError {
    /// It is not what it should be: it can be removed.
    Damaged,
    /// There is none.
    Missing,
    /// Anything else: no room, no right to write, another process that does not come to an end.
    Failed(String),
}

impl From<rusqlite::Error> for IndexError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory,
            ) => IndexError::Failed(error.to_string()),
            Some(ErrorCode::CannotOpen) => IndexError::Missing,
            // No statement of ours is wrong on a sound file.
            _ => IndexError::Damaged,
        }
    }
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        IndexError::Failed(error.to_string())
    }
}

/// Whoever has it may change the index. It goes with the process.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "it is held, not read")] File);

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("sessions.sqlite")
    }

    /// Waits until nobody else changes the index.
    pub(crate) fn lock(&self) -> io::Result<Lock> {
        make_folder(&self.0)?;
        let mut options = File::options();
        options.create(true).append(true);
        let file = private(&mut options).open(self.0.join("lock"))?;
        file.lock()?;
        Ok(Lock(file))
    }

    /// Removes the index, whatever it is. What SQLite keeps beside it first: it would speak of the next one.
    pub(crate) fn clear(&self, _lock: &Lock) -> io::Result<()> {
        for suffix in ["-journal", "-wal", "-shm", ""] {
            let mut name = self.file().into_os_string();
            name.push(suffix);
            let path = Path::new(&name);
            let removed = match fs::symlink_metadata(path) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(path),
                _ => fs::remove_file(path),
            };
            if let Err(error) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
        }
        Ok(())
    }

    pub(crate) fn exists(&self) -> bool {
        self.0.exists()
    }

    /// To look things up. Nothing is made.
    pub(crate) fn open(&self) -> Result<Index, IndexError> {
        let db = Connection::open_with_flags(self.file(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(BUSY)?;
        let index = Index(db);
        index.check()?;
        Ok(index)
    }

    /// To change it; made if it is not there.
    pub(crate) fn open_to_write(&self, _lock: &Lock) -> Result<Index, IndexError> {
        let is_new = {
            let mut options = File::options();
            options.create_new(true).write(true);
            // SQLite gives what it makes beside it the same rights.
            private(&mut options).open(self.file()).is_ok()
        };
        let db = Connection::open_with_flags(self.file(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.busy_timeout(BUSY)?;
        // What is deleted is overwritten: the index holds pieces of what people wrote.
        db.execute_batch(
            "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768;",
        )?;
        let mut index = Index(db);
        if is_new || index.is_empty()? {
            index.create()?;
        }
        index.check()?;
        Ok(index)
    }
}

/// An open index.
#[derive(Debug)]
pub(crate) struct Index(Connection);

impl Index {
    /// A file that was made, and nothing more, by somebody who was killed.
    fn is_empty(&self) -> Result<bool, IndexError> {
        let tables: i64 = self.0.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok(tables == 0)
    }

    fn create(&mut self) -> Result<(), IndexError> {
        let made = self.0.transaction()?;
        made.execute_batch(
            "CREATE TABLE sessions (
                 name TEXT PRIMARY KEY, folder_ns INTEGER NOT NULL, segments INTEGER NOT NULL, sum INTEGER NOT NULL,
                 first INTEGER NOT NULL, behind INTEGER NOT NULL) WITHOUT ROWID;
             CREATE TABLE counter (next INTEGER NOT NULL);
             INSERT INTO counter VALUES (1);
             CREATE TABLE pieces (id INTEGER PRIMARY KEY, passages BLOB NOT NULL);
             CREATE VIRTUAL TABLE trigrams USING fts5(
                 words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii');",
        )?;
        made.execute("INSERT INTO trigrams (trigrams, rank) VALUES ('hashsize', ?1)", [PENDING_BYTES])?;
        made.pragma_update(None, "application_id", APPLICATION)?;
        made.pragma_update(None, "user_version", VERSION)?;
        Ok(made.commit()?)
    }

    fn check(&self) -> Result<(), IndexError> {
        let number = |name: &str| self.0.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if (number("application_id")?, number("user_version")?) == (APPLICATION, VERSION) {
            Ok(())
        } else {
            Err(IndexError::Damaged)
        }
    }

    /// The sessions that it knows, with their stamps.
    pub(crate) fn sessions(&self) -> Result<Vec<Known>, IndexError> {
        sessions(&self.0)
    }

    pub(crate) fn stamp(&self, name: &str) -> Result<Option<Stamp>, IndexError> {
        let mut one =
            self.0.prepare_cached("SELECT folder_ns, segments, sum FROM sessions WHERE name = ?1")?;
        Ok(one.query_row([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?)
    }

    /// The sessions that it knows, and the numbers of the pieces that an expression finds, in order: both of the same moment.
    pub(crate) fn find(
        &mut self,
        lookup: Option<&str>,
    ) -> Result<(Vec<Known>, Option<Vec<i64>>), IndexError> {
        let moment = self.0.transaction()?;
        let sessions = sessions(&moment)?;
        let Some(lookup) = lookup else { return Ok((sessions, None)) };
        let mut found =
            moment.prepare("SELECT rowid FROM trigrams WHERE trigrams MATCH ?1 ORDER BY rowid")?;
        let pieces = found.query_map([lookup], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok((sessions, Some(pieces)))
    }

    /// The passages of a piece. `None`: it is not there any more. No piece ever has the number of another one.
    pub(crate) fn passages(&self, piece: i64) -> Result<Option<Vec<Passage>>, IndexError> {
        let mut one = self.0.prepare_cached("SELECT passages FROM pieces WHERE id = ?1")?;
        let bytes: Option<Vec<u8>> = one.query_row([piece], |row| row.get(0)).optional()?;
        bytes.map(|bytes| stored::all(&bytes).ok_or(IndexError::Damaged)).transpose()
    }

    /// Begins a change, which is there as a whole when it has been committed, and not at all before.
    pub(crate) fn change(&mut self) -> Result<Change<'_>, IndexError> {
        let change = self.0.transaction()?;
        let next = change.query_row("SELECT next FROM counter", [], |row| row.get(0))?;
        Ok(Change {
            change,
            next,
            folding: Folding::default(),
            trigrams: Trigrams::default(),
            bytes: 0,
            passages: Vec::new(),
        })
    }
}

/// Sessions being added and removed.
pub(crate) struct Change<'i> {
    change: Transaction<'i>,
    next: i64,
    folding: Folding,
    /// Of the piece that is being put together, and how long that is.
    trigrams: Trigrams,
    bytes: usize,
    passages: Vec<u8>,
}

impl Change<'_> {
    /// Takes a session out.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), IndexError> {
        let range =
            self.change.query_row("SELECT first, behind FROM sessions WHERE name = ?1", [name], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            });
        let Some((first, behind)) = range.optional()? else { return Ok(()) };
        self.change.execute("DELETE FROM trigrams WHERE rowid >= ?1 AND rowid < ?2", [first, behind])?;
        self.change.execute("DELETE FROM pieces WHERE id >= ?1 AND id < ?2", [first, behind])?;
        self.change.execute("DELETE FROM sessions WHERE name = ?1", [name])?;
        Ok(())
    }

    /// The number of the next piece.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// The next passage of the session that is being added.
    pub(crate) fn passage(&mut self, passage: &Passage, text: &str) -> Result<(), IndexError> {
        if text.len() > PIECE_BYTES {
            self.finish_piece()?;
            let mut from = 0;
            while let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
                let end = border_before(rest, PIECE_BYTES + PIECE_OVERLAP_BYTES);
                self.add(passage, rest.get(..end).unwrap_or(rest));
                self.finish_piece()?;
                if end == rest.len() {
                    break;
                }
                from += border_before(rest, PIECE_BYTES);
            }
            return Ok(());
        }
        self.add(passage, text);
        if self.bytes >= PIECE_BYTES { self.finish_piece() } else { Ok(()) }
    }

    fn add(&mut self, passage: &Passage, text: &str) {
        self.trigrams.begin_text();
        for c in text.chars() {
            self.trigrams.push(self.folding.char(c));
        }
        self.bytes += text.len();
        stored::put(passage, &mut self.passages);
    }

    fn finish_piece(&mut self) -> Result<(), IndexError> {
        if self.passages.is_empty() {
            return Ok(());
        }
        let mut piece = self.change.prepare_cached("INSERT INTO pieces (id, passages) VALUES (?1, ?2)")?;
        piece.execute(params![self.next, self.passages])?;
        let mut trigrams =
            self.change.prepare_cached("INSERT INTO trigrams (rowid, words) VALUES (?1, ?2)")?;
        trigrams.execute(params![self.next, self.trigrams.take_words()])?;
        self.next += 1;
        (self.bytes, self.passages) = (0, Vec::new());
        Ok(())
    }

    /// The session whose pieces begin at `first` is complete.
    pub(crate) fn session(
        &mut self,
        session: &SessionName,
        stamp: Stamp,
        first: i64,
    ) -> Result<(), IndexError> {
        self.finish_piece()?;
        let (folder_ns, segments, sum) = stamp;
        self.change.execute(
            "INSERT INTO sessions (name, folder_ns, segments, sum, first, behind) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![session.name(), folder_ns, segments, sum, first, self.next],
        )?;
        Ok(())
    }

    /// The session whose pieces begin at `first` cannot be read to its end.
    pub(crate) fn abandon(&mut self, first: i64) -> Result<(), IndexError> {
        self.trigrams.take_words();
        (self.bytes, self.passages) = (0, Vec::new());
        self.change.execute("DELETE FROM trigrams WHERE rowid >= ?1", [first])?;
        self.change.execute("DELETE FROM pieces WHERE id >= ?1", [first])?;
        Ok(())
    }

    pub(crate) fn commit(self) -> Result<(), IndexError> {
        self.change.execute("UPDATE counter SET next = ?1", [self.next])?;
        Ok(self.change.commit()?)
    }
}

fn sessions(db: &Connection) -> Result<Vec<Known>, IndexError> {
    let mut all = db.prepare("SELECT name, folder_ns, segments, sum, first, behind FROM sessions")?;
    let rows = all.query_map([], |row| {
        let stamp = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(Known { name: row.get(0)?, stamp, pieces: row.get(4)?..row.get(5)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// For nobody but the user: the index holds pieces of what is in the logs.
fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}
