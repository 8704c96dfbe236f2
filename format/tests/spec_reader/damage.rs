//! What may happen to the bytes of a log, chosen at random: by a failing disk, by a power cut, by an older or newer writer.

use std::cell::Cell;

use tracewal_format::checksum::{Salted, crc};
use tracewal_format::record::{self, RECORD_HEADER, RecordHeader, Stamp, align};
use tracewal_format::segment::{SLOT_LEN, Seal, SlotState};

use crate::Blame;
use crate::logs::{BOOT, Log, OTHER_BOOT, crash};

/// Numbers that look random and are the same for the same seed (splitmix64).
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(Cell::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        let mixed = self.0.get();
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    pub(crate) fn pick<T: Clone>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).map_or(0, |b| u64::from_le_bytes(b.try_into().unwrap()))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(to) = bytes.get_mut(at..at + value.len()) {
        to.copy_from_slice(value);
    }
}

fn salted(bytes: &[u8]) -> Salted {
    Salted::new(u64_at(bytes, 96))
}

/// Changes the header or its copy in a way that its checksum allows.
pub(crate) fn rewrite_header(bytes: &mut [u8], start: usize, at: usize, value: &[u8]) {
    put(bytes, start + at, value);
    if let Some(header) = bytes.get(start..start + 508) {
        let checksum = crc(header);
        put(bytes, start + 508, &checksum.to_le_bytes());
    }
}

/// The offsets of the records whose headers check.
pub(crate) fn records(bytes: &[u8]) -> Vec<usize> {
    let (salted, mut found) = (salted(bytes), Vec::new());
    for at in (4096..bytes.len()).step_by(8) {
        if RecordHeader::decode(&bytes[at..], &salted, u64::try_from(at).unwrap()).is_some() {
            found.push(at);
        }
    }
    found
}

/// Changes a record in a way that its checksums allow.
fn rewrite_record(bytes: &mut [u8], at: usize, change: impl FnOnce(&mut RecordHeader, &mut [u8])) {
    let (salted, offset) = (salted(bytes), u64::try_from(at).unwrap());
    let here = bytes.get(at..).unwrap_or_default();
    let Some(mut header) = RecordHeader::decode(here, &salted, offset) else { return };
    let end = usize::try_from(header.end(offset)).unwrap();
    let Some(body) = bytes.get_mut(at + RECORD_HEADER..end) else { return };
    change(&mut header, body);
    header.body_crc = crc(body);
    put(bytes, at, &header.encode(&salted, offset));
}

