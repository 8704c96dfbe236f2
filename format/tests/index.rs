//! The index of a store, as bytes: what is read is what was written, and nothing else is read.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use tracewal_format::index::{BaseHeader, FilesStamp, Frame, Frames, KEY_LEN, Key, Mark, Row};
use tracewal_format::log::{Loss, LossKind};
use tracewal_format::time::Time;

fn row() -> impl Strategy<Value = Row> {
    let text = || proptest::option::of("\\PC{0,20}");
    let loss = (any::<u64>(), 1..u64::MAX, 0..5_usize, text()).prop_map(|(offset, first, kind, was)| Loss {
        file: "7.wal".to_owned(),
        offset,
        length: offset / 2,
        kind: [LossKind::Damage, LossKind::Torn, LossKind::Unsynced, LossKind::Repaired, LossKind::TooNew]
            [kind],
        was,
        missing: (offset % 2 == 0).then_some((first, u64::MAX)),
    });
    let texts = ("[^./\\\\\0]{1,40}", "\\PC{1,40}", text(), text(), text(), text(), text(), text());
    let numbers = (any::<[u64; 10]>(), any::<[u32; 4]>(), any::<i64>(), any::<[i64; 2]>(), 0..4_u8);
    let flags = (any::<bool>(), any::<bool>(), -1e6..1e6_f64);
    let losses = proptest::collection::vec(loss, 0..4);
    (texts, numbers, flags, losses).prop_map(
        |(texts, (n, small, folder_ns, times, status), flags, losses)| Row {
            name: texts.0,
            id: texts.1,
            files: FilesStamp { folder_ns, segments: small[0], sum: small[1] },
            fold_version: small[2],
            status,
            is_unreadable: flags.0,
            is_cut: flags.1,
            started_at: Time::from_ns(i128::from(times[0]) * 1_000_003),
            ended_at: Time::from_ns(i128::from(times[1])),
            tokens: [n[0], n[1], n[2], n[3], n[4]],
            cost: flags.2,
            generations: n[5],
            tool_calls: n[6],
            spans: n[7],
            events: n[8],
            last_seq: n[9],
            generation: small[3],
            title: texts.2,
            model: texts.3,
            agent: texts.4,
            error: texts.5,
            cause: texts.6,
            cause_kind: texts.7,
            losses,
        },
    )
}

fn frame() -> impl Strategy<Value = Frame> {
    let mark = (any::<i64>(), any::<u64>(), any::<u128>(), any::<u32>(), any::<u32>()).prop_map(
        |(changed_ns, inode, boot_id, fold_version, base)| {
            Frame::Mark(Mark { changed_ns, inode, boot_id, fold_version, base })
        },
    );
    prop_oneof![
        row().prop_map(|row| Frame::Row(Box::new(row))),
        "[^./\\\\\0]{1,40}".prop_map(Frame::Unknown),
        mark,
    ]
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(frames in proptest::collection::vec(frame(), 0..6)) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        let mut read = Frames::new(&bytes);
        prop_assert_eq!(read.by_ref().collect::<Vec<_>>(), frames.clone());
        prop_assert!(!read.is_damaged());
        for frame in &frames {
            let bytes = frame.encode();
            prop_assert_eq!(Frame::name_in(&bytes), frame.name());
            if let Some(key) = Key::of(frame, 3, 4) {
                let mut bytes = Vec::new();
                key.put(&mut bytes);
                prop_assert_eq!(bytes.len(), KEY_LEN);
                prop_assert_eq!(Key::decode(&bytes), Some(key));
            }
        }
    }

    #[test]
    fn a_record_that_is_cut_or_changed_is_none(frame in frame(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = frame.encode();
        let at = at.index(bytes.len());
        prop_assert_eq!(Frame::decode(&bytes[..at]), None);
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(Frame::decode(&bytes), None);
        prop_assert_eq!(Frame::name_in(&bytes), None);
        prop_assert!(Frames::new(&bytes).next().is_none() && Frames::new(&bytes).is_damaged());
    }

    #[test]
    fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Frame::decode(&bytes);
        let _ = Key::decode(&bytes);
        let _ = BaseHeader::decode(&bytes);
        // Behind a checksum that is right, too.
        let mut body = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
        body.extend(tracewal_format::checksum::crc(&bytes).to_le_bytes());
        body.extend(&bytes);
        if let Some((frame, len)) = Frame::decode(&body) {
            prop_assert_eq!(len, body.len());
            let bytes = frame.encode();
            prop_assert_eq!(Frame::decode(&bytes).map(|(again, _)| again.encode()), Some(bytes));
        }
    }
}

#[test]
fn a_header_with_any_bit_changed_is_none() {
    let mark = Mark { changed_ns: 1, inode: 2, boot_id: 3, fold_version: 4, base: 0 };
    for mark in [None, Some(mark)] {
        let header = BaseHeader { keys: 7, keys_sum: 8, rows_len: 9, mark };
        let bytes = header.encode();
        assert_eq!(bytes.len(), BaseHeader::LEN);
        assert_eq!(BaseHeader::decode(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(BaseHeader::decode(&damaged), None, "bit {bit}");
        }
    }
}

#[test]
fn names_that_lead_elsewhere_are_none() {
    for name in ["", ".", "..", "a/b", "../a", ".new-1", "a\\b", "a\0"] {
        assert_eq!(Frame::decode(&Frame::Unknown(name.to_owned()).encode()), None, "{name:?}");
    }
}

#[test]
fn a_row_that_says_too_much_is_cut() {
    let long = |len| Row { name: "s".into(), title: Some("x".repeat(len)), ..Row::default() }.cut_to_size();
    assert!(!long(16 << 10).is_cut);
    assert!(Frame::decode(&Frame::Row(Box::new(long(16 << 10))).encode()).is_some());
    let cut = long((16 << 10) + 1);
    assert!(cut.is_cut && cut.title.is_none());
}
