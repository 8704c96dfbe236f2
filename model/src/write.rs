//! Opening a session, writing to it, and closing it: SPEC.md sections 9 and 10, step by step. Recovery is the first half of resuming.

use crate::actor::{Actor, Part, Writer};
use crate::log::{Log, Record};
use crate::rules::Rules;
use crate::step::Step;
use crate::world::{Folder, Open, Process, Who, World};

/// Takes one of the steps of opening a session or recovering it.
pub fn take_opening(
    step: Step,
    world: &mut World,
    rules: &Rules,
    who: Who,
    process: Process,
    part: Part,
    me: &mut Actor,
) {
    me.next = match (step, part) {
        (Step::LockOwner, _) => {
            world.owner_lock = Some(who);
            match part {
                // A name that is taken is left alone.
                Part::Writer(Writer { resumes: false, .. }) if me.ended => Step::AskOwnerOfClosed,
                Part::Writer(Writer { resumes: false, .. }) if world.folder == Folder::Absent => {
                    Step::WriteOwner
                }
                Part::Writer(Writer { resumes: false, .. }) => Step::UnlockOwner,
                _ if me.ended => Step::AskOwnerOfClosed,
                _ => Step::AskOwner,
            }
        }
        (Step::AskOwner, _) => ask_owner(world, rules, process, part, me),
        (Step::Survey, _) => {
            let crash = world.log.crash_to_record();
            (me.run, me.took_over) = (crash, world.owner.is_some() || crash.is_some());
            if crash.is_some() || !world.log.is_marked_to_the_end() {
                if world.owner.is_none() && rules.owned_before_appended {
                    Step::OwnFirst
                } else {
                    Step::CommitTail
                }
            } else {
                surveyed(part)
            }
        }
        (Step::OwnFirst, _) => {
            world.owner = Some((process, world.log.last_run()));
            Step::CommitTail
        }
        (Step::CommitTail, _) => {
            world.broken.intruded |= world.open.is_some_and(|open| !open.closed);
            world.log.commit_tail(me.run);
            if me.ended { Step::UnlockOwner } else { surveyed(part) }
        }
        (Step::WriteOwner, Part::Writer(writer)) => {
            if me.ended {
                world.owner = Some((process, world.log.last_run()));
                Step::CommitTail
            } else if writer.resumes {
                world.owner = Some((process, world.log.last_run() + 1));
                Step::BeginRun
            } else {
                world.owner = Some((process, 1));
                Step::PutFolder
            }
        }
        (Step::PutFolder, _) => {
            (world.folder, world.log) = (Folder::There, Log::begun());
            Step::Enlist
        }
        (Step::BeginRun, _) => {
            world.log.begin_run();
            Step::AppendRunStarted
        }
        (Step::AppendRunStarted, _) => {
            world.log.append(Record::RunStarted(world.log.last_run()));
            Step::Enlist
        }
        (Step::Enlist, _) => {
            world.broken.intruded |= world.open.is_some_and(|open| open.listed);
            let run = world.log.last_run();
            let durable = if run == 1 { 0 } else { world.log.marked(world.log.end()) };
            let (leader, closed, listed, placed) = (None, false, true, true);
            world.open = Some(Open { process, run, durable, leader, closed, listed, placed });
            // The view may still say what it said before the crash that was just recorded.
            me.when_unlocked =
                if me.took_over && rules.takeover_shows_crash { Step::LockView } else { Step::Open };
            *me = Actor { then: Step::Open, took_over: false, run: None, ..*me };
            Step::UnlockOwner
        }
        (Step::UnlockOwner, _) => {
            world.owner_lock = None;
            std::mem::replace(&mut me.when_unlocked, Step::Rest)
        }
        (Step::AskOwnerOfClosed, _) => ask_owner_of_closed(world, rules, process, me),
        (other, _) => other,
    };
}

fn surveyed(part: Part) -> Step {
    match part {
        Part::Writer(_) => Step::WriteOwner,
        Part::Pruner => Step::RemoveView,
        _ => Step::UnlockOwner,
    }
}

