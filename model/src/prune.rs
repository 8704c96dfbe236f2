//! Removing a session: SPEC.md section 13, step by step.

use crate::actor::Actor;
use crate::rules::Rules;
use crate::step::Step;
use crate::world::{Folder, Process, Who, World};

/// Takes one of the steps of pruning that materialising and recovery do not have. The lock of the view is held throughout.
pub fn take(step: Step, world: &mut World, rules: &Rules, who: Who, process: Process, me: &mut Actor) {
    me.next = match step {
        Step::LockView => {
            world.view_lock = Some(who);
            Step::LockOwner
        }
        Step::LockOwner => {
            world.owner_lock = Some(who);
            Step::AskToPrune
        }
        Step::AskToPrune => {
            (me.then, me.when_unlocked, me.failed) = (Step::Rest, Step::UnlockView, true);
            match world.owner {
                _ if world.folder != Folder::There => Step::UnlockOwner,
                None => Step::RemoveView,
                Some((writer, _)) if world.is_done(writer, process) => Step::Survey,
                Some(_) => Step::UnlockOwner,
            }
        }
        Step::RemoveView => {
            (world.view, world.view_by, world.view_removed) = (None, None, true);
            if rules.temporaries_are_pruned {
                world.temporaries.clear();
            }
            Step::MoveToTrash
        }
        Step::MoveToTrash => {
            world.folder = Folder::Gone;
            Step::RemoveOwnerOfNone
        }
        other => other,
    };
}
