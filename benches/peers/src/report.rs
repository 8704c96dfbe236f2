//! The report: what was measured, as Markdown.

use std::fmt::Write;
use std::path::Path;

use crate::contender::{Facts, Promise, Reads, Role};
use crate::machine;
use crate::measure::Plan;
use crate::results::{Cell, Measured, Results};
use crate::rounds::{Statistics, count, number};
use crate::targets;
use crate::work::Size;

/// Which versions were measured is what the lock file says.
const LOCK: &str = include_str!("../Cargo.lock");

const COMMAND: &str = "cargo run --release --manifest-path benches/peers/Cargo.toml --";

pub fn markdown(results: &Results, plan: Plan, is_quick: bool, data: &Path) -> String {
    let mut out = String::new();
    head(&mut out, plan, is_quick, data);
    target_table(&mut out, results);
    append_tables(&mut out, results);
    thread_table(&mut out, results);
    durable_table(&mut out, results);
    read_table(&mut out, results);
    contender_table(&mut out, results);
    failures(&mut out, results);
    out
}

macro_rules! line {
    ($out:expr) => { line!($out, "") };
    ($out:expr, $($format:tt)*) => { writeln!($out, $($format)*).expect("a String takes everything") };
}

fn head(out: &mut String, plan: Plan, is_quick: bool, data: &Path) {
    line!(out, "# tracewal and its peers\n");
    let command = if is_quick { format!("{COMMAND} --quick") } else { COMMAND.replace(" --", "") };
    line!(out, "Written by `{command}`; see benches/peers/README.md for how it is measured.\n");
    if is_quick {
        line!(
            out,
            "> **A quick run: a check of the tool, and no result.** It takes little data, few rounds and few kills, on a machine"
        );
        line!(out, "> that may be doing other things.\n");
    }
    line!(
        out,
        "{} rounds, in each of which the contenders take turns; a number is the **median** (smallest to largest). Compare numbers of\n\
         one run only. In a round tracewal and the raw loops append {} MiB, the others as much as they manage in {:.2} s, and no more\n\
         than that; what is synced with each event, as much as that time allows.\n",
        plan.rounds,
        plan.append_bytes >> 20,
        plan.round_ns / 1e9
    );
    line!(out, "| machine | |\n|---|---|");
    for (what, which) in machine::facts(data) {
        line!(out, "| {what} | {which} |");
    }
    line!(out);
}

fn target_table(out: &mut String, results: &Results) {
    line!(out, "## Targets\n\n| work | target | measured | holds |\n|---|---|---|---|");
    for target in targets::all(results) {
        let holds = match target.holds {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "?",
        };
        line!(out, "| {} | {} | {} | {holds} |", target.work, target.target, target.measured);
    }
    line!(out);
}

fn append_tables(out: &mut String, results: &Results) {
    let ranked = results.ranked(Cell::Append(Size::B128), Promise::Process);
    let (keep, lose): (Vec<_>, Vec<_>) =
        ranked.into_iter().partition(|facts| results.survives(facts.name, Promise::Process));
    line!(out, "## Acknowledged events survive kill -9\n");
    line!(
        out,
        "Nanoseconds per event, one thread; encoding, clock and checksum included.\n\n![](peers-append.svg)\n"
    );
    append_table(out, results, &keep);
    line!(out, "## Acknowledged events do not survive kill -9\n");
    line!(
        out,
        "They return before the event has left the process, or have not shown that they do. Not compared with the others.\n"
    );
    append_table(out, results, &lose);
}

fn append_table(out: &mut String, results: &Results, contenders: &[&'static Facts]) {
    line!(out, "| | 128 B | 512 B | 4 KiB | bytes on disk per event | events per round | lost by kill -9 |");
    line!(out, "|---|--:|--:|--:|--:|--:|--:|");
    for facts in contenders {
        let of = |size| results.get(Cell::Append(size), facts.name);
        line!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            title(facts),
            statistics(of(Size::B128).map(|measured| measured.ns)),
            statistics(of(Size::B512).map(|measured| measured.ns)),
            statistics(of(Size::KiB4).map(|measured| measured.ns)),
            each(&Size::ALL.map(|size| of(size).map(|measured| measured.disk_bytes))),
            events(&Size::ALL.map(of)),
            loss(results, facts, Promise::Process)
        );
    }
    line!(out);
}

fn thread_table(out: &mut String, results: &Results) {
    line!(out, "## Two threads\n");
    line!(
        out,
        "Nanoseconds per event of both together, 128 B; tracewal and the raw loops append a quarter of the above. A burst is 8 MiB per thread after 96 MiB and a rest of 0.3 s.\n"
    );
    line!(out, "| | one thread | a log each | one log for both | burst, one thread | burst, a log each |");
    line!(out, "|---|--:|--:|--:|--:|--:|");
    let cells = [Cell::Append(Size::B128), Cell::TwoLogs, Cell::OneLog, Cell::Burst(1), Cell::Burst(2)];
    for facts in results.ranked(Cell::TwoLogs, Promise::Process) {
        let values = cells.map(|cell| statistics(results.get(cell, facts.name).map(|measured| measured.ns)));
        line!(out, "| {} | {} |", title(facts), values.join(" | "));
    }
    line!(out);
}

