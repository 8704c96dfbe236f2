//! P1: every event costs as much as all before it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::scene::{on_demand, span, spans_called, view_of};
use crate::support::door::{Door, is_view};
use crate::support::log::names;
use crate::support::trials::{Row, folder};
use tracewal::Options;
use tracewal::disk::Step;

/// What views may cost while a session goes on, in bytes a millisecond: 1.15 MiB a second.
const VIEW_BYTES_PER_MS: u128 = 1206;

/// The cost is linear in the events: each is written once to the log, and views cost no more than a bounded rate while the session goes on
/// and one writing at its end. Nothing is elided.
///
/// Guard: `Pause`.
#[test]
fn p1() {
    let mut row = Row::new("P1");
    row.case("bytes of the log", 100, 4, |n| {
        let folder = folder();
        let store = Options::without_views().open(folder.path()).unwrap();
        let session = store.session("s").start().unwrap();
        let (count, output) = (100 + 19 * n, "x".repeat(1000));
        for n in 0..count {
            session.append(span(&n.to_string(), &output)).unwrap();
        }
        let path = store.folder(session.name());
        drop(session);
        let blocks =
            |name: &String| std::os::unix::fs::MetadataExt::blocks(&fs::metadata(path.join(name)).unwrap());
        let written: u64 = names(&path).iter().map(blocks).sum::<u64>() * 512;
        // A segment's header and its last page are its own; there are few.
        let most = count * 1100 + 4 * 3 * 4096;
        assert!(written <= most, "{count} events of 1,000 bytes took {written} bytes");
    });
    // Each takes about a second.
    row.case("bytes of the views of a session that goes on", 8, 4, |_| {
        let folder = folder();
        let written = Arc::new(AtomicU64::new(0));
        let counted = written.clone();
        let door = Door::new(move |step| {
            if let Step::Rename(from, to) = step
                && is_view(to)
            {
                counted.fetch_add(fs::metadata(from).unwrap().len(), Ordering::AcqRel);
            }
            Ok(())
        });
        let begun = Instant::now();
        let store = tracewal::options().gate(door).open(folder.path()).unwrap();
        let session = store.session("s").start().unwrap();
        let output = "x".repeat(1000);
        let mut number = 0..;
        while begun.elapsed() < Duration::from_secs(1) {
            for n in number.by_ref().take(2) {
                session.append(span(&format!("span {n}"), &output)).unwrap();
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        let path = session.complete().unwrap().view.unwrap();
        let (size, ms) = (fs::metadata(path).unwrap().len(), begun.elapsed().as_millis());
        let written = written.load(Ordering::Acquire);
        // The one at the end, and where the session ends while one is being written, that one.
        let most = u128::from(2 * size) + ms * VIEW_BYTES_PER_MS;
        assert!(u128::from(written) <= most, "{written} bytes in {ms} ms for a view of {size} bytes");
    });
    row.case("more than 5,000 spans", 3, 2, |_| {
        let folder = folder();
        let store = on_demand().open(folder.path()).unwrap();
        let session = store.session("s").start().unwrap();
        for n in 0..6000 {
            session.append(span(&format!("span {n}"), "done")).unwrap();
        }
        session.complete().unwrap();
        assert_eq!(spans_called(&view_of(&store, "s"), "span"), 6000);
    });
}
