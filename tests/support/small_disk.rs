//! Where stores are put: in memory, or on file systems of a few MiB, mounted for a test. Those need root; a test that cannot have one
//! says so and is skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A folder where a sync costs nothing: in memory, if there is such a place.
pub(crate) fn in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Which file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tmpfs,
    /// By a loop device.
    Ext4,
    /// By a loop device. A page of it that is mapped may have no block.
    Btrfs,
}

/// A small disk, unmounted when it is dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one of this size. `None`: it can't be had here, and why has been printed.
    pub(crate) fn mount(kind: Kind, size_mib: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let disk = SmallDisk { folder };
        fs::create_dir(disk.path()).unwrap();
        let result = match kind {
            Kind::Tmpfs => run(Command::new("mount")
                .args(["-t", "tmpfs", "-o", &format!("size={size_mib}m"), "tmpfs"])
                .arg(disk.path())),
            Kind::Ext4 => disk.mount_image("mkfs.ext4", &["-q", "-F", "-m", "0"], size_mib),
            // It takes no disk below 109 MiB.
            Kind::Btrfs => disk.mount_image("mkfs.btrfs", &["-q"], size_mib.max(112)),
        };
        match result {
            Ok(()) => Some(disk),
            Err(why) => {
                println!("skipped: no small {kind:?} here: {why}");
                None
            }
        }
    }

    fn mount_image(&self, mkfs: &str, options: &[&str], size_mib: u64) -> Result<(), String> {
        let image = self.folder.path().join("image");
        fs::File::create(&image).unwrap().set_len(size_mib << 20).unwrap();
        run(Command::new(mkfs).args(options).arg(&image))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(self.path()))
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Makes it read-only. A child that another test is just starting has a copy of every descriptor until it is another program: as
    /// long as one of them is open for writing, the disk is busy.
    pub(crate) fn make_read_only(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        while let Err(why) = run(Command::new("mount").args(["-o", "remount,ro"]).arg(self.path())) {
            assert!(Instant::now() < until, "{why}");
            std::thread::yield_now();
        }
    }

    /// Fills it to the last block with a file of this name.
    pub(crate) fn fill(&self, name: &str) {
        use std::io::Write as _;
        let mut file = fs::File::create(self.path().join(name)).unwrap();
        for size in [1 << 20, 4096, 512] {
            while file.write_all(&vec![1; size]).is_ok() && file.sync_data().is_ok() {}
        }
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
        // Blocks come back when the file system says so.
        run(Command::new("sync").arg("-f").arg(self.path())).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-q").arg(self.path()).status();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(e) => Err(format!("{}: {e}", Path::new(command.get_program()).display())),
    }
}
