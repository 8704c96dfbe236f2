//! What else is stored into a mapping, what becomes of the session, and a page that its device cannot read.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use tracewal::Reading;
use tracewal::crash::{Capture, install};

use crate::support::board::Board;
use crate::support::child::{Child, Part};
use crate::support::log::{read, record_ends};
use crate::support::small_disk::{Kind, SmallDisk, in_memory};
use crate::support::words::Lane;
use crate::{NEVER, assert_poisoned, cut, options, played, segment};

/// The seal of a full segment goes into its header page, which nobody has appended to for a while.
pub(crate) fn cut_before_a_roll(part: &Part) {
    let store = options(NEVER).segment_sizes(16 << 10, 16 << 10).open(&part.store).unwrap();
    install(&store, Capture::default()).unwrap();
    let session = store.session("s").start().unwrap();
    let texts = Lane::new(0, 1000);
    let rolls = record_ends(&fs::read(segment(&store, &session)).unwrap()).last().unwrap().1;
    assert!(rolls < 8192, "the first records stand in the page behind the header");
    let mut last = 0;
    // Up to where the segment has no room for one more, which its size tells.
    let mut room = (16 << 10) - 4096 - rolls;
    for n in 0.. {
        let needed = texts.text(n).len() + 64;
        if room < needed {
            break;
        }
        last = session.append(texts.event(n)).unwrap();
        room =
            (16 << 10) - 4096 - record_ends(&fs::read(segment(&store, &session)).unwrap()).last().unwrap().1;
    }
    session.sync().unwrap();
    assert_eq!(session.durable_seq(), last);
    cut(&segment(&store, &session), 0);
    // These only roll, and seal what was full.
    let refused = (0..3).find_map(|n| session.append(texts.event(n)).err());
    assert_poisoned(Err::<(), _>(refused.expect("the cut is noticed")));
    assert_poisoned(session.append(texts.event(0)));
}

#[test]
fn a_cut_that_meets_the_seal_of_a_full_segment() {
    let (_folder, _, status) = played("roll", 0);
    assert!(status.success(), "{status}");
}

/// The same session in the same process, opened again.
#[test]
fn a_session_that_was_cut_can_be_resumed() {
    let folder = in_memory();
    let store = options(NEVER).open(folder.path()).unwrap();
    install(&store, Capture { panics: false, exits: false, ..Capture::default() }).unwrap();
    let session = store.session("s").start().unwrap();
    let texts = Lane::new(0, 40);
    for n in 0..20 {
        session.append_durable(texts.event(n)).unwrap();
    }
    cut(&segment(&store, &session), 8192);
    // The page of the cut first, which takes what it is given; then the next one.
    let refused = (20..).find_map(|_| session.append(texts.event(20)).err());
    assert_poisoned(Err::<(), _>(refused.unwrap()));
    drop(session);
    let session = store.session("s").resume().unwrap();
    for n in 0..10 {
        session.append_durable(texts.event(n)).unwrap();
    }
    let name = session.name().clone();
    session.complete().unwrap();
    let contents = read(&store, &name, Reading::Whole);
    let notes = contents.notes();
    assert!(notes[..20].iter().enumerate().all(|(n, note)| *note == texts.text(u64::try_from(n).unwrap())));
    let new = &notes[notes.len() - 10..];
    assert!(new.iter().enumerate().all(|(n, note)| *note == texts.text(u64::try_from(n).unwrap())));
    assert!(contents.losses.iter().any(|loss| loss.file == "1.wal"), "{:?}", contents.losses);
}

/// Takes a mapped file's pages out of memory: the next use of one asks the device.
fn forget_pages(path: &Path) {
    let file = fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    for line in maps.lines().filter(|line| line.ends_with(path.to_str().unwrap())) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        let (from, to) = (number(from), number(to));
        // SAFETY: pages of a shared mapping stay in the file.
        let done = unsafe {
            libc::madvise(std::ptr::with_exposed_provenance_mut(from), to - from, libc::MADV_DONTNEED)
        };
        assert_eq!(done, 0);
    }
    // SAFETY: a call on an open descriptor.
    assert_eq!(unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) }, 0);
}

pub(crate) fn unreadable_page(part: &Part) {
    let store = options(NEVER).segment_sizes(64 << 10, 64 << 10).open(&part.store).unwrap();
    install(&store, Capture { panics: false, exits: false, ..Capture::default() }).unwrap();
    let session = store.session("s").start().unwrap();
    let texts = Lane::new(0, 50);
    for n in 0..20 {
        session.append(texts.event(n)).unwrap();
    }
    session.sync().unwrap();
    forget_pages(&segment(&store, &session));
    // The device is a file that is cut behind its first megabyte: what lay there cannot be read.
    cut(&part.store.parent().unwrap().with_file_name("image"), 1 << 20);
    assert_poisoned(session.append(texts.event(20)));
    assert_poisoned(session.append(texts.event(21)));
    // SAFETY: it does not return.
    unsafe { libc::_exit(0) }
}

#[test]
fn a_page_that_the_device_cannot_read() {
    let Some(disk) = SmallDisk::mount(Kind::Ext4, 32) else { return };
    let folder = in_memory();
    let board = Board::create(&folder.path().join("board"), 0);
    let status = Child::start("unreadable", &disk.path().join("store"), &board).wait();
    assert!(status.success(), "{status}");
}
