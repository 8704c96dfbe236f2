//! What is measured, in which order, and how much of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::contender::{Contender, Promise, Role};
use crate::contenders::RAW_POPULATED;
use crate::job::{Appends, Job, Outcome, Task};
use crate::kill;
use crate::machine;
use crate::report;
use crate::results::{Cell, Measured, Results};
use crate::rounds::{Statistics, rounds};
use crate::work::Size;

/// How much.
#[derive(Clone, Copy)]
pub struct Plan {
    pub rounds: usize,
    pub kills: u64,
    /// How long one round of one contender takes, if it does not reach the next limit before.
    pub round_ns: f64,
    /// The most that one round appends; tracewal and the raw loops append all of it.
    pub append_bytes: u64,
    pub read_bytes: u64,
    pub warm_up_bytes: usize,
}

impl Plan {
    pub const FULL: Plan = Plan {
        rounds: 5,
        kills: 12,
        round_ns: 1.5e9,
        append_bytes: 2 << 30,
        read_bytes: 512 << 20,
        warm_up_bytes: 6 << 30,
    };

    /// For a look at the ratios.
    pub const QUICK: Plan = Plan {
        rounds: 2,
        kills: 2,
        round_ns: 3e7,
        append_bytes: 48 << 20,
        read_bytes: 16 << 20,
        warm_up_bytes: 1 << 30,
    };
}

/// Enough to see how fast somebody is.
const FIRST_TRY: u64 = 500;
/// A burst, and what comes before it so that the segments have grown to their size.
const BURST_EVENTS: u64 = (8 << 20) / 128;
const BURST_WARM_EVENTS: u64 = (96 << 20) / 128;
const BURST_REST_MS: u64 = 300;
/// Opening is a part of reading, and should not be all of it.
const LEAST_TO_READ: u64 = 2000;
/// Of the durable cells.
const THREADS: [usize; 3] = [1, 4, 16];

struct Measuring {
    began: Instant,
    plan: Plan,
    data: PathBuf,
    results: Results,
    /// How fast each is with one thread, from a try.
    tried_ns: BTreeMap<(Cell, &'static str), f64>,
    folders: u64,
}

/// Measures everything. The folder is for this alone.
pub fn all(contenders: Vec<&'static dyn Contender>, plan: Plan, data: &Path) -> Results {
    let results = Results { contenders, ..Results::default() };
    let mut this = Measuring {
        began: Instant::now(),
        plan,
        data: data.to_owned(),
        results,
        tried_ns: BTreeMap::new(),
        folders: 0,
    };
    machine::warm_up(plan.warm_up_bytes.min(machine::available_bytes() / 2));
    this.kills();
    for size in Size::ALL {
        this.append(Cell::Append(size));
    }
    for cell in [Cell::TwoLogs, Cell::OneLog, Cell::Burst(1), Cell::Burst(2)] {
        this.append(cell);
    }
    for size in [Size::B128, Size::KiB4] {
        for threads in THREADS {
            this.append(Cell::Durable(size, threads));
        }
    }
    for size in Size::ALL {
        this.read(size);
    }
    this.results
}

fn promise_of(cell: Cell) -> Promise {
    if matches!(cell, Cell::Durable(..)) { Promise::Power } else { Promise::Process }
}

fn size_of(cell: Cell) -> Size {
    match cell {
        Cell::Append(size) | Cell::Durable(size, _) | Cell::Read(size) => size,
        Cell::TwoLogs | Cell::OneLog | Cell::Burst(_) => Size::B128,
    }
}

/// Whether a contender has anything to say in a cell.
fn takes_part(contender: &'static dyn Contender, cell: Cell) -> bool {
    let facts = contender.facts();
    let is_ready_before = facts.role == Role::Us || facts.name == RAW_POPULATED;
    facts.promises.contains(&promise_of(cell)) && (!matches!(cell, Cell::Burst(_)) || is_ready_before)
}

impl Measuring {
    fn kills(&mut self) {
        self.progress("kill -9");
        for contender in self.results.contenders.clone() {
            let facts = contender.facts();
            for promise in facts.promises {
                match kill::test(facts.name, *promise, self.plan.kills, &self.data) {
                    Ok(loss) => {
                        self.results.losses.insert((facts.name, *promise == Promise::Power), loss);
                    }
                    Err(error) => self.failed(facts.name, "the kill test", &error.to_string()),
                }
            }
        }
    }