/// What a failing disk, an older writer or a newer one might do to the bytes of one file.
fn damage_bytes(random: &Random, bytes: &mut Vec<u8>) {
    let used = bytes.iter().rposition(|b| *b != 0).unwrap_or(0) + 1;
    let records = records(bytes);
    let record = random.pick(if records.is_empty() { &[4096] } else { &records });
    match random.below(16) {
        0..=2 => {
            let near_a_record = record + random.below(64);
            let near_the_front = random.below(4096);
            for _ in 0..=random.below(3) {
                let at = random.pick(&[near_a_record, near_the_front, random.below(used)]);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
        3 => {
            let from = random.below(used);
            let length = random.pick(&[1, 8, 64, 512, 4096]);
            bytes.iter_mut().skip(from).take(length).for_each(|byte| *byte = 0);
        }
        4 | 5 => {
            let sector = |at: usize| at / 512 * 512;
            let (from, to) = (sector(random.below(used)), sector(random.below(bytes.len().max(1))));
            if let (Some(one), Some(other)) = (bytes.get(from..from + 512), bytes.get(to..to + 512)) {
                let (one, other) = (one.to_vec(), other.to_vec());
                put(bytes, to, &one);
                if random.below(2) == 0 {
                    put(bytes, from, &other);
                }
            }
        }
        6 => bytes.truncate(random.pick(&[random.below(bytes.len() + 1), record + random.below(48)])),
        7 => {
            let garbage = random.pick(&[0, 0xFF, 13]);
            bytes.extend(vec![garbage; random.below(600)]);
        }
        8 => bytes.iter_mut().skip(record + random.below(48)).for_each(|byte| *byte = 0),
        9 | 10 => {
            let seq = u64_at(bytes, 88).wrapping_add(random.next() % 9).wrapping_sub(4);
            let size = u64::try_from(bytes.len()).unwrap().wrapping_add(random.next() % 99).wrapping_sub(49);
            let number = random.next() % 4;
            let (at, value) = random.pick(&[
                (8, vec![2, 0]),
                (8, vec![0, 0]),
                (10, vec![0, 0x11]),
                (10, vec![4, 0x10]),
                (16, vec![0, 0, 0, 1]),
                (12, vec![1]),
                (24, vec![1]),
                (56, [random.pick(&[0, BOOT, OTHER_BOOT]).to_be_bytes()].concat()),
                (72, number.to_le_bytes().to_vec()),
                (80, vec![random.pick(&[1, 2, 3])]),
                (88, seq.to_le_bytes().to_vec()),
                (88, random.pick(&[0_u64, 1 << 62, (1 << 62) + 1]).to_le_bytes().to_vec()),
                (104, random.pick(&[i64::MIN, i64::MAX, 0]).to_le_bytes().to_vec()),
                (120, size.to_le_bytes().to_vec()),
                (120, random.next().to_le_bytes().to_vec()),
                (128, number.to_le_bytes().to_vec()),
                (136, vec![1]),
                (208, vec![0]),
                (209, vec![0xFF]),
            ]);
            let copies = random.pick(&[[true, true], [true, true], [true, false], [false, true]]);
            for (start, changed) in [0, 1024].into_iter().zip(copies) {
                if changed {
                    rewrite_header(bytes, start, at, &value);
                }
            }
        }
        11 | 12 => {
            let (kind, flags) =
                (random.pick(&[0, 1, 4, 13, 15, 77, 223, 224, 240, 241, 242, 255]), random.below(16));
            let (what, delta, byte) =
                (random.below(5), random.below(7), random.pick(&[0, 1, 251, 252, 253, 254, 255]));
            let place = random.next();
            rewrite_record(bytes, record, |header, body| match what {
                0 => header.kind = kind,
                1 => header.flags = u8::try_from(flags).unwrap(),
                2 => {
                    header.seq_delta =
                        header.seq_delta.wrapping_add(u32::try_from(delta).unwrap()).wrapping_sub(3)
                }
                _ if body.is_empty() => header.seq_delta = u32::MAX,
                _ => body[usize::try_from(place).unwrap_or(usize::MAX) % body.len()] = byte,
            });
        }
        13 => {
            let last_seq = random.pick(&[0, random.next() % 40, 1 << 63, (1 << 63) + 1]);
            let offset = record + random.below(40);
            let end =
                u64::try_from(random.pick(&[offset, used, align_up(used), bytes.len() + 1, 4095])).unwrap();
            let seal = Seal { count: 1, last_seq, end }.encode(&salted(bytes));
            put(bytes, 512, &seal);
        }
        14 => {
            let claims = u32::try_from(random.below(7)).unwrap().wrapping_mul(0x0101_0101);
            put(bytes, 2040, &random.pick(&[claims, claims, claims ^ 0x100]).to_le_bytes());
            let number = u32::try_from(random.below(4)).unwrap();
            let mut slot = crash("slot", 9, SlotState::Crash, 1).encode(&salted(bytes), number);
            slot[random.pick(&[0, 1, 2, 4, 7, 24, 31, 44, 45, 60])] = random.pick(&[0, 1, 2, 3, 255]);
            let checksum = salted(bytes).crc(&number.to_le_bytes(), &slot[..508]);
            slot[508..].copy_from_slice(&checksum.to_le_bytes());
            put(bytes, 2048 + usize::try_from(number).unwrap() * SLOT_LEN, &slot);
        }
        _ => {
            // A record with this segment's salt, in front of, inside or behind those that are there.
            let offset = random.pick(&[align_up(used), record, record + 16]);
            let mark = random.pick(&[3, 12, 20, 1 << 63, (1 << 63) + 1]);
            let whole = append(bytes, offset, random.pick(&[240, 13, 15, 241]), random.below(30), mark);
            if random.below(3) == 0 {
                bytes.truncate(whole);
            }
        }
    }
}

fn align_up(offset: usize) -> usize {
    usize::try_from(align(u64::try_from(offset).unwrap())).unwrap()
}

/// Puts a record of eight bytes at `offset` of the segment. Returns the offset behind it.
pub(crate) fn append(bytes: &mut [u8], offset: usize, kind: u8, delta: usize, body: u64) -> usize {
    let frame = record::Frame {
        salted: &salted(bytes),
        offset: u64::try_from(offset).unwrap(),
        kind,
        flags: 0,
        seq_delta: u32::try_from(delta).unwrap(),
        stamp: Stamp::Delta(0),
    };
    let mut whole = vec![0; RECORD_HEADER + 8];
    let fill = |to: &mut record::Body<'_>| to.write(&body.to_le_bytes());
    let word = record::write_record(&mut whole, &frame, 8, fill).unwrap();
    whole[..8].copy_from_slice(&word);
    put(bytes, offset, &whole);
    offset + whole.len()
}

/// What may happen to the files of a folder.
fn damage_files(random: &Random, files: &mut Vec<(u64, Vec<u8>)>) {
    if files.is_empty() {
        return;
    }
    let at = random.below(files.len());
    let behind = files.last().unwrap().0.saturating_add(random.pick(&[1, 1, 2]));
    match random.below(5) {
        0 => {
            files.remove(at);
        }
        1 => files[at].0 = files[at].0.saturating_add(random.pick(&[1, 5, u64::MAX - 9])),
        2 => {
            let copy = (behind, files[at].1.clone());
            files.push(copy);
        }
        3 => {
            let empty = vec![0; random.pick(&[0, 100, 2040, 5000])];
            files.push((behind, empty));
        }
        _ => {
            files[at].1.fill(0);
            let place = random.below(files[at].1.len());
            if let Some(byte) = files[at].1.get_mut(place) {
                *byte = random.pick(&[0, 1]);
            }
        }
    }
    files.sort_by_key(|(number, _)| *number);
    files.dedup_by_key(|(number, _)| *number);
}

pub(crate) fn mutated(sound: &[Log], seed: u64) -> Log {
    let random = Random::new(seed);
    let log = random.pick(sound);
    let name = format!("SPEC_READER_SEED={seed}");
    let _blame = Blame(&name);
    log.changed(&name, |files| {
        for _ in 0..=random.pick(&[0, 0, 1, 2, 5]) {
            if random.below(8) == 0 {
                damage_files(&random, files);
            } else if !files.is_empty() {
                let at = random.below(files.len());
                damage_bytes(&random, &mut files[at].1);
            }
        }
    })
}

/// Every cut of the file around the last records, as a power cut or a full disk may leave it, with zeros behind and without.
pub(crate) fn cut_off(sound: &Log) -> Vec<Log> {
    let (_, last) = sound.files.last().unwrap();
    let used = last.iter().rposition(|b| *b != 0).unwrap() + 1;
    let mut logs = Vec::new();
    for len in (0..4096).step_by(509).chain(used - 90..used + 16) {
        logs.push(sound.changed(&format!("cut to {len}"), |files| files.last_mut().unwrap().1.truncate(len)));
        logs.push(sound.changed(&format!("zeros from {len}"), |files| {
            files.last_mut().unwrap().1[len..].fill(0);
        }));
    }
    logs
}

/// Every record of the log with a wrong header or body, alone and with the record behind it, in a whole file and a short one.
pub(crate) fn damaged_records(sound: &Log) -> Vec<Log> {
    const HEADER: usize = 4;
    const BODY: usize = RECORD_HEADER;
    let mut logs = Vec::new();
    for file in 0..sound.files.len() {
        let records = records(&sound.files[file].1);
        for (at, record) in records.iter().enumerate() {
            let behind = records.get(at + 1);
            for (one, other, cut) in [
                (HEADER, None, 0),
                (BODY, None, 0),
                (BODY, None, 1),
                (HEADER, Some(HEADER), 0),
                (HEADER, Some(BODY), 0),
                (BODY, Some(HEADER), 0),
            ] {
                let name =
                    format!("file {file}, record {record} at +{one}, the next at {other:?}, cut by {cut}");
                logs.push(sound.changed(&name, |files| {
                    let bytes = &mut files[file].1;
                    bytes[record + one] ^= 0x40;
                    if let (Some(behind), Some(other)) = (behind, other) {
                        bytes[behind + other] ^= 0x40;
                    }
                    bytes.truncate(bytes.len() - cut);
                }));
            }
        }
    }
    logs
}
