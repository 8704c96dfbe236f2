//! Files that somebody damaged: an import says what is wrong, or takes them for what they say; it does not panic, and it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/torture.rs"]
mod torture;

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use tracewal::fold::Fold;
use tracewal::{Event, Reading, Time};
use tracewal_exchange::import::{ImportError, canonical, lines, otlp};
use tracewal_exchange::{Format, Trace, events, export};

/// A generator that a seed replays.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

fn import(format: &str, path: &Path) -> Result<u64, ImportError<Infallible>> {
    let mut events = 0;
    let mut sink = |session: &str, _: Time, event: Event<'_>| {
        assert!(!session.is_empty() && session.len() <= 255);
        let mut body = vec![0; event.encoded_len()];
        event.encode_into(&mut body).expect("it can be appended");
        events += 1;
        Ok(())
    };
    match format {
        "json" => canonical(path, &mut sink).map(drop)?,
        "events" => lines(fs::read(path).unwrap().as_slice(), "s", &mut sink).map(drop)?,
        _ => otlp(path, &mut sink).map(drop)?,
    }
    Ok(events)
}

#[test]
fn no_damage_makes_an_import_panic() {
    let rounds: u64 =
        std::env::var("TRACEWAL_DAMAGED_FILES").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1_000);
    let seed: u64 = std::env::var("TRACEWAL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    println!("TRACEWAL_SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    torture::make(&dir.path().join("store"), 8, 100);
    let store = torture::open(&dir.path().join("store"));
    let log = || store.read(&store.find(torture::ID).unwrap(), Reading::Whole).unwrap();
    let mut files = Vec::new();
    for (name, format) in [
        ("json", Format::Json),
        ("otlp", Format::Otlp),
        ("otlp-proto", Format::OtlpProto),
        ("openinference", Format::OpenInference),
    ] {
        let (mut out, mut log) = (Vec::new(), log());
        let fold = Fold::of(&mut log).unwrap();
        export(format, &mut Trace::new(&fold, &mut log), &mut out).unwrap();
        files.push((name, out));
    }
    let mut out = Vec::new();
    events::write(&mut log(), 0, &mut out).unwrap();
    files.push(("events", out));
    let (path, mut random) = (dir.path().join("file"), Random(seed));
    for (name, whole) in &files {
        fs::write(&path, whole).unwrap();
        assert!(import(name, &path).is_ok_and(|events| events > 100), "{name} as it is");
        let mut taken = 0;
        for _ in 0..rounds / 5 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                match random.below(5) {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => bytes[at] = b"{}[]\",:0\0\xFF"[random.below(10)],
                    2 => bytes.truncate(at + 1),
                    3 => drop(bytes.drain(at..(at + random.below(100)).min(bytes.len()))),
                    _ => {
                        let piece: Vec<u8> = bytes[at..(at + random.below(200)).min(bytes.len())].to_vec();
                        bytes.splice(at..at, piece);
                    }
                }
                if bytes.is_empty() {
                    bytes.push(b'{');
                }
            }
            fs::write(&path, &bytes).unwrap();
            taken += usize::from(import(name, &path).is_ok());
        }
        println!("{name}: {taken} of {} are taken for what they say", rounds / 5);
    }
}
