//! The one door to the file system for everything but reading a log: so that tests can delay or fail any step, and so that every
//! error says what was attempted on which file.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};

/// A step that is about to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step<'a> {
    /// A file is created.
    Create(&'a Path),
    /// Blocks are allocated for a file.
    Allocate(&'a Path, u64),
    /// Bytes are written to a file.
    Write(&'a Path),
    /// A file is synced.
    Sync(&'a Path),
    /// A folder is synced.
    SyncDir(&'a Path),
    /// A file or folder is renamed.
    Rename(&'a Path, &'a Path),
    /// A file or folder is removed.
    Remove(&'a Path),
    /// Everything on the file system of this folder is made durable.
    SyncFileSystem(&'a Path),
    /// A folder is made.
    MakeDir(&'a Path),
    /// A session's lock is taken.
    Lock(&'a Path),
    /// A session's log is read, from its beginning or from where it was left.
    Read(&'a Path),
}

/// Asked before every step: it may wait, or refuse. For tests.
pub trait Gate: Send + Sync {
    /// What happens before `step`.
    ///
    /// # Errors
    /// Makes the step fail with this error, without being tried.
    fn before(&self, step: Step<'_>) -> io::Result<()>;
}

/// The door. Without a gate it adds nothing to what the file system does.
#[derive(Clone, Default)]
pub struct Disk {
    gate: Option<Arc<dyn Gate>>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("gated", &self.gate.is_some()).finish()
    }
}

impl Disk {
    /// A door with somebody at it.
    #[must_use]
    pub fn gated(gate: Arc<dyn Gate>) -> Self {
        Disk { gate: Some(gate) }
    }

    /// Asks whoever stands at the door.
    ///
    /// # Errors
    /// Theirs.
    pub fn before(&self, step: Step<'_>) -> io::Result<()> {
        match &self.gate {
            Some(gate) => gate.before(step),
            None => Ok(()),
        }
    }

    /// Creates a file that is not there, readable and writable by its owner alone.
    pub fn create_new(&self, path: &Path) -> Result<File> {
        self.before(Step::Create(path))
            .and_then(|()| private(OpenOptions::new().read(true).write(true).create_new(true)).open(path))
            .map_err(|e| Error::io("create", path, e))
    }

    /// Creates a file, or empties the one that is there.
    pub fn create(&self, path: &Path) -> Result<File> {
        self.before(Step::Create(path))
            .and_then(|()| {
                private(OpenOptions::new().read(true).write(true).create(true).truncate(true)).open(path)
            })
            .map_err(|e| Error::io("create", path, e))
    }

    /// Allocates blocks, so that a full disk is found out now.
    pub fn allocate(&self, file: &File, path: &Path, len: u64) -> Result<()> {
        self.before(Step::Allocate(path, len))
            .and_then(|()| allocate(file, len))
            .map_err(|e| Error::io("allocate blocks for", path, e))
    }

    /// Gives a file its size, without blocks.
    pub fn set_len(&self, file: &File, path: &Path, len: u64) -> Result<()> {
        self.before(Step::Allocate(path, len))
            .and_then(|()| file.set_len(len))
            .map_err(|e| Error::io("extend", path, e))
    }

    /// Writes bytes at an offset.
    pub fn write_at(&self, file: &File, path: &Path, bytes: &[u8], offset: u64) -> Result<()> {
        self.before(Step::Write(path))
            .and_then(|()| write_all_at(file, bytes, offset))
            .map_err(|e| Error::io("write", path, e))
    }

    /// Appends bytes to a file with one write, and returns it; it is made if it is not there, in a folder that is. Whoever appends
    /// at the same time comes before or after.
    pub fn append(&self, path: &Path, bytes: &[u8]) -> Result<File> {
        let write = || {
            self.before(Step::Write(path))?;
            let mut file = private(OpenOptions::new().read(true).append(true).create(true)).open(path)?;
            loop {
                match file.write(bytes) {
                    Ok(written) if written == bytes.len() => return Ok(file),
                    // A part of it is there, and the rest cannot follow in one piece.
                    Ok(_) => return Err(io::ErrorKind::StorageFull.into()),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        };
        write().map_err(|e| Error::io("append to", path, e))
    }

    /// Syncs a file's data, and what is needed to read it back.
    pub fn sync(&self, file: &File, path: &Path) -> Result<()> {
        self.before(Step::Sync(path)).and_then(|()| file.sync_data()).map_err(|e| Error::io("sync", path, e))
    }

    /// Syncs everything on the file system of an open folder: files, and names.
    pub fn sync_file_system(&self, folder: &File, path: &Path) -> Result<()> {
        self.before(Step::SyncFileSystem(path))
            .and_then(|()| sync_file_system(folder))
            .map_err(|e| Error::io("sync the file system of", path, e))
    }

    /// Has the file system begin to write this part of a file: a sync behind it then has less to wait for. It promises nothing, and fails
    /// in the sync.
    pub fn begin_sync(&self, file: &File, from: u64, len: u64) {
        begin_sync(file, from, len);
    }

    /// Syncs a folder: the names in it.
    pub fn sync_dir(&self, path: &Path) -> Result<()> {
        self.before(Step::SyncDir(path))
            .and_then(|()| sync_dir(path))
            .map_err(|e| Error::io("sync folder", path, e))
    }

    /// Renames, replacing a file of that name.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.before(Step::Rename(from, to))
            .and_then(|()| fs::rename(from, to))
            .map_err(|e| Error::io("rename to", to, e))
    }

    /// Renames, where nothing may have the new name: then [`AlreadyExists`](io::ErrorKind::AlreadyExists).
    pub fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        self.before(Step::Rename(from, to))
            .and_then(|()| rename_new(from, to))
            .map_err(|e| Error::io("rename to", to, e))
    }

    /// Removes a file; that it is not there is no error.
    pub fn remove_file(&self, path: &Path) -> Result<()> {
        match self.before(Step::Remove(path)).and_then(|()| fs::remove_file(path)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
            _ => Ok(()),
        }
    }

    /// Removes a folder with all in it; that it is not there is no error.
    pub fn remove_dir_all(&self, path: &Path) -> Result<()> {
        match self.before(Step::Remove(path)).and_then(|()| fs::remove_dir_all(path)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
            _ => Ok(()),
        }
    }

    /// Makes a folder, and those around it, for the owner alone; that it is there is no error.
    pub fn make_dir(&self, path: &Path) -> Result<()> {
        self.before(Step::MakeDir(path))
            .and_then(|()| make_private_dir(path))
            .map_err(|e| Error::io("make folder", path, e))
    }

    /// Gives the blocks behind `from` back to the file system; they read as zeros, and the size stays. Best effort.
    pub fn punch(&self, file: &File, from: u64, to: u64) {
        punch(file, from, to);
    }

    /// Exchanges two folders by one rename.
    pub fn exchange(&self, one: &Path, other: &Path) -> Result<()> {
        self.before(Step::Rename(one, other))
            .and_then(|()| exchange(one, other))
            .map_err(|e| Error::io("exchange", other, e))
    }

    /// Puts a small file into place as a whole: temporary name, then rename. Durable only after a sync of both.
    pub fn put(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let temporary = path.with_extension("tmp");
        let mut file = self.create(&temporary)?;
        self.before(Step::Write(&temporary))
            .and_then(|()| file.write_all(bytes))
            .map_err(|e| Error::io("write", &temporary, e))?;
        self.rename(&temporary, path)
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn make_private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_private_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
        offset += u64::try_from(written).unwrap_or(0);
    }
    Ok(())
}

#[cfg(unix)]
fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(target_os = "linux")]
fn sync_file_system(folder: &File) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: a call on an open descriptor, without pointers.
    if unsafe { libc::syncfs(folder.as_raw_fd()) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_folder: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Windows has no sync of a folder: a new name may be lost in a power cut. README.md says so.
#[cfg(not(unix))]
fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Not fs2's: that one reads `errno`, which posix_fallocate does not set, and so calls a full disk by any name.
#[cfg(target_os = "linux")]
fn allocate(file: &File, len: u64) -> io::Result<()> {
    fallocate(file, 0, 0, len)
}

#[cfg(not(target_os = "linux"))]
fn allocate(file: &File, len: u64) -> io::Result<()> {
    fs2::FileExt::allocate(file, len)
}

#[cfg(target_os = "linux")]
fn punch(file: &File, from: u64, to: u64) {
    if from < to {
        // Where it is not supported the blocks stay.
        let _ = fallocate(file, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, from, to - from);
    }
}

#[cfg(not(target_os = "linux"))]
fn punch(_file: &File, _from: u64, _to: u64) {}

#[cfg(target_os = "linux")]
fn begin_sync(file: &File, from: u64, len: u64) {
    use std::os::fd::AsRawFd;
    if let (Ok(from), Ok(len)) = (i64::try_from(from), i64::try_from(len)) {
        // SAFETY: a call on an open descriptor, without pointers.
        unsafe { libc::sync_file_range(file.as_raw_fd(), from, len, libc::SYNC_FILE_RANGE_WRITE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn begin_sync(_file: &File, _from: u64, _len: u64) {}

#[cfg(target_os = "linux")]
fn fallocate(file: &File, mode: i32, from: u64, len: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let (from, len) = (i64::try_from(from).map_err(too_large)?, i64::try_from(len).map_err(too_large)?);
    loop {
        // SAFETY: a call on an open descriptor, without pointers.
        if unsafe { libc::fallocate64(file.as_raw_fd(), mode, from, len) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(target_os = "linux")]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat2(from, to, libc::RENAME_NOREPLACE) {
        Err(e) if is_unsupported(&e) && !to.exists() => fs::rename(from, to),
        Err(e) if is_unsupported(&e) => Err(io::ErrorKind::AlreadyExists.into()),
        other => other,
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() { Err(io::ErrorKind::AlreadyExists.into()) } else { fs::rename(from, to) }
}

/// A file system that knows rename, but not this kind.
#[cfg(target_os = "linux")]
fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP))
}

#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    match renameat2(one, other, libc::RENAME_EXCHANGE) {
        Err(e) if is_unsupported(&e) => exchange_in_steps(one, other),
        done => done,
    }
}

#[cfg(target_os = "linux")]
fn renameat2(one: &Path, other: &Path, flag: libc::c_uint) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    let (one, other) =
        (CString::new(one.as_os_str().as_bytes())?, CString::new(other.as_os_str().as_bytes())?);
    let here = libc::AT_FDCWD;
    // SAFETY: two strings that end in NUL and live through the call.
    if unsafe { libc::renameat2(here, one.as_ptr(), here, other.as_ptr(), flag) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

#[cfg(not(target_os = "linux"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    exchange_in_steps(one, other)
}

/// Where there is no such rename: three of them, between which the name is missing for a moment.
fn exchange_in_steps(one: &Path, other: &Path) -> io::Result<()> {
    let aside = one.with_extension("exchange");
    fs::rename(other, &aside)?;
    fs::rename(one, other)?;
    fs::rename(aside, one)
}
