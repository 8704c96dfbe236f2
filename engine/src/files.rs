//! A session's segments as files, read with pread: whatever is truncated, punched or removed meanwhile, a reader gets fewer bytes or
//! an error, never a SIGBUS (I9).
//!
//! Mapped files would save the copy, but not by a way that never dies: a window that was populated for reading (MADV_POPULATE_READ) can be
//! cut off before it is touched, or its pages dropped and read again when the file is shorter. The copy costs less than it seems: what was
//! copied is in the second-level cache when it is summed, where a mapped page is fetched from memory at that moment. docs/performance.md
//! has the figures.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tracewal_format::log::{LogReader, LogSource, Reading, segment_file, segment_number};

/// Fits into the second-level cache, so that what pread copies is still there when it is checked.
const WINDOW: usize = 256 * 1024;

/// For what is looked up, not read through.
const LOOK_UP: usize = 16 * 1024;

/// The segments in one session's folder.
#[derive(Debug)]
pub struct SegmentFiles {
    folder: PathBuf,
    /// Which folder had this name when it was first looked at.
    identity: Option<Identity>,
    file: Option<File>,
    selected: u64,
    size: u64,
    /// What is read through, and what is looked up meanwhile elsewhere.
    windows: [Window; 2],
    /// The one that was used last.
    recent: usize,
}

/// A part of a file in memory.
#[derive(Debug, Default)]
struct Window {
    bytes: Vec<u8>,
    /// Where in the file it begins, and how much of it is filled.
    at: u64,
    filled: usize,
}

impl Window {
    /// What it holds from `offset` on.
    #[inline]
    fn from(&self, offset: u64) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.at)?).ok()?;
        self.bytes.get(from..self.filled)
    }

    /// Whether `offset` is in it or right behind it.
    fn leads_to(&self, offset: u64) -> bool {
        self.filled > 0 && self.from(offset).is_some()
    }
}

/// A log in files.
pub type Log = LogReader<SegmentFiles>;

impl SegmentFiles {
    /// Of this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        SegmentFiles {
            folder: folder.to_owned(),
            identity: None,
            file: None,
            selected: 0,
            size: 0,
            windows: Default::default(),
            recent: 0,
        }
    }

    /// Opens the log in this folder, from its first event.
    ///
    /// # Errors
    /// When the folder or a segment cannot be read.
    pub fn open_log(folder: &Path, reading: Reading) -> io::Result<Log> {
        LogReader::new(SegmentFiles::new(folder), reading)
    }

    /// Closes the file that is open and gives back the memory for its bytes: a log that is kept to be read on costs neither. What is
    /// read next has to be selected first, as [`LogReader::refresh`] and [`LogReader::entry_at`] do.
    pub fn let_go(&mut self) {
        (self.file, self.selected) = (None, 0);
        self.windows = Default::default();
    }

    fn forget(&mut self) {
        self.windows.iter_mut().for_each(|window| window.filled = 0);
    }

    /// The window for which this holds; the one that was used last is asked first.
    fn find(&self, holds: impl Fn(&Window) -> bool) -> Option<usize> {
        let other = 1 - self.recent.min(1);
        [self.recent, other].into_iter().find(|at| self.windows.get(*at).is_some_and(&holds))
    }

    /// A log that is removed, or replaced by a repair, while it is read is not damaged: reading it ends with an error.
    fn check_folder(&mut self) -> io::Result<()> {
        let now = identity(&fs::metadata(&self.folder)?);
        if *self.identity.get_or_insert(now) == now {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "it has been replaced while it was read; open it again"))
    }
}

#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(folder: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (folder.dev(), folder.ino())
}

#[cfg(not(unix))]
type Identity = ();

/// A folder cannot be told from another of its name there; that it is gone can.
#[cfg(not(unix))]
fn identity(_folder: &fs::Metadata) -> Identity {}

impl LogSource for SegmentFiles {
    type Error = io::Error;

