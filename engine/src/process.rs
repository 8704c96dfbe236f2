//! Which process this is, and whether another one still lives.

use tracewal_format::event::RunStarted;

use crate::small_file::SmallFile;

/// What identifies a process beyond its id, which is used again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// In clock ticks since boot.
    pub(crate) start_ticks: Option<u64>,
    pub(crate) boot_id: Option<String>,
    pub(crate) pid_namespace: Option<u64>,
    pub(crate) host: Option<String>,
    pub(crate) exe: Option<String>,
}

/// Whether a process that wrote to a session is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs.
    Running,
    /// There is no process of its number.
    Gone,
    /// Another process has its number now.
    Reused,
    /// It ran elsewhere, or before this machine was started.
    Unknown,
}

impl ProcessState {
    /// What is known here about the process that a `run-started` event names.
    #[must_use]
    pub fn of(started: &RunStarted<'_>) -> Self {
        let here = Identity::current();
        let known = Identity {
            pid: started.pid,
            start_ticks: started.start_time_ticks,
            boot_id: started.boot_id.as_deref().map(str::to_owned),
            pid_namespace: started.pid_namespace,
            ..Identity::default()
        };
        match known.life(&here) {
            Life::Alive | Life::Leaving => ProcessState::Running,
            Life::Unknown => ProcessState::Unknown,
            Life::Gone if linux::stat(started.pid).is_ok_and(|stat| stat.is_some()) => ProcessState::Reused,
            Life::Gone => ProcessState::Gone,
        }
    }
}

/// What is known about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It runs.
    Alive,
    /// It is exiting or dumping core: its locks are given up soon.
    Leaving,
    /// There is no such process any more.
    Gone,
    /// It can't be told from here.
    Unknown,
}

impl Identity {
    /// This process.
    pub(crate) fn current() -> Self {
        let pid = std::process::id();
        Identity {
            pid,
            start_ticks: linux::stat(pid).ok().flatten().map(|stat| stat.start_ticks),
            boot_id: linux::boot_id(),
            pid_namespace: linux::pid_namespace(),
            host: linux::host(),
            exe: std::env::current_exe().ok().map(|path| path.to_string_lossy().into_owned()),
        }
    }

    pub(crate) fn boot_id_bits(&self) -> u128 {
        self.boot_id.as_deref().and_then(|id| uuid::Uuid::parse_str(id).ok()).map_or(0, |id| id.as_u128())
    }

    pub(crate) fn write_to(&self, file: &mut SmallFile) {
        file.set("pid", self.pid);
        if let Some(ticks) = self.start_ticks {
            file.set("start", ticks);
        }
        if let Some(boot) = &self.boot_id {
            file.set("boot", boot);
        }
        if let Some(namespace) = self.pid_namespace {
            file.set("pidns", namespace);
        }
        if let Some(host) = &self.host {
            file.set("host", host);
        }
        if let Some(exe) = &self.exe {
            file.set("exe", exe);
        }
    }

    pub(crate) fn read_from(file: &SmallFile) -> Self {
        let number = |key| file.get(key).and_then(|value| value.parse::<u64>().ok());
        Identity {
            pid: number("pid").and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            start_ticks: number("start"),
            boot_id: file.get("boot").map(str::to_owned),
            pid_namespace: number("pidns"),
            host: file.get("host").map(str::to_owned),
            exe: file.get("exe").map(str::to_owned),
        }
    }

    /// Whether this process lives, as far as `here` can tell: only on the same boot and in the same pid namespace.
    pub(crate) fn life(&self, here: &Identity) -> Life {
        let comparable = self.pid != 0
            && self.boot_id.is_some()
            && self.boot_id == here.boot_id
            && self.pid_namespace.is_some()
            && self.pid_namespace == here.pid_namespace;
        if !comparable {
            return Life::Unknown;
        }
        match linux::stat(self.pid) {
            // That it cannot be asked (no descriptor is free, it is hidden) says nothing about it.
            Err(_) => Life::Unknown,
            Ok(None) => Life::Gone,
            Ok(Some(stat)) if self.start_ticks.is_some_and(|start| start != stat.start_ticks) => Life::Gone,
            Ok(Some(stat)) if stat.is_dead => Life::Gone,
            Ok(Some(stat)) if stat.leaving => Life::Leaving,
            Ok(Some(_)) => Life::Alive,
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io;
    use std::os::unix::fs::MetadataExt;

    pub(super) struct Stat {
        pub(super) start_ticks: u64,
        pub(super) leaving: bool,
        /// Nobody has waited for it yet, and that is all there is of it.
        pub(super) is_dead: bool,
    }

    /// `PF_EXITING` and `PF_DUMPCORE` of the kernel's `include/linux/sched.h`, in field 9 of `/proc/<pid>/stat`.
    const EXITING_OR_DUMPING: u64 = 0x4 | 0x200;

    /// `Ok(None)`: there is no such process.
    pub(super) fn stat(pid: u32) -> io::Result<Option<Stat>> {
        match fs::read(format!("/proc/{pid}/stat")) {
            Ok(text) => parse(&text).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into()),
            // ENOENT, or ESRCH when it went between opening and reading.
            Err(e) if e.kind() == io::ErrorKind::NotFound || e.raw_os_error() == Some(libc::ESRCH) => {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    fn parse(text: &[u8]) -> Option<Stat> {
        let text = String::from_utf8_lossy(text);
        // The command's name may hold anything, also parentheses: what follows the last one is fixed.
        let mut fields = text.get(text.rfind(')')? + 2..)?.split(' ');
        let state = fields.next()?;
        let flags: u64 = fields.nth(5)?.parse().ok()?;
        let threads: u64 = fields.nth(10)?.parse().ok()?;
        let start_ticks = fields.nth(1)?.parse().ok()?;
        let is_zombie = matches!(state, "Z" | "X");
        // A zombie's own files are closed. Other threads of it, which the kernel counts until they are gone, may have some open.
        let is_dead = is_zombie && threads <= 1;
        Some(Stat { start_ticks, leaving: is_zombie || flags & EXITING_OR_DUMPING != 0, is_dead })
    }

    pub(super) fn boot_id() -> Option<String> {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
    }

    pub(super) fn pid_namespace() -> Option<u64> {
        fs::metadata("/proc/self/ns/pid").ok().map(|meta| meta.ino())
    }

    pub(super) fn host() -> Option<String> {
        fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned())
    }
}

/// Elsewhere than on Linux a lock is all that tells whether a writer lives.
#[cfg(not(target_os = "linux"))]
mod linux {
    pub(super) struct Stat {
        pub(super) start_ticks: u64,
        pub(super) leaving: bool,
        pub(super) is_dead: bool,
    }

    pub(super) fn stat(_pid: u32) -> std::io::Result<Option<Stat>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub(super) fn boot_id() -> Option<String> {
        None
    }

    pub(super) fn pid_namespace() -> Option<u64> {
        None
    }

    pub(super) fn host() -> Option<String> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_its_number_alone_is_not_enough() {
        let here = Identity::current();
        assert_eq!(here.life(&here), Life::Alive);
        let reused = Identity { start_ticks: Some(1), ..here.clone() };
        assert_eq!(reused.life(&here), Life::Gone);
        let elsewhere = Identity { boot_id: Some("other".into()), ..here.clone() };
        assert_eq!(elsewhere.life(&here), Life::Unknown);
    }
}
