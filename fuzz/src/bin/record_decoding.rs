//! Any bytes as the body of any event, as a header, seal, slot or record header: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tracewal_format::checksum::Salted;
use tracewal_format::event::{Event, Gap};
use tracewal_format::record::RecordHeader;
use tracewal_format::segment::{Header, Seal, Slot};

fuzz_target!(|bytes: &[u8]| {
    let salted = Salted::new(1);
    let _ = Header::decode(bytes);
    let _ = Seal::decode(bytes, &salted, 4096..=1 << 20);
    let _ = Slot::decode(bytes, &salted, 0);
    let _ = RecordHeader::decode(bytes, &salted, 4096);
    let _ = Gap::decode_body(bytes);
    let Some((kind, body)) = bytes.split_first() else { return };
    if let Some(Ok(event)) = Event::decode(*kind, body) {
        let mut again = vec![0; event.encoded_len()];
        assert_eq!(event.encode_into(&mut again), Ok(again.len()));
        assert_eq!(Event::decode(*kind, &again).map(|e| e.map(|e| e.encoded_len())), Some(Ok(again.len())));
    }
});
