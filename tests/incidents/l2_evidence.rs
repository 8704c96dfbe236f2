//! L2: clean-up overwrites the cause.

use crate::scene::{Died, begin, die, events, on_demand, view_of};
use crate::support::child::Part;
use crate::support::random::Random;
use crate::support::trials::{Row, folder};
use tracewal::Store;
use tracewal::event::{EndStatus, Event, Evidence, SessionEnded};
use tracewal::evidence::Fact;

/// A transport drops while tool input is streaming, and clean-up then reports failures of its own. The evidence is in the log in the order
/// in which it was given, each piece as it was, whatever came later, also after SIGKILL; of several crash records the first one's reason
/// stands.
///
/// The cause that is derived is the first as well.
///
/// Guards: `CopyUnproved`, `FirstCrashStands`, `FirstCandidateStands`.
///
/// What is derived from such evidence is in `compact/tests/incident_table.rs`.
#[test]
fn l2() {
    let mut row = Row::new("L2");
    row.case("clean-up after the first terminal evidence", 100, 4, |n| {
        let folder = folder();
        let store = on_demand().open(folder.path()).unwrap();
        let session = begin(&store, "s");
        for evidence in evidence(n) {
            session.evidence(evidence).unwrap();
        }
        session.crash("transport dropped").unwrap();
        session.crash("tool execution failed").unwrap();
        session
            .append(SessionEnded { error: Some("cleaned up".into()), ..SessionEnded::new(EndStatus::Error) })
            .unwrap();
        drop(session);
        check_evidence(&store, n);
        let view = view_of(&store, "s");
        assert_eq!(view["crash"]["reason"].as_str(), Some("transport dropped"), "the first reason");
    });
    row.case("the cause is derived, and clean-up cannot replace it", 100, 4, |n| {
        let folder = folder();
        let store = on_demand().open(folder.path()).unwrap();
        let session = store.session("s").start().unwrap();
        let mut random = Random::from(n);
        let say = |fact: Fact<'static>| session.evidence(fact.attempt("a")).unwrap();
        say(Fact::attempt_started());
        say(Fact::tool_input_started("bash"));
        say(Fact::transport_failure());
        for _ in 0..1 + random.below(40) {
            say(match random.below(4) {
                0 => Fact::tool_execution_interrupted("bash"),
                1 => Fact::tool_execution_failed("bash").source("clean-up").terminal(true),
                2 => Fact::user_cancel(),
                _ => Fact::clean_up(),
            });
        }
        // What the guard is taken away for comes at least once.
        say(Fact::user_cancel());
        session.fail("tool execution failed").unwrap();
        let incident = &view_of(&store, "s")["incidents"]["terminal"];
        assert_eq!(incident["cause"].as_str(), Some("provider-transport-disconnect"), "the first cause");
        assert_eq!(incident["phase"], "during-tool-input");
        assert_eq!(incident["facts"]["toolExecution"], "none");
        assert_eq!(incident["recovery"]["advice"], "auto-retry");
    });
    row.case("SIGKILL behind the evidence", 100, 4, |n| {
        let died = Died::of(&format!("evidence {n}")).killed_by(libc::SIGKILL);
        check_evidence(&died.reopen(), n);
    });
}

/// Of trial `n`: pieces that are streamed, what dropped the transport, and what clean-up then says, several times.
fn evidence(n: u64) -> Vec<Evidence<'static>> {
    let mut random = Random::from(n);
    let mut all = Vec::new();
    for _ in 0..1 + random.below(20) {
        let phase = if random.below(2) == 0 { "tool-input" } else { "text" };
        all.push(Evidence { phase: Some(phase.into()), ..Evidence::new("stream", "chunk") });
    }
    let terminal = |source: &'static str, cause: &'static str| Evidence {
        terminal: Some(true),
        cause: Some(cause.into()),
        ..Evidence::new(source, "failed")
    };
    all.push(terminal("transport", "transport-dropped"));
    for _ in 0..1 + random.below(20) {
        all.push(terminal("clean-up", "tool-execution-failed"));
    }
    all
}

fn check_evidence(store: &Store, n: u64) {
    let key = |evidence: &Evidence<'_>| {
        let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
        (evidence.source.to_string(), evidence.terminal, text(&evidence.cause), text(&evidence.phase))
    };
    let kept = events(store, "s", |event| match event {
        Event::Evidence(evidence) => Some(key(evidence)),
        _ => None,
    });
    let given: Vec<_> = evidence(n).iter().map(key).collect();
    assert_eq!(kept.len(), given.len(), "pieces of evidence that are left");
    assert_eq!(kept, given, "evidence is append-only");
    let first = kept.iter().find(|(_, terminal, ..)| *terminal == Some(true)).unwrap();
    assert_eq!(first.2.as_deref(), Some("transport-dropped"), "the first terminal candidate still stands");
}

pub(crate) fn die_with_evidence(part: &Part, n: u64) {
    let store = on_demand().open(&part.store).unwrap();
    let session = begin(&store, "s");
    for evidence in evidence(n) {
        session.evidence(evidence).unwrap();
    }
    die();
}
