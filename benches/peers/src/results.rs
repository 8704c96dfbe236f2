//! What has been measured: cells, and in each the contenders.

use std::collections::BTreeMap;

use crate::contender::{Contender, Facts, Promise, Role};
use crate::kill::Loss;
use crate::rounds::Statistics;
use crate::work::Size;

/// One kind of work, all contenders of which are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// One thread.
    Append(Size),
    /// Two threads with a log each, 128 B.
    TwoLogs,
    /// Two threads that share a log, 128 B.
    OneLog,
    /// So little that its pages have been made ready before; this many threads with a log each, 128 B.
    Burst(usize),
    /// On the device before the call returns; threads that share a log.
    Durable(Size, usize),
    /// Opening and reading all of it back.
    Read(Size),
}

#[derive(Clone, Debug)]
pub struct Measured {
    /// Nanoseconds per event, of all threads together.
    pub ns: Statistics,
    /// How many events each round had.
    pub events: u64,
    pub disk_bytes: f64,
    /// Per event, of the whole device.
    pub device_bytes: Option<Statistics>,
}

#[derive(Default)]
pub struct Results {
    pub contenders: Vec<&'static dyn Contender>,
    pub cells: BTreeMap<(Cell, &'static str), Measured>,
    pub losses: BTreeMap<(&'static str, bool), Loss>,
    /// Who did not do what, and why.
    pub failures: Vec<(&'static str, String, String)>,
}

impl Results {
    pub fn get(&self, cell: Cell, contender: &str) -> Option<&Measured> {
        let name =
            self.contenders.iter().map(|contender| contender.facts().name).find(|name| *name == contender)?;
        self.cells.get(&(cell, name))
    }

    pub fn ns(&self, cell: Cell, contender: &str) -> Option<f64> {
        self.get(cell, contender).map(|measured| measured.ns.median)
    }

    pub fn loss(&self, contender: &'static str, promise: Promise) -> Option<&Loss> {
        self.losses.get(&(contender, promise == Promise::Power))
    }

    /// Whether kill -9 has taken nothing from it.
    pub fn survives(&self, contender: &'static str, promise: Promise) -> bool {
        self.loss(contender, promise).is_some_and(Loss::is_none)
    }

    /// Those who promise this, fastest first in this cell; who has no number comes last.
    pub fn ranked(&self, cell: Cell, promise: Promise) -> Vec<&'static Facts> {
        let facts = self.contenders.iter().map(|contender| contender.facts());
        let mut ranked: Vec<_> = facts.filter(|facts| facts.promises.contains(&promise)).collect();
        let ns = |facts: &Facts| self.ns(cell, facts.name).unwrap_or(f64::INFINITY);
        ranked.sort_by(|one, other| ns(one).total_cmp(&ns(other)));
        ranked
    }

    /// The fastest that is not ours and not a limit, among those that keep the promise.
    pub fn fastest_peer(&self, cell: Cell, promise: Promise) -> Option<(&'static str, f64)> {
        let is_peer = |facts: &&&Facts| matches!(facts.role, Role::Peer | Role::Plain);
        let ranked = self.ranked(cell, promise);
        let fastest = ranked.iter().filter(is_peer).find(|facts| self.survives(facts.name, promise))?;
        Some((fastest.name, self.ns(cell, fastest.name)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contenders;

    const CELL: Cell = Cell::Append(Size::B128);

    fn results(numbers: &[(&'static str, f64, Option<u64>)]) -> Results {
        let mut results = Results { contenders: contenders::ALL.to_vec(), ..Results::default() };
        for (name, ns, missing) in numbers {
            let ns = Statistics { median: *ns, min: *ns, max: *ns };
            let measured = Measured { ns, events: 1, disk_bytes: 1.0, device_bytes: None };
            results.cells.insert((CELL, name), measured);
            if let Some(missing) = *missing {
                results.losses.insert((name, false), Loss { kills: 1, missing, ..Loss::default() });
            }
        }
        results
    }

    #[test]
    fn who_loses_events_is_nobodys_yardstick() {
        let results = results(&[("redb", 1.0, Some(1)), ("LMDB", 2.0, Some(0)), ("wal-db", 3.0, Some(0))]);
        assert_eq!(results.fastest_peer(CELL, Promise::Process), Some(("LMDB", 2.0)));
    }

    #[test]
    fn who_was_not_killed_and_who_is_no_peer_is_no_yardstick_either() {
        let limit = contenders::RAW_POPULATED;
        let results = results(&[
            (limit, 0.5, Some(0)),
            ("tracewal", 1.0, Some(0)),
            ("LMDB", 2.0, None),
            ("wal-db", 3.0, Some(0)),
        ]);
        assert_eq!(results.fastest_peer(CELL, Promise::Process), Some(("wal-db", 3.0)));
    }
}