    fn segments(&mut self) -> io::Result<Vec<u64>> {
        self.check_folder()?;
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if let Some(number) = entry.file_name().to_str().and_then(segment_number)
                && entry.file_type().is_ok_and(|kind| kind.is_file())
            {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn select(&mut self, number: u64) -> io::Result<Option<u64>> {
        if self.selected == number
            && let Some(file) = &self.file
        {
            self.size = file.metadata()?.len();
            self.forget();
            return Ok(Some(self.size));
        }
        self.forget();
        self.file = None;
        let opened = File::open(self.folder.join(segment_file(number)));
        // Asked when the file has been opened or missed: before, it could have been another folder's.
        self.check_folder()?;
        match opened {
            Ok(file) => {
                self.size = file.metadata()?.len();
                self.file = Some(file);
                self.selected = number;
                Ok(Some(self.size))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn read(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let holds = |window: &Window| window.from(offset).is_some_and(|bytes| bytes.len() >= len);
        if let Some(at) = self.find(holds) {
            self.recent = at;
            let held = self.windows.get(at).and_then(|window| window.from(offset)?.get(..len));
            return Ok(held.unwrap_or_default());
        }
        // What does not go on from a window is looked up here and there: then a whole one would be read for nothing, and what is read
        // through elsewhere stays.
        let (at, ahead) = match self.find(|window| window.leads_to(offset)) {
            Some(at) => (at, WINDOW),
            None => (1 - self.recent.min(1), LOOK_UP),
        };
        self.recent = at;
        // A header may claim any length: no more is read, or asked for, than the file has.
        let rest = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = len.max(ahead).min(rest.max(len.min(ahead)));
        let Some(window) = self.windows.get_mut(at) else { return Ok(&[]) };
        if window.bytes.len() < wanted || window.bytes.len() > wanted.max(WINDOW) * 4 {
            window.bytes.resize(wanted, 0);
            window.bytes.shrink_to_fit();
        }
        (window.at, window.filled) = (offset, 0);
        if let (Some(file), Some(bytes)) = (&self.file, window.bytes.get_mut(..wanted)) {
            window.filled = read_at(file, bytes, offset)?;
        }
        let available = window.filled.min(len);
        Ok(window.bytes.get(..available).unwrap_or_default())
    }

    fn has_selected(&self, number: u64) -> bool {
        self.selected == number && self.file.is_some()
    }

    #[inline]
    fn at_hand(&self, offset: u64) -> &[u8] {
        self.windows.get(self.recent).and_then(|window| window.from(offset)).unwrap_or_default()
    }

    #[cfg(target_os = "linux")]
    fn next_data(&mut self, offset: u64) -> io::Result<u64> {
        use std::os::fd::AsRawFd;
        let (Some(file), Ok(from)) = (&self.file, i64::try_from(offset)) else { return Ok(offset) };
        // SAFETY: a call on an open descriptor, without pointers. The file's position is used by nothing else.
        let found = unsafe { libc::lseek64(file.as_raw_fd(), from, libc::SEEK_DATA) };
        match u64::try_from(found) {
            Ok(found) => Ok(found),
            // Nothing but a hole up to the end.
            Err(_) if io::Error::last_os_error().raw_os_error() == Some(libc::ENXIO) => {
                Ok(self.size.max(offset))
            }
            Err(_) => Ok(offset),
        }
    }
}

fn read_at(file: &File, mut to: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut total = 0;
    while !to.is_empty() {
        match read_some(file, to, offset) {
            Ok(0) => break,
            Ok(n) => {
                total += n;
                offset += u64::try_from(n).unwrap_or(0);
                to = to.get_mut(n..).unwrap_or_default();
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(total)
}

#[cfg(unix)]
fn read_some(file: &File, to: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, to, offset)
}

#[cfg(windows)]
fn read_some(file: &File, to: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, to, offset)
}
