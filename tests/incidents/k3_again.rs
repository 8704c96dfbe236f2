//! K3: a fatal event is not the first one, or comes while a session ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::scene::{Died, begin, on_demand, raise, span, spans_called, status, view_of};
use crate::support::child::Part;
use crate::support::door::Door;
use crate::support::trials::Row;
use tracewal::crash::{Capture, install};
use tracewal::disk::Step;

/// A fatal event is not the first one, or comes while the session ends: it is recorded as if it were.
///
/// Guards: `EveryFatalEvent`, `CoveredUntilClosed`.
#[test]
fn k3() {
    let mut row = Row::new("K3");
    let last_span_and_reason = |died: &Died| {
        for view in [died.first_view(), view_of(&died.reopen(), "s")] {
            assert_eq!(status(&view), "crashed");
            assert_eq!(spans_called(&view, "later"), 1, "what came after the first event is there");
            let first_reason = view["crash"]["reason"].as_str().unwrap().to_owned();
            assert_eq!(first_reason, view["summary"]["error"].as_str().unwrap());
        }
        view_of(&died.reopen(), "s")
    };
    row.case("a SIGINT that is survived, then SIGTERM", 100, 4, |_| {
        let died = Died::of("again SIGINT").killed_by(libc::SIGTERM);
        let view = view_of(&died.reopen(), "s");
        assert_eq!(view["crash"]["reason"].as_str(), Some("SIGTERM"), "the reason");
        last_span_and_reason(&died);
    });
    row.case("a crash that the program reports, then SIGTERM", 100, 4, |_| {
        let died = Died::of("again reported").killed_by(libc::SIGTERM);
        let view = last_span_and_reason(&died);
        assert_eq!(view["crash"]["reason"].as_str(), Some("it broke"), "the first reason stands");
        assert_eq!(view["crash"]["count"].as_u64(), Some(2), "and the second crash is counted");
    });
    row.case("SIGTERM in the last step of the end", 100, 4, |_| {
        let died = Died::of("again ending").killed_by(libc::SIGTERM);
        let view = view_of(&died.reopen(), "s");
        assert_eq!(status(&view), "crashed", "how the session is shown");
    });
}

extern "C" fn survive(_: i32) {}

pub(crate) fn die_again(part: &Part, first: &str) {
    if first == "SIGINT" {
        #[allow(clippy::as_conversions)]
        let handler = survive as extern "C" fn(i32) as usize;
        // SAFETY: a function of this program that does nothing.
        unsafe { libc::signal(libc::SIGINT, handler) };
    }
    let ending = Arc::new(AtomicU64::new(0));
    let syncs = ending.clone();
    // The first sync of an ending makes it durable; the second one is the last step before the session is not covered any more.
    let door = Door::new(move |step| {
        if matches!(step, Step::Sync(path) if path.extension().is_some_and(|e| e == "wal"))
            && syncs.load(Ordering::Acquire) > 0
            && syncs.fetch_add(1, Ordering::AcqRel) == 2
        {
            raise(libc::SIGTERM);
        }
        Ok(())
    });
    let store = on_demand().gate(door).open(&part.store).unwrap();
    install(&store, Capture { grace: Duration::from_secs(20), ..Capture::default() }).unwrap();
    let session = begin(&store, "s");
    match first {
        "SIGINT" => raise(libc::SIGINT),
        "reported" => session.crash("it broke").unwrap(),
        _ => {
            session.sync().unwrap();
            ending.store(1, Ordering::Release);
            session.complete().unwrap();
            unreachable!("the signal was survived");
        }
    }
    session.append(span("later", "done")).unwrap();
    raise(libc::SIGTERM);
}