fn durable_table(out: &mut String, results: &Results) {
    line!(out, "## Acknowledged events survive a power cut\n");
    line!(
        out,
        "Events per second; threads share a log. That a call has synced when it returns is each contender's word; the kill test alone"
    );
    line!(
        out,
        "is measured. Device bytes are those of the whole device, other programs included.\n\n![](peers-durable.svg)\n"
    );
    line!(
        out,
        "| | 128 B, 1 thread | 4 threads | 16 threads | 4 KiB, 1 thread | 4 threads | 16 threads | device bytes per event, 1 thread, 128 B / 4 KiB | lost by kill -9 |"
    );
    line!(out, "|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for facts in results.ranked(Cell::Durable(Size::B128, 16), Promise::Power) {
        let of = |size, threads| results.get(Cell::Durable(size, threads), facts.name);
        let mut row = title(facts);
        for (size, threads) in
            [Size::B128, Size::KiB4].iter().flat_map(|size| [1, 4, 16].map(|threads| (*size, threads)))
        {
            let per_second = of(size, threads).map(|measured| measured.ns.map(|ns| 1e9 / ns));
            write!(row, " | {}", statistics(per_second)).expect("a String takes everything");
        }
        let device = [Size::B128, Size::KiB4].map(|size| Some(of(size, 1)?.device_bytes?.median));
        line!(out, "| {row} | {} | {} |", each(&device), loss(results, facts, Promise::Power));
    }
    line!(out);
}

fn read_table(out: &mut String, results: &Results) {
    line!(out, "## Opening and reading everything back\n");
    line!(
        out,
        "Megabytes of framed events per second, from a warm page cache, every checksum checked. The raw loop's file is"
    );
    line!(
        out,
        "read by the raw scan: mapped, checked, borrowed. tracewal gives borrowed, typed events; the others give bytes.\n\n![](peers-read.svg)\n"
    );
    line!(out, "| | 128 B | 512 B | 4 KiB | events |\n|---|--:|--:|--:|--:|");
    let mut facts: Vec<_> = results.contenders.iter().map(|contender| contender.facts()).collect();
    let ns = |facts: &Facts| results.ns(Cell::Read(Size::B128), facts.name).unwrap_or(f64::INFINITY);
    facts.retain(|facts| reads_back(facts));
    facts.sort_by(|one, other| ns(one).total_cmp(&ns(other)));
    for facts in facts {
        let of = |size| results.get(Cell::Read(size), facts.name);
        let rate = |size: Size| statistics(of(size).map(|measured| megabytes_per_second(measured, size)));
        line!(
            out,
            "| {} | {} | {} | {} | {} |",
            title(facts),
            rate(Size::B128),
            rate(Size::B512),
            rate(Size::KiB4),
            events(&Size::ALL.map(of))
        );
    }
    line!(out);
}

/// Whether there is anything to learn from what it reads.
pub fn reads_back(facts: &Facts) -> bool {
    facts.role != Role::UsToo && facts.reads != Reads::AsRawScan
}

/// Of frames, which are the same for everybody.
pub fn megabytes_per_second(measured: &Measured, size: Size) -> Statistics {
    measured.ns.map(|ns| size.bytes() as f64 * 1e3 / ns)
}

fn contender_table(out: &mut String, results: &Results) {
    line!(out, "## Who they are, and how they were set up\n");
    line!(out, "| | version | checksum | set-up |\n|---|---|---|---|");
    for contender in &results.contenders {
        let facts = contender.facts();
        let version = facts.krate.map_or_else(|| "-".into(), |name| format!("{name} {}", version(name)));
        line!(out, "| {} | {version} | {} | {} |", title(facts), facts.checksum, facts.setup);
    }
    line!(out);
}

fn version(name: &str) -> &'static str {
    let entry = LOCK.split("[[package]]").find(|entry| entry.contains(&format!("\nname = \"{name}\"\n")));
    entry.and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next()).unwrap_or("?")
}

fn failures(out: &mut String, results: &Results) {
    line!(out, "## What did not work\n");
    if results.failures.is_empty() {
        line!(
            out,
            "Nothing: every contender was built, ran in each of its cells, and gave back every event that it was asked for."
        );
    }
    for (name, what, why) in &results.failures {
        line!(out, "- {name}, {what}: {why}");
    }
}

fn title(facts: &Facts) -> String {
    match facts.role {
        Role::Us => format!("**{}**", facts.name),
        Role::Limit => format!("*{}*", facts.name),
        Role::UsToo | Role::Plain | Role::Peer => facts.name.into(),
    }
}

fn statistics(statistics: Option<Statistics>) -> String {
    statistics.map_or_else(|| "-".into(), |statistics| statistics.to_string())
}

/// One for each size.
fn each(values: &[Option<f64>]) -> String {
    joined(values.iter().map(|value| value.map(number)).collect())
}

fn events(cells: &[Option<&Measured>]) -> String {
    joined(cells.iter().map(|cell| cell.map(|measured| count(measured.events))).collect())
}

fn joined(texts: Vec<Option<String>>) -> String {
    if texts.iter().all(Option::is_none) {
        return "-".into();
    }
    texts.into_iter().map(|text| text.unwrap_or_else(|| "-".into())).collect::<Vec<_>>().join(" / ")
}

fn loss(results: &Results, facts: &'static Facts, promise: Promise) -> String {
    let Some(loss) = results.loss(facts.name, promise) else { return "not tested".into() };
    let doubled = if loss.doubled > 0 { format!(", {} doubled", loss.doubled) } else { String::new() };
    format!("{} of {} in {} kills{doubled}", count(loss.missing), count(loss.acknowledged), loss.kills)
}
