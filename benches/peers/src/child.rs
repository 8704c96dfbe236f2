//! The other side of a job: the process that does it.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memmap2::MmapOptions;

use crate::contender::{Contender, Log, Promise, Result, Seen, Setting, Writer};
use crate::contenders;
use crate::event::Event;
use crate::job::{Appends, Job, Outcome, Task};
use crate::machine;
use crate::work::{Size, Work};

/// Room for those who are going to be killed, and the most that they append.
const KILL_EVENTS: u64 = 4 << 20;

/// Does the job and leaves the outcome beside the folder.
pub fn run(job: &Job, folder: &Path) -> Result<()> {
    // Nobody is left behind when the parent dies.
    // SAFETY: a call without pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let contender = contenders::named(&job.contender).ok_or("there is no such contender")?;
    let outcome = match &job.task {
        Task::Append(appends) => append(contender, job, *appends, folder)?,
        Task::Read => read(contender, folder)?,
        Task::AppendUntilKilled { board } => append_until_killed(contender, job, Path::new(board), folder)?,
        Task::LookFor { acknowledged } => look_for(contender, *acknowledged, folder)?,
    };
    std::fs::write(folder.with_extension("outcome"), serde_json::to_vec(&outcome)?)?;
    // Without waiting for threads that somebody has left behind.
    std::process::exit(0)
}

fn append(contender: &'static dyn Contender, job: &Job, appends: Appends, folder: &Path) -> Result<Outcome> {
    let Appends { logs, writers, events, warm, rest_ms } = appends;
    let room_bytes = (events + warm) * writers as u64 * job.size.bytes();
    let setting = Setting { promise: job.promise, writers, room_bytes };
    let mut logs = if logs == 1 {
        vec![contender.open(folder, setting)?]
    } else {
        contender.open_many(folder, logs, setting)?
    };
    let mut hands = Vec::new();
    for log in &mut logs {
        for _ in 0..writers {
            hands.push(log.writer()?);
        }
    }
    if job.promise == Promise::Power {
        // What opening has left to be written is no part of an append.
        machine::sync_files(folder)?;
    }
    let device = machine::device_of(folder);
    let (work, all) = (Work::of(job.size), hands.len());
    // Each passes it twice: when it is warm, and to start.
    let barrier = Barrier::new(all + 1);
    let (passed, device_bytes) = std::thread::scope(|scope| {
        let appending = |mut writer: Box<dyn Writer>| {
            let warmed = writer.append_all(&work, warm);
            barrier.wait();
            barrier.wait();
            let began = Instant::now();
            warmed.and_then(|()| writer.append_all(&work, events)).map(|()| (began, Instant::now()))
        };
        let threads: Vec<_> =
            hands.into_iter().map(|writer| scope.spawn(move || appending(writer))).collect();
        barrier.wait();
        std::thread::sleep(Duration::from_millis(rest_ms));
        let before = device.as_ref().and_then(machine::Device::written_bytes);
        barrier.wait();
        let mut times = Vec::new();
        for thread in threads {
            times.push(thread.join().map_err(|_| "a thread panicked")??);
        }
        // From the first that began to the last that ended.
        let began = times.iter().map(|(began, _)| *began).min().ok_or("nobody appended")?;
        let ended = times.iter().map(|(_, ended)| *ended).max().ok_or("nobody appended")?;
        let after = device.as_ref().and_then(machine::Device::written_bytes);
        let written = before.zip(after).map(|(before, after)| after - before);
        Result::Ok((ended - began, written))
    })?;
    logs.into_iter().try_for_each(Log::close)?;
    Ok(Outcome {
        ns: passed.as_nanos() as u64,
        events: events * all as u64,
        device_bytes,
        ..Outcome::default()
    })
}

fn read(contender: &'static dyn Contender, folder: &Path) -> Result<Outcome> {
    let mut seen = Seen::default();
    let began = Instant::now();
    contender.read(folder, &mut seen)?;
    let ns = began.elapsed().as_nanos() as u64;
    std::hint::black_box(seen.bytes);
    Ok(Outcome { ns, events: seen.events, ..Outcome::default() })
}

fn append_until_killed(
    contender: &'static dyn Contender,
    job: &Job,
    board: &Path,
    folder: &Path,
) -> Result<Outcome> {
    let file = OpenOptions::new().read(true).write(true).open(board)?;
    let board = MmapOptions::new().map_raw(&file)?;
    // SAFETY: the parent has made it of one word; both sides use it as an atomic.
    let acknowledged = unsafe { AtomicU64::from_ptr(board.as_mut_ptr().cast()) };
    let work = Work::of(Size::B128);
    let room_bytes = KILL_EVENTS * Size::B128.bytes();
    let mut log = contender.open(folder, Setting { promise: job.promise, writers: 1, room_bytes })?;
    let mut writer = log.writer()?;
    for n in 0..KILL_EVENTS {
        let call_id = format!("{n:016x}");
        writer.append(&Event { call_id: &call_id, ..work.event(n) })?;
        acknowledged.store(n + 1, Ordering::Release);
    }
    loop {
        std::thread::park();
    }
}

fn look_for(contender: &'static dyn Contender, acknowledged: u64, folder: &Path) -> Result<Outcome> {
    let mut seen = Seen::with_numbers();
    contender.read(folder, &mut seen)?;
    let mut found = vec![false; acknowledged as usize];
    let mut doubled = 0;
    for number in seen.numbers.unwrap_or_default() {
        // One more than was acknowledged may be there: it was on its way.
        if let Some(found) = found.get_mut(number as usize) {
            doubled += u64::from(*found);
            *found = true;
        }
    }
    let missing = found.iter().filter(|found| !**found).count() as u64;
    Ok(Outcome { events: seen.events, missing, doubled, ..Outcome::default() })
}
