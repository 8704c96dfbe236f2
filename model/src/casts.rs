//! Who takes part: small companies of actors, each of which can be watched in all its ways.

use crate::actor::{Member, Part, Writer};
use crate::protocol::Protocol;
use crate::rules::Rules;

/// A named company.
#[derive(Clone, Debug)]
pub struct Cast {
    /// What it is called.
    pub name: &'static str,
    /// Who takes part.
    pub members: Vec<Member>,
    /// Small enough for an unoptimised build.
    pub small: bool,
}

impl Cast {
    /// As a model.
    #[must_use]
    pub fn with(&self, rules: Rules) -> Protocol {
        Protocol { cast: self.members.clone(), rules, kills: true }
    }
}

const WRITER: Writer = Writer { resumes: false, appends: 0, crashes: false, panics: false };

/// The companies whose paths can be walked from outside: without a thread that syncs when it likes, and without a panic.
#[must_use]
pub fn replayed() -> Vec<Cast> {
    let is_walkable = |member: &Member| match member.part {
        Part::Syncer => false,
        Part::Writer(writer) => !writer.panics,
        _ => true,
    };
    all().into_iter().filter(|cast| cast.members.iter().all(is_walkable)).collect()
}

/// The companies that are checked. The first process writes, with everything that runs in it.
#[must_use]
pub fn all() -> Vec<Cast> {
    let first = |part| Member { part, process: 0 };
    let other = |process, part| Member { part, process };
    let starts = |writer: Writer| first(Part::Writer(writer));
    let resumes = |process| other(process, Part::Writer(Writer { resumes: true, ..WRITER }));
    let once = Part::Materialiser(1);
    vec![
        Cast {
            name: "a crash while two others materialise",
            members: vec![starts(WRITER), first(Part::Handler), first(once), other(1, once)],
            small: true,
        },
        Cast {
            name: "recovery beside the living and the dying",
            members: vec![
                starts(Writer { crashes: true, ..WRITER }),
                first(Part::Handler),
                other(1, once),
                other(2, Part::Recoverer),
            ],
            small: false,
        },
        Cast {
            name: "a panic after closing",
            members: vec![
                starts(Writer { panics: true, ..WRITER }),
                first(once),
                resumes(1),
                other(2, Part::Recoverer),
            ],
            small: false,
        },
        Cast {
            name: "events and group commit",
            members: vec![
                starts(Writer { appends: 1, crashes: true, ..WRITER }),
                first(Part::Syncer),
                first(Part::Handler),
                first(Part::Materialiser(2)),
            ],
            small: false,
        },
        Cast {
            name: "resumed elsewhere",
            members: vec![
                starts(WRITER),
                first(Part::Handler),
                resumes(1),
                other(2, once),
                other(3, Part::Recoverer),
            ],
            small: false,
        },
        Cast {
            name: "pruned meanwhile",
            members: vec![
                starts(WRITER),
                first(Part::Handler),
                other(1, once),
                other(2, Part::Pruner),
                other(3, Part::Recoverer),
            ],
            small: false,
        },
    ]
}
