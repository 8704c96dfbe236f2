//! What is left on disk, as a test sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tracewal::event::{Event, RunEndReason, SessionEnded};
use tracewal::{Access, Item, Loss, LossKind, Reading, SessionName, Store};
use tracewal_format::log::{LogReader, LogSource};

use super::board::Board;
use super::wal::Segment;
use super::words::{Lane, lane_and_number};
use super::wrong::{Wrong, ensure};

/// A log, read to its end.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Contents {
    pub(crate) events: Vec<Seen>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) durable: u64,
}

/// An event that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) seq: u64,
    pub(crate) run: u32,
    pub(crate) what: What,
}

/// What matters about an event here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    SessionStarted,
    RunStarted,
    RunEnded(RunEndReason),
    SessionEnded,
    /// With the run that it is about.
    Crashed(u32),
    Note(String),
    Other,
}

/// Reads a session's log from its first event to its end.
pub(crate) fn read(store: &Store, session: &SessionName, reading: Reading) -> Contents {
    read_on(&mut store.read(session, reading).unwrap())
}

/// Reads a log from where its reader stands to its end.
pub(crate) fn read_on<S: LogSource<Error: Debug>>(log: &mut LogReader<S>) -> Contents {
    let mut contents = Contents::default();
    while let Some(item) = log.next().unwrap() {
        match item {
            Item::Event(entry) => {
                let what = match entry.event().expect("a known event").expect("a sound event") {
                    Event::SessionStarted(_) => What::SessionStarted,
                    Event::RunStarted(_) => What::RunStarted,
                    Event::RunEnded(ended) => What::RunEnded(ended.reason),
                    Event::SessionEnded(SessionEnded { .. }) => What::SessionEnded,
                    Event::Crashed(crashed) => What::Crashed(crashed.run.unwrap_or(entry.run)),
                    Event::Note(note) => What::Note(note.name.into_owned()),
                    _ => What::Other,
                };
                contents.events.push(Seen { seq: entry.seq, run: entry.run, what });
            }
            Item::Loss(loss) => contents.losses.push(loss),
            _ => {}
        }
    }
    contents.durable = log.durable();
    contents
}

impl Contents {
    pub(crate) fn count(&self, what: impl Fn(&What) -> bool) -> usize {
        self.events.iter().filter(|seen| what(&seen.what)).count()
    }

    pub(crate) fn notes(&self) -> Vec<&str> {
        let note = |seen: &'_ Seen| matches!(seen.what, What::Note(_));
        self.events.iter().filter(|seen| note(seen)).map(Seen::note).collect()
    }

    pub(crate) fn is_crashed(&self) -> bool {
        self.count(|what| matches!(what, What::Crashed(_))) > 0
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.count(|what| matches!(what, What::SessionEnded)) > 0
    }

