//! Materialising: SPEC.md section 12, step by step.

use crate::actor::Actor;
use crate::log::{Log, Look, Status};
use crate::rules::Rules;
use crate::step::Step;
use crate::world::{Document, Folder, Process, Who, World};

/// Takes one of the steps of materialising.
pub fn take(step: Step, world: &mut World, rules: &Rules, who: Who, process: Process, me: &mut Actor) {
    let name = if rules.own_temporary_name { who + 1 } else { 0 };
    me.next = match step {
        Step::LockView => {
            if rules.one_materialiser {
                world.view_lock = Some(who);
            }
            (me.wrote, me.failed) = (None, false);
            Step::AskWhetherLive
        }
        Step::AskWhetherLive => {
            me.live = world.looks_live(process);
            Step::OpenLog
        }
        Step::OpenLog if world.folder != Folder::There => {
            me.failed = true;
            Step::UnlockView
        }
        Step::OpenLog => {
            see_slots(world, me);
            Step::ReadLog
        }
        Step::ReadLog => {
            see_records(world, me);
            Step::AskWhetherStillLive
        }
        Step::AskWhetherStillLive if world.looks_live(process) != me.live => Step::AskWhetherLive,
        Step::AskWhetherStillLive => {
            if !may_be_written(&world.log, me, rules) {
                Step::UnlockView
            } else if is_current(world, rules, process, me) {
                me.wrote = Some(me.look);
                if rules.look_again { Step::LookAtSlots } else { release(rules) }
            } else if rules.owner_entry_last || me.wrote.is_some() {
                Step::CreateTemporary
            } else {
                Step::LockOwnerToRelease
            }
        }
        Step::CreateTemporary => {
            if rules.own_temporary_name {
                world.temporaries.clear();
            }
            put(world, rules, name, Document { shows: None, synced: false });
            Step::WriteTemporary
        }
        Step::WriteTemporary => {
            put(world, rules, name, Document { shows: Some(me.look), synced: false });
            Step::SyncTemporary
        }
        Step::SyncTemporary => {
            put(world, rules, name, Document { shows: Some(me.look), synced: true });
            Step::BeginRename
        }
        Step::BeginRename => Step::EndRename,
        Step::EndRename => {
            if !rules.written_beside || world.rename(name) {
                me.crash_was_there = world.log.has_crash(world.log.end());
                Step::SyncTraces
            } else {
                me.failed = true;
                Step::UnlockView
            }
        }
        Step::SyncTraces => {
            me.wrote = Some(me.look);
            world.view_by = Some(process);
            if world.log.status(me.look) == Status::Crashed || !rules.look_again {
                release(rules)
            } else {
                Step::LookAtSlots
            }
        }
        Step::LookAtSlots => {
            see_slots(world, me);
            Step::LookAtRecords
        }
        Step::LookAtRecords => {
            see_records(world, me);
            if world.log.status(me.look) == Status::Crashed {
                // From the beginning: what recovery has copied meanwhile would be read twice.
                Step::AskWhetherLive
            } else {
                release(rules)
            }
        }
        // Asked without the lock first: a session that is live here is nobody's to release.
        Step::LockOwnerToRelease if world.is_listed(process) => done_with_owner(rules, me),
        Step::LockOwnerToRelease => {
            world.owner_lock = Some(who);
            Step::AskWriter
        }
        Step::AskWriter => ask_writer(world, rules, process, me),
        Step::RemoveOwner => {
            world.owner = None;
            me.when_unlocked = done_with_owner(rules, me);
            Step::UnlockOwner
        }
        Step::UnlockView => {
            if rules.one_materialiser {
                world.view_lock = None;
            }
            let says_crashed = world.view_status() == Some(Status::Crashed);
            world.broken.gave_up_wrong |= me.crash_was_there && !says_crashed && !me.failed;
            let (look, live, wrote) = (Look::default(), false, None);
            *me = Actor { look, live, wrote, crash_was_there: false, failed: false, ..*me };
            me.then
        }
        other => other,
    };
}

/// The step with which the owner entry is released.
fn release(rules: &Rules) -> Step {
    if rules.owner_entry_last { Step::LockOwnerToRelease } else { Step::UnlockView }
}

/// What comes when the owner entry has been dealt with.
fn done_with_owner(rules: &Rules, me: &Actor) -> Step {
    if rules.owner_entry_last || me.wrote.is_some() { Step::UnlockView } else { Step::CreateTemporary }
}

fn put(world: &mut World, rules: &Rules, name: u8, document: Document) {
    if !rules.written_beside {
        world.view = Some(document);
    } else if let Some(there) = world.temporary(name) {
        *there = document;
    } else if document.shows.is_none() {
        world.temporaries.push((name, document));
    } else if let Some(view) = world.view.as_mut() {
        // Somebody else's rename has taken the file away under its name; the descriptor still stands for it.
        *view = document;
    }
}

fn see_slots(world: &World, me: &mut Actor) {
    me.look.slots = world.log.end().slots;
    me.crash_was_there = me.look.slots != 0;
}

fn see_records(world: &World, me: &mut Actor) {
    me.look.records = world.log.end().records;
    me.crash_was_there = world.log.has_crash(me.look);
}

/// `may_be_written` of `compact/src/materialise.rs`.
fn may_be_written(log: &Log, me: &Actor, rules: &Rules) -> bool {
    let last_has_ended = me.live || log.has_ended(me.look, log.last_shown_run(me.look));
    match log.status(me.look) {
        Status::Completed => last_has_ended && (log.ending_is_marked(me.look) || !rules.durable_before_shown),
        Status::Running => last_has_ended,
        Status::Crashed => rules.crashed_is_always_written || last_has_ended,
    }
}

/// `is_current` of `compact/src/materialise.rs`.
fn is_current(world: &World, rules: &Rules, process: Process, me: &Actor) -> bool {
    let shows_it = |shows| world.log.is_same(shows, me.look) || !rules.left_only_when_current;
    let shows = world.view.and_then(|view| view.shows).filter(|_| world.view_by == Some(process));
    shows.is_some_and(shows_it) && world.log.status(me.look) != Status::Crashed
}

/// `Store::release`, under the owner lock.
fn ask_writer(world: &World, rules: &Rules, process: Process, me: &mut Actor) -> Step {
    me.when_unlocked = done_with_owner(rules, me);
    let Some((writer, run)) = world.owner else { return Step::UnlockOwner };
    if world.is_listed(process) || !world.is_done(writer, process) {
        return Step::UnlockOwner;
    }
    if rules.look_before_release {
        // The writer is done, and whoever else writes needs this lock: nothing can come behind this look.
        see_slots(world, me);
        see_records(world, me);
        if me.wrote.is_none_or(|wrote| !world.log.is_same(wrote, me.look)) {
            me.when_unlocked = Step::AskWhetherLive;
            return Step::UnlockOwner;
        }
    }
    let unborn = rules.unborn_runs_are_released && run > world.log.last_run();
    if world.log.has_ended(me.look, run) || unborn { Step::RemoveOwner } else { Step::UnlockOwner }
}
