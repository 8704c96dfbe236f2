//! Panics and exits.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, Once};
use std::thread::ThreadId;

use tracewal_format::event::{Crashed, ErrorInfo, Evidence, Exception, FoundBy, RunEndReason};
use tracewal_format::segment::SLOT_TEXT;

use crate::store::{SessionName, Store, lock};

/// The last panic's text behind `PREFIX`, where a signal handler can read it: the reason of a crash by panic.
static PANIC_TEXT: [AtomicU8; SLOT_TEXT] = [const { AtomicU8::new(0) }; SLOT_TEXT];
const PREFIX: &str = "panic: ";
static PANIC_LEN: AtomicUsize = AtomicUsize::new(0);
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// A session whose last handle was dropped while a panic unwound. It has been closed in order; if the process then dies of a panic, it
/// gets a crash record after all.
struct Dropped {
    thread: ThreadId,
    store: Store,
    session: SessionName,
    message: String,
}

/// The newest of them; a thread's are forgotten when it panics again, because it has survived that panic.
static DROPPED: Mutex<Vec<Dropped>> = Mutex::new(Vec::new());
/// More are not kept: a process that survives that many panics does not die of them.
const DROPPED_MAX: usize = 256;

/// The process that the hooks speak for. In a forked child they say nothing: what they would lock may have been locked at the fork.
static PID: AtomicU32 = AtomicU32::new(0);

fn is_ours() -> bool {
    PID.load(Ordering::Acquire) == std::process::id()
}

/// From now on the hooks speak for this process. They are installed once, also over forks.
pub(super) fn begin(capture: super::Capture) {
    static PANIC: Once = Once::new();
    static EXIT: Once = Once::new();
    PID.store(std::process::id(), Ordering::Release);
    if capture.panics {
        PANIC.call_once(install_panic_hook);
    }
    if capture.exits {
        EXIT.call_once(install_exit_hook);
    }
}

/// Whether panics are captured.
pub(crate) fn is_captured() -> bool {
    INSTALLED.load(Ordering::Acquire)
}

/// A session was closed by unwinding.
pub(crate) fn dropped_in_panic(store: &Store, session: &SessionName) {
    let (thread, message) = (std::thread::current().id(), last_panic());
    let dropped = Dropped { thread, store: store.clone(), session: session.clone(), message };
    let oldest = {
        let mut list = lock(&DROPPED);
        list.push(dropped);
        (list.len() > DROPPED_MAX).then(|| list.remove(0))
    };
    // Outside the lock: it may close a store.
    drop(oldest);
}

#[cfg(feature = "fault-injection")]
pub(super) fn hold_lock() {
    std::mem::forget(lock(&DROPPED));
}

/// The last panic's text. Async-signal-safe. Two panics at once may mix; then what is shown is what was there.
#[cfg(target_os = "linux")]
pub(super) fn panic_text() -> &'static super::slots::SharedText {
    PANIC_TEXT.get(..PANIC_LEN.load(Ordering::Acquire)).unwrap_or(&PANIC_TEXT)
}

fn last_panic() -> String {
    let len = PANIC_LEN.load(Ordering::Acquire).min(SLOT_TEXT);
    let bytes: Vec<u8> =
        PANIC_TEXT.iter().take(len).skip(PREFIX.len()).map(|byte| byte.load(Ordering::Relaxed)).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Chained: what was there before runs afterwards.
fn install_panic_hook() {
    INSTALLED.store(true, Ordering::Release);
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if is_ours() {
            record_panic(info);
        }
        previous(info);
    }));
}

fn record_panic(info: &std::panic::PanicHookInfo<'_>) {
    let here = std::thread::current().id();
    let survived: Vec<Dropped> = lock(&DROPPED).extract_if(.., |dropped| dropped.thread == here).collect();
    drop(survived);
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text");
    let mut len = message.len().min(SLOT_TEXT - PREFIX.len());
    while !message.is_char_boundary(len) {
        len -= 1;
    }
    let message = message.get(..len).unwrap_or_default();
    PANIC_LEN.store(0, Ordering::Release);
    for (to, from) in PANIC_TEXT.iter().zip(PREFIX.bytes().chain(message.bytes())) {
        to.store(from, Ordering::Relaxed);
    }
    PANIC_LEN.store(PREFIX.len() + len, Ordering::Release);
    let place = info.location().map(ToString::to_string);
    for store in super::stores() {
        for session in store.0.live_sessions() {
            let evidence = Evidence {
                cause: Some("panic".into()),
                error: Some(ErrorInfo {
                    name: Some("panic".into()),
                    code: place.as_deref().map(Cow::Borrowed),
                    message: Some(message.into()),
                    ..ErrorInfo::new()
                }),
                ..Evidence::new("panic-hook", "panic")
            };
            // A session that takes no more events has nothing to be told.
            let _ = session.record(&evidence.into());
        }
    }
}

/// Exit status of a Rust program whose main thread panicked.
const PANICKED: i32 = 101;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn install_exit_hook() {
    unsafe extern "C" {
        /// glibc's atexit that is told the exit status.
        fn on_exit(hook: extern "C" fn(i32, *mut libc::c_void), argument: *mut libc::c_void) -> i32;
    }
    extern "C" fn hook(status: i32, _argument: *mut libc::c_void) {
        leave(Some(status));
    }
    // SAFETY: a function of this program, which stays loaded until it exits.
    unsafe { on_exit(hook, std::ptr::null_mut()) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn install_exit_hook() {
    extern "C" fn hook() {
        leave(None);
    }
    // SAFETY: a function of this program, which stays loaded until it exits.
    unsafe { libc::atexit(hook) };
}

/// The process exits: sessions that are open are closed, or, if a panic ended the program, crashed. (In a forked child this does
/// nothing: its parent's sessions refuse.)
fn leave(status: Option<i32>) {
    if !is_ours() {
        return;
    }
    let panicked = status == Some(PANICKED) && PANIC_LEN.load(Ordering::Acquire) > 0;
    let crashed = |message: String| Crashed {
        exception: Some(Exception::new("panic", message.clone())),
        pid: Some(std::process::id()),
        found_by: Some(FoundBy::PanicHook),
        ..Crashed::new(format!("{PREFIX}{message}"))
    };
    for store in super::stores() {
        for session in store.0.live_sessions() {
            if panicked {
                let _ = session.record(&crashed(last_panic()).into());
            }
            // I/O errors have nobody to be told to any more; recovery finds what is missing.
            let _ = session.close(RunEndReason::ProcessExit);
            let _ = store.materialise(&session.name);
        }
    }
    if panicked {
        for dropped in std::mem::take(&mut *lock(&DROPPED)) {
            let _ = dropped.store.record_crash(&dropped.session, crashed(dropped.message));
        }
    }
}