    /// The status by the table of SPEC.md section 11, for sessions that end with `completed` when they end.
    pub(crate) fn status(&self) -> &'static str {
        if self.is_crashed() {
            return "crashed";
        }
        let last = self.events.iter().rev().find(|seen| !matches!(seen.what, What::RunEnded(_)));
        match last {
            Some(Seen { what: What::SessionEnded, .. }) => "completed",
            _ => "running",
        }
    }

    /// I3: numbers without a hole, and in each lane of the board every event that was acknowledged, with the number that its append
    /// returned, in order, once, as it was, and none that was never appended. How many of those that were acknowledged are there.
    pub(crate) fn compare_lanes(&self, lanes: &[(u64, &Board, u64)]) -> Result<u64, Wrong> {
        self.compare_lanes_through(u64::MAX, lanes)
    }

    /// The same, where of events with numbers above `through` nothing was promised.
    pub(crate) fn compare_lanes_through(
        &self,
        through: u64,
        lanes: &[(u64, &Board, u64)],
    ) -> Result<u64, Wrong> {
        for (expected, seen) in (1..).zip(&self.events) {
            ensure(seen.seq == expected, || format!("event {} stands where {expected} should", seen.seq))?;
        }
        let texts: BTreeMap<u64, (Lane, &Board, u64)> = lanes
            .iter()
            .map(|&(lane, board, on_board)| (lane, (Lane::new(lane, board.begun(on_board)), board, on_board)))
            .collect();
        let mut found: BTreeMap<u64, Vec<u64>> = lanes.iter().map(|(lane, ..)| (*lane, Vec::new())).collect();
        for seen in self.events.iter().filter(|seen| matches!(seen.what, What::Note(_))) {
            let (lane, n) = lane_and_number(seen.note());
            let Some((texts, board, on_board)) = texts.get(&lane) else {
                return Err(format!("lane {lane} was never written").into());
            };
            ensure(n < board.begun(*on_board), || format!("event {n} of lane {lane} was never appended"))?;
            ensure(seen.note() == texts.text(n), || format!("event {n} of lane {lane} has changed"))?;
            let seq = board.acknowledged(*on_board, n).unwrap_or(seen.seq);
            ensure(seen.seq == seq, || {
                format!("event {n} of lane {lane} has another number than was returned")
            })?;
            found.get_mut(&lane).unwrap().push(n);
        }
        let (mut survived, mut lost, mut again) = (0, 0, 0);
        for (lane, numbers) in &found {
            let (_, board, on_board) = &texts[lane];
            let different: BTreeSet<u64> = numbers.iter().copied().collect();
            again += numbers.len() - different.len();
            let promised = |n: &u64| board.acknowledged(*on_board, *n).is_some_and(|seq| seq <= through);
            for n in (0..board.begun(*on_board)).filter(promised) {
                *(if different.contains(&n) { &mut survived } else { &mut lost }) += 1;
            }
        }
        if lost > 0 {
            return Err(Wrong::Lost(lost, "acknowledged and gone".to_owned()));
        }
        if again > 0 {
            return Err(Wrong::Duplicated(again as u64, "there more than once".to_owned()));
        }
        let is_in_order = |numbers: &Vec<u64>| (0..).zip(numbers).all(|(expected, n)| expected == *n);
        ensure(found.values().all(is_in_order), || "events of a lane are out of order".to_owned())?;
        Ok(survived)
    }

    /// The same, for those who go no further when something is wrong.
    pub(crate) fn check_lanes(&self, lanes: &[(u64, &Board, u64)]) {
        self.check_lanes_through(u64::MAX, lanes);
    }

    /// The same, where of events with numbers above `through` nothing was promised.
    pub(crate) fn check_lanes_through(&self, through: u64, lanes: &[(u64, &Board, u64)]) {
        self.compare_lanes_through(through, lanes).unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    /// Every run has one ending or one crash record.
    pub(crate) fn check_endings(&self) {
        let mut ended: BTreeMap<u32, usize> = self.events.iter().map(|seen| (seen.run, 0)).collect();
        for seen in &self.events {
            match seen.what {
                What::RunEnded(_) | What::SessionEnded => *ended.entry(seen.run).or_default() += 1,
                What::Crashed(run) => *ended.entry(run).or_default() += 1,
                _ => {}
            }
        }
        assert!(
            ended.values().all(|count| *count == 1),
            "one ending or crash record for each run: {ended:?}"
        );
    }
}

impl Seen {
    pub(crate) fn note(&self) -> &str {
        match &self.what {
            What::Note(name) => name,
            other => panic!("not a note: {other:?}"),
        }
    }
}

/// Opens a store to look at it, without changing it.
pub(crate) fn look(path: &Path) -> Store {
    tracewal::options().access(Access::Read).recover(false).open(path).unwrap()
}

/// What a killed process may leave where a record is one write call: half of it, which is nobody's loss.
pub(crate) fn is_cut_off(loss: &Loss) -> bool {
    loss.kind == LossKind::Torn && loss.missing.is_none()
}

/// Every file in the folder of the views: its session and its status. I4: each is one whole document.
pub(crate) fn views(store: &Path) -> BTreeMap<String, String> {
    let mut views = BTreeMap::new();
    for entry in fs::read_dir(store.join("traces")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            views.insert(name, status_in(&fs::read(&path).unwrap()));
        }
    }
    views
}

/// The status that a view says.
pub(crate) fn status_in(view: &[u8]) -> String {
    let view: Value = serde_json::from_slice(view).expect("a whole document");
    view["summary"]["status"].as_str().unwrap().to_owned()
}

/// The names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Where the records of a segment end, by the layout of SPEC.md section 5 alone: of each its kind, and the offset behind it.
pub(crate) fn record_ends(bytes: &[u8]) -> Vec<(u8, usize)> {
    let (mut at, mut ends) = (4096, Vec::new());
    while let Some(record) = bytes.get(at..at + 24).filter(|record| record[..8] != [0; 8]) {
        let body = u32::from_le_bytes(record[8..12].try_into().unwrap());
        at += (24 + body as usize).next_multiple_of(8);
        ends.push((record[4], at));
    }
    ends
}

/// Whether a log's last segment has bytes behind the end of the log: an append that had begun and was not published.
pub(crate) fn has_bytes_behind_the_end(session: &Path) -> bool {
    let number = |name: &String| name.strip_suffix(".wal").and_then(|n| n.parse::<u64>().ok());
    let Some(last) = names(session).iter().filter_map(number).max() else { return false };
    let bytes = fs::read(session.join(format!("{last}.wal"))).unwrap();
    let end = Segment::walk(last, &bytes).end;
    bytes.get(end..).unwrap_or_default().iter().any(|byte| *byte != 0)
}