/// `recovery::recover_owned` and the first half of `recovery::recover_session`.
fn ask_owner(world: &World, rules: &Rules, process: Process, part: Part, me: &mut Actor) -> Step {
    let recovers = part == Part::Recoverer;
    (me.then, me.when_unlocked) = (Step::Rest, Step::Rest);
    match world.owner {
        None if recovers => return Step::UnlockOwner,
        Some(_) if recovers && world.folder != Folder::There => return Step::RemoveOwnerOfNone,
        Some((writer, _)) if !world.is_done(writer, process) => return Step::UnlockOwner,
        _ => {}
    }
    if world.folder != Folder::There {
        return Step::UnlockOwner;
    }
    if recovers {
        me.when_unlocked = if rules.recovery_waits { Step::LockView } else { Step::TryLockView };
    }
    Step::Survey
}

/// `Store::record_crash`: the process dies of a panic that had closed the session in order.
fn ask_owner_of_closed(world: &World, rules: &Rules, process: Process, me: &mut Actor) -> Step {
    (me.then, me.when_unlocked) = (Step::Rest, Step::Rest);
    if world.folder != Folder::There {
        return Step::UnlockOwner;
    }
    me.run = Some(world.log.last_run());
    me.when_unlocked = Step::LockView;
    match world.owner {
        _ if !rules.late_crash_owns => Step::CommitTail,
        None => Step::WriteOwner,
        Some((writer, _)) if writer == process && !world.is_listed(process) => Step::CommitTail,
        Some(_) => {
            me.when_unlocked = Step::Rest;
            Step::UnlockOwner
        }
    }
}

/// Takes one of the steps of writing to an open session.
pub fn take_writing(step: Step, world: &mut World, me: &mut Actor) {
    let Some(open) = world.open.as_mut() else { return };
    let run = open.run;
    let appended = |world: &mut World, me: &mut Actor, record: Record| {
        world.log.append(record);
        me.target = world.log.len();
    };
    me.next = match step {
        Step::Append => {
            world.log.append(Record::Event(run));
            me.times += 1;
            Step::Open
        }
        Step::AppendEnding => {
            appended(world, me, Record::SessionEnded(run));
            (me.ended, me.when_durable) = (true, Step::Close);
            Step::AwaitDurable
        }
        Step::AppendCrash => {
            appended(world, me, Record::Crashed(run));
            (me.crashed, me.when_durable, me.then) = (true, Step::LockView, Step::Open);
            Step::AwaitDurable
        }
        Step::Close => {
            if me.ended {
                Step::CloseSegment
            } else {
                Step::AppendRunEnded
            }
        }
        Step::AppendRunEnded => {
            appended(world, me, Record::RunEnded(run));
            (me.ended, me.when_durable) = (true, Step::CloseSegment);
            Step::AwaitDurable
        }
        Step::CloseSegment => {
            open.closed = true;
            Step::SyncSealed
        }
        Step::SyncSealed => {
            world.log.sync();
            Step::LeavePlace
        }
        Step::LeavePlace => {
            open.placed = false;
            Step::Strike
        }
        Step::Strike => {
            world.open = None;
            (me.target, me.times) = (0, 0);
            me.then = Step::Closed;
            Step::LockView
        }
        other => other,
    };
}

/// Takes one of the steps of group commit: `SessionInner::sync_through`.
pub fn take_syncing(
    step: Step,
    world: &mut World,
    rules: &Rules,
    who: Who,
    process: Process,
    me: &mut Actor,
) {
    let (len, Some(open)) = (world.log.len(), world.open.as_mut().filter(|open| open.process == process))
    else {
        // It was closed meanwhile.
        me.next = Step::Idle;
        return;
    };
    me.next = match step {
        Step::AwaitDurable if open.durable >= me.target => {
            (me.covered, me.target) = (0, 0);
            std::mem::replace(&mut me.when_durable, Step::Rest)
        }
        Step::AwaitDurable => {
            open.leader = Some(who);
            Step::Cover
        }
        Step::Cover => {
            me.covered = len;
            Step::SyncFiles
        }
        Step::SyncFiles => {
            world.log.sync();
            if rules.mark_before_durable { Step::AppendMark } else { Step::StoreDurable }
        }
        Step::AppendMark => {
            if !open.closed {
                world.log.append(Record::Mark(me.covered));
            }
            if rules.mark_before_durable { Step::StoreDurable } else { Step::StandDown }
        }
        Step::StoreDurable => {
            open.durable = me.covered;
            if rules.mark_before_durable { Step::StandDown } else { Step::AppendMark }
        }
        Step::StandDown => {
            open.leader = None;
            Step::AwaitDurable
        }
        other => other,
    };
}