    fn append(&mut self, cell: Cell) {
        self.progress(&format!("{cell:?}"));
        let contenders: Vec<_> = self
            .results
            .contenders
            .iter()
            .copied()
            .filter(|contender| takes_part(*contender, cell))
            .collect();
        let mut outcomes: BTreeMap<&'static str, Vec<(Outcome, f64)>> = BTreeMap::new();
        rounds(self.plan.rounds, &contenders, |contender, round| {
            let name = contender.facts().name;
            // Who has failed once is not asked again.
            if round > 0 && outcomes.get(name).is_none_or(|of_its| of_its.len() < round) {
                return;
            }
            match self.append_once(*contender, cell) {
                Ok(outcome) => outcomes.entry(name).or_default().push(outcome),
                Err(error) => self.failed(name, &format!("{cell:?}"), &error.to_string()),
            }
        });
        for (name, outcomes) in outcomes {
            let per_event = |of: &dyn Fn(&Outcome) -> Option<u64>| {
                let value = |(outcome, _): &(Outcome, f64)| Some(of(outcome)? as f64 / outcome.events as f64);
                Statistics::of(outcomes.iter().filter_map(value).collect())
            };
            let disk_bytes = Statistics::of(outcomes.iter().map(|(_, disk_bytes)| *disk_bytes).collect());
            let (Some(ns), Some(disk_bytes)) = (per_event(&|outcome| Some(outcome.ns)), disk_bytes) else {
                continue;
            };
            let device_bytes = per_event(&|outcome| outcome.device_bytes);
            let events = outcomes.last().map_or(0, |(outcome, _)| outcome.events);
            let measured = Measured { ns, events, disk_bytes: disk_bytes.median, device_bytes };
            self.results.cells.insert((cell, name), measured);
        }
    }

    /// One round of one contender, and its bytes on disk per event.
    fn append_once(
        &mut self,
        contender: &'static dyn Contender,
        cell: Cell,
    ) -> crate::contender::Result<(Outcome, f64)> {
        let (logs, writers) = match cell {
            Cell::Append(_) | Cell::Read(_) => (1, 1),
            Cell::TwoLogs => (2, 1),
            Cell::OneLog => (1, 2),
            Cell::Burst(threads) => (threads, 1),
            Cell::Durable(_, threads) => (1, threads),
        };
        let appends = if let Cell::Burst(_) = cell {
            let (events, warm) = (BURST_EVENTS, BURST_WARM_EVENTS);
            Appends { logs, writers, events, warm, rest_ms: BURST_REST_MS }
        } else {
            let events = self.events(contender, cell)?;
            // A group commit serves more events in the same time.
            let more = if let Cell::Durable(_, threads) = cell { threads.min(4) as u64 } else { 1 };
            let events = (events * more).div_ceil((logs * writers) as u64);
            Appends { logs, writers, events, warm: 0, rest_ms: 0 }
        };
        self.append_in_new_folder(contender, cell, appends)
    }

    fn append_in_new_folder(
        &mut self,
        contender: &'static dyn Contender,
        cell: Cell,
        appends: Appends,
    ) -> crate::contender::Result<(Outcome, f64)> {
        let folder = self.new_folder();
        let job = Job {
            contender: contender.facts().name.into(),
            promise: promise_of(cell),
            size: size_of(cell),
            task: Task::Append(appends),
        };
        let outcome = job.run(&folder);
        let disk_bytes = machine::disk_bytes(&folder) as f64;
        // What is not written yet never has to be, and does not disturb the next.
        let _ = fs::remove_dir_all(&folder);
        let outcome = outcome?;
        let warm = appends.warm * (appends.logs * appends.writers) as u64;
        Ok((outcome.clone(), disk_bytes / (outcome.events + warm) as f64))
    }

