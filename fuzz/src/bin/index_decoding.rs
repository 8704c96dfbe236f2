//! Any bytes as a file of an index, and as the body of one of its records: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracewal_format::checksum::crc;
use tracewal_format::index::{BaseHeader, Frame, Frames, Key};

fuzz_target!(|bytes: &[u8]| {
    let _ = Frames::new(bytes).count();
    let _ = BaseHeader::decode(bytes);
    let _ = Key::decode(bytes);
    // Behind a checksum that is right: the fuzzer would not find it.
    let mut record = u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes().to_vec();
    record.extend(crc(bytes).to_le_bytes());
    record.extend(bytes);
    if let Some((frame, len)) = Frame::decode(&record) {
        assert_eq!((len, Frame::name_in(&record)), (record.len(), frame.name()));
        // Times are clamped, and a kind of loss that is not known is damage.
        let bytes = frame.encode();
        assert_eq!(Frame::decode(&bytes).map(|(again, _)| again.encode()), Some(bytes));
    }
});
