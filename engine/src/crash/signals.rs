//! Signal handlers: installed with sigaction, chained to what was there before.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tracewal_format::event::FoundBy;
use tracewal_format::segment::{Slot, SlotState};

use super::slots::fill_all;
use super::{hooks, mapped};
use crate::error::{Error, Result};
use crate::guard::Guard;

/// After these the process cannot go on.
const FATAL: [i32; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP, libc::SIGSYS];
/// These ask it to end.
const ORDERLY: [i32; 5] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGXCPU];

const SIGNALS: usize = 65;

/// What is there where there is nothing.
// SAFETY: all zeros is the default action with an empty mask.
static DEFAULT: libc::sigaction = unsafe { std::mem::zeroed() };

/// What was there before, by signal. Leaked once, never changed: handlers read it.
static PREVIOUS: [AtomicPtr<libc::sigaction>; SIGNALS] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; SIGNALS];
/// The process that installed them. A child's handlers do nothing but chain.
static PID: AtomicU32 = AtomicU32::new(0);
/// The thread that is filling slots because of a fatal signal; 0 = none. A second fatal signal in it ends it at once.
static DYING: AtomicI32 = AtomicI32::new(0);
/// Wakes the watcher.
static WAKE: AtomicI32 = AtomicI32::new(-1);
static GRACE_MS: AtomicU64 = AtomicU64::new(0);
static VIEWS_WRITTEN: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_WATCHER: Cell<bool> = const { Cell::new(false) };
}

/// Once per process; a forked child that installs them gets a watcher of its own.
pub(super) fn install(grace: Duration) -> Result<()> {
    if PID.load(Ordering::Acquire) == std::process::id() {
        return Ok(());
    }
    PID.store(std::process::id(), Ordering::Release);
    GRACE_MS.store(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
    start_watcher();
    mapped::prepare();
    for signal in FATAL.into_iter().chain(ORDERLY) {
        install_one(signal)?;
    }
    Ok(())
}

/// The thread that writes the views while the process is dying. Without it they are written by recovery.
fn start_watcher() {
    let mut pipe = [0; 2];
    // SAFETY: an array for two descriptors.
    if unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return;
    }
    let [read_end, write_end] = pipe;
    let watch = move || {
        IS_WATCHER.set(true);
        let mut byte = 0_u8;
        loop {
            // SAFETY: reads one byte into a local.
            let read = unsafe { libc::read(read_end, (&raw mut byte).cast(), 1) };
            if read == 1 {
                super::materialise_all();
                VIEWS_WRITTEN.store(true, Ordering::Release);
            } else if std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
                return;
            }
        }
    };
    if std::thread::Builder::new().name("tracewal-crash".into()).spawn(watch).is_ok() {
        WAKE.store(write_end, Ordering::Release);
    }
}

fn install_one(signal: i32) -> Result<()> {
    let failed =
        || Error::io("install a handler for", Path::new("a signal"), std::io::Error::last_os_error());
    let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks for the action of a signal that exists; a structure to fill.
    if unsafe { libc::sigaction(signal, std::ptr::null(), previous.as_mut_ptr()) } != 0 {
        return Err(failed());
    }
    // SAFETY: all zeros is a valid structure, and the call has filled it.
    let previous = unsafe { previous.assume_init() };
    #[allow(clippy::as_conversions)] // What the C structure calls a handler is a number.
    let entry = handler as *const () as usize;
    if previous.sa_sigaction == libc::SIG_IGN {
        return Ok(());
    }
    if previous.sa_sigaction == entry {
        // A child has inherited it, with what was there before.
        return Ok(());
    }
    let mut action = previous;
    action.sa_sigaction = entry;
    // What a previous handler was installed for, it gets: the stack that it counts on, and calls that do not overlap.
    let kept = libc::SA_RESTART | libc::SA_ONSTACK | libc::SA_NODEFER;
    // Ours alone runs where there may be no other stack left. NODEFER: a second fatal signal inside the handler is delivered, and ends
    // the process.
    let is_handled = previous.sa_sigaction != libc::SIG_DFL;
    let added = match (is_handled, FATAL.contains(&signal)) {
        (false, _) => libc::SA_ONSTACK | libc::SA_NODEFER,
        (true, true) => libc::SA_NODEFER,
        (true, false) => 0,
    };
    action.sa_flags = (previous.sa_flags & kept) | added | libc::SA_SIGINFO;
    if let Some(slot) = usize::try_from(signal).ok().and_then(|signal| PREVIOUS.get(signal)) {
        slot.store(Box::into_raw(Box::new(previous)), Ordering::Release);
    }
    // SAFETY: the handler below has the signature that SA_SIGINFO asks for, and is async-signal-safe.
    if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
        return Err(failed());
    }
    Ok(())
}

fn previous(signal: i32) -> Option<&'static libc::sigaction> {
    let slot = PREVIOUS.get(usize::try_from(signal).ok()?)?.load(Ordering::Acquire);
    // SAFETY: null, a static, or leaked by `install_one` and never changed.
    unsafe { slot.as_ref() }
}

extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the thread's own errno; the code that was interrupted must find it as it was.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: getpid is async-signal-safe.
    let pid = unsafe { libc::getpid() };
    let is_ours = u32::try_from(pid).is_ok_and(|pid| pid == PID.load(Ordering::Acquire));
    // Asked first, and with little on the stack: it may have happened in a handler that was filling a slot.
    if !(is_ours && signal == libc::SIGBUS && is_mended(info)) {
        answer(signal, info, context, is_ours);
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Whether a store into a log's mapping met a page that is not there any more, and may now go on: its append fails (see `mapped`).
fn is_mended(info: *mut libc::siginfo_t) -> bool {
    // SAFETY: with SA_SIGINFO the kernel passes a valid structure; of a fault it has the address.
    unsafe { (*info).si_code == libc::BUS_ADRERR && mapped::mend((*info).si_addr().addr()) }
}

#[inline(never)]
fn answer(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void, is_ours: bool) {
    // SAFETY: gettid is async-signal-safe.
    let tid = unsafe { libc::gettid() };
    let handled = previous(signal).is_some_and(|action| action.sa_sigaction != libc::SIG_DFL);
    let fatal = FATAL.contains(&signal);
    if is_ours {
        if fatal && DYING.swap(tid, Ordering::AcqRel) == tid {
            // A fatal signal while this thread handles one: nothing more is tried.
            default_action(signal, true);
            return;
        }
        let commits = fatal || !handled;
        record(signal, info, tid, if commits { SlotState::Crash } else { SlotState::Pending });
        if commits {
            await_views();
        }
    }
    chain(signal, info, context);
    if fatal && is_ours && !by_instruction(signal, info) && is_default(signal) {
        // Rust's own handler takes itself away and returns, so that the instruction fails again; a signal that was sent does not, and
        // would be survived, although it has been recorded.
        raise(signal);
    }
    // A previous handler that survived a fatal signal (it may jump, or mend the cause) is not dying any more.
    let _ = DYING.compare_exchange(tid, 0, Ordering::AcqRel, Ordering::Acquire);
}

fn record(signal: i32, info: *mut libc::siginfo_t, tid: i32, state: SlotState) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid structure.
    let (code, address) = unsafe {
        let has_address =
            matches!(signal, libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGTRAP);
        ((*info).si_code, if has_address { (*info).si_addr().addr() } else { 0 })
    };
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime is async-signal-safe; a structure to fill.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    // An abort out of a panic (panic = "abort", or a panic while unwinding) has the panic's words as its reason.
    let panicked = signal == libc::SIGABRT && std::thread::panicking();
    let slot = Slot {
        found_by: if panicked { FoundBy::PanicHook } else { FoundBy::Handler },
        state,
        signal,
        signal_code: code,
        pid: std::process::id(),
        tid: u32::try_from(tid).unwrap_or(0),
        address: u64::try_from(address).unwrap_or(0),
        time_ns: now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec),
        last_seq: 0,
        text: std::borrow::Cow::Borrowed(""),
    };
    fill_all(&slot, if panicked { hooks::panic_text() } else { &[] });
}

/// Wakes the watcher, and waits for it, but not for long. The slots are filled: whatever becomes of the views, recovery finds them.
fn await_views() {
    let wake = WAKE.load(Ordering::Acquire);
    if wake < 0 || IS_WATCHER.get() {
        return;
    }
    VIEWS_WRITTEN.store(false, Ordering::Release);
    // SAFETY: write is async-signal-safe; one byte of a static.
    unsafe { libc::write(wake, b"!".as_ptr().cast(), 1) };
    let mut left_ms = GRACE_MS.load(Ordering::Acquire);
    while left_ms > 0 && !VIEWS_WRITTEN.load(Ordering::Acquire) {
        // SAFETY: poll is async-signal-safe; of no descriptors it is a short wait.
        unsafe { libc::poll(std::ptr::null_mut(), 0, 1) };
        left_ms -= 1;
    }
}

/// What would have happened without us.
fn chain(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(action) = previous(signal) else {
        default_action(signal, true);
        return;
    };
    if action.sa_sigaction == libc::SIG_DFL {
        default_action(signal, !by_instruction(signal, info));
        return;
    }
    if action.sa_flags & libc::SA_RESETHAND != 0
        && let Some(slot) = usize::try_from(signal).ok().and_then(|signal| PREVIOUS.get(signal))
    {
        // It wanted one signal. The next one meets the default, and is a crash.
        slot.store((&raw const DEFAULT).cast_mut(), Ordering::Release);
    }
    if action.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: the previous handler was installed with SA_SIGINFO, so it has this signature.
        let previous: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
            unsafe { std::mem::transmute(action.sa_sigaction) };
        previous(signal, info, context);
    } else {
        // SAFETY: installed without SA_SIGINFO, so it takes the number alone.
        let previous: extern "C" fn(i32) = unsafe { std::mem::transmute(action.sa_sigaction) };
        previous(signal);
    }
}

/// Whether an instruction of this thread caused it, and does so again when the handler returns: then a core dump shows the place.
fn by_instruction(signal: i32, info: *mut libc::siginfo_t) -> bool {
    // SAFETY: with SA_SIGINFO the kernel passes a valid structure.
    let code = unsafe { (*info).si_code };
    // Traps are behind their instruction when the handler returns, and so is a call that was refused; of memory that failed elsewhere the
    // kernel tells once.
    matches!(signal, libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE)
        && code > 0
        && !(signal == libc::SIGBUS && code == libc::BUS_MCEERR_AO)
}

fn is_default(signal: i32) -> bool {
    // SAFETY: sigaction is async-signal-safe; all zeros is a valid structure, which it fills.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0 && now.sa_sigaction == libc::SIG_DFL
    }
}

fn default_action(signal: i32, and_raise: bool) {
    if Guard::DefaultAction.is_off() {
        return;
    }
    // SAFETY: sigaction is async-signal-safe; all zeros is the default action with an empty mask.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
    if and_raise {
        raise(signal);
    }
}

fn raise(signal: i32) {
    // SAFETY: raise is async-signal-safe.
    unsafe { libc::raise(signal) };
}