    /// How many events fill a round of one thread, by trying in two steps.
    fn events(&mut self, contender: &'static dyn Contender, cell: Cell) -> crate::contender::Result<u64> {
        let (size, promise) = (size_of(cell), promise_of(cell));
        if promise == Promise::Process && matches!(contender.facts().role, Role::Us | Role::Limit) {
            // A sustained figure, not one of the first segments. What threads add to each other shows with less.
            let share = if matches!(cell, Cell::TwoLogs | Cell::OneLog) { 4 } else { 1 };
            return Ok(self.most(size) / share);
        }
        let one_thread = match promise {
            Promise::Process => Cell::Append(size),
            Promise::Power => Cell::Durable(size, 1),
        };
        let key = (one_thread, contender.facts().name);
        if !self.tried_ns.contains_key(&key) {
            let mut events = if promise == Promise::Power { FIRST_TRY / 10 } else { FIRST_TRY };
            let mut ns = 0.0;
            for share in [0.2, 1.0] {
                let appends = Appends { logs: 1, writers: 1, events, warm: 0, rest_ms: 0 };
                let (outcome, _) = self.append_in_new_folder(contender, one_thread, appends)?;
                ns = outcome.ns as f64 / outcome.events as f64;
                events = ((self.plan.round_ns * share / ns) as u64).clamp(events, self.most(size));
            }
            self.tried_ns.insert(key, ns);
        }
        let events = (self.plan.round_ns / self.tried_ns[&key]) as u64;
        Ok(events.clamp(FIRST_TRY / 10, self.most(size)))
    }

    fn most(&self, size: Size) -> u64 {
        self.plan.append_bytes / size.bytes()
    }

    fn read(&mut self, size: Size) {
        let cell = Cell::Read(size);
        self.progress(&format!("{cell:?}"));
        let mut ready = Vec::new();
        for contender in self.results.contenders.clone() {
            if !report::reads_back(contender.facts()) {
                continue;
            }
            match self.fill(contender, size) {
                Ok((folder, events)) => ready.push((contender, folder, events)),
                Err(error) => self.failed(contender.facts().name, &format!("{cell:?}"), &error.to_string()),
            }
        }
        let mut times: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
        rounds(self.plan.rounds, &ready, |(contender, folder, events), _| {
            let name = contender.facts().name;
            let job = Job { contender: name.into(), promise: Promise::Process, size, task: Task::Read };
            match job.run(folder) {
                Ok(outcome) if outcome.events == *events => {
                    times.entry(name).or_default().push(outcome.ns as f64 / outcome.events as f64);
                }
                Ok(outcome) => {
                    let error = format!("{} of {events} events came back", outcome.events);
                    self.failed(name, &format!("{cell:?}"), &error);
                }
                Err(error) => self.failed(name, &format!("{cell:?}"), &error.to_string()),
            }
        });
        for (contender, folder, events) in ready {
            let name = contender.facts().name;
            let disk_bytes = machine::disk_bytes(&folder) as f64 / events as f64;
            if let Some(ns) = times.remove(name).and_then(Statistics::of) {
                let measured = Measured { ns, events, disk_bytes, device_bytes: None };
                self.results.cells.insert((cell, name), measured);
            }
            let _ = fs::remove_dir_all(&folder);
        }
    }

    /// A folder with events to read.
    fn fill(
        &mut self,
        contender: &'static dyn Contender,
        size: Size,
    ) -> crate::contender::Result<(PathBuf, u64)> {
        let facts = contender.facts();
        let promise = facts.promises[0];
        // Who syncs with each event is given company, or there would be little to read.
        let (cell, writers) = match promise {
            Promise::Process => (Cell::Append(size), 1),
            Promise::Power => (Cell::Durable(size, 1), 16),
        };
        let events =
            (self.events(contender, cell)? * 4).max(LEAST_TO_READ).min(self.plan.read_bytes / size.bytes());
        let events = events.div_ceil(writers);
        let appends = Appends { logs: 1, writers: writers as usize, events, warm: 0, rest_ms: 0 };
        let folder = self.new_folder();
        let job = Job { contender: facts.name.into(), promise, size, task: Task::Append(appends) };
        Ok((folder.clone(), job.run(&folder)?.events))
    }

    fn new_folder(&mut self) -> PathBuf {
        self.folders += 1;
        self.data.join(format!("run-{}", self.folders))
    }

    fn progress(&self, what: &str) {
        eprintln!("{:>5.0} s  {what}", self.began.elapsed().as_secs_f64());
    }

    fn failed(&mut self, name: &'static str, what: &str, why: &str) {
        eprintln!("         {name}: {what}: {why}");
        if !self.results.failures.iter().any(|(failed, task, _)| *failed == name && task == what) {
            self.results.failures.push((name, what.into(), why.into()));
        }
    }
}
