//! Why a session stopped, derived from its log: a pure function of the order of its events (SPEC.md sections 11.8 to 11.10).
//!
//! Nothing that comes later replaces what came first. What is kept while a log is read is bounded, whatever the log holds.
//!
//! | module | holds |
//! |---|---|
//! | `story`, `from_spans` | one run: evidence and spans become facts about attempts, and candidates |
//! | `candidates` | which evidence may be a cause |
//! | `attempt`, `known`, `lanes` | one attempt; what is known of it; the attempts of a run side by side |
//! | `derive` | the terminal cause, and the incidents |
//! | `advice` | what may be done |
//! | `bounds` | which evidence is kept and shown |
//! | `privacy` | what may be told of texts |
//! | `cause` | the words |
//! | `close` | under which lifecycle action a session ended |
//! | `incident_json`, `sentence` | an incident as JSON, and in words |

mod advice;
mod attempt;
mod bounds;
mod candidates;
mod cause;
mod close;
mod derive;
mod from_spans;
pub(crate) mod incident_json;
mod known;
mod lanes;
mod privacy;
mod sentence;
mod story;

pub use crate::actions::{Action, Cover};
pub use advice::{Advice, Recovery, RetryBudget};
pub use bounds::Piece;
pub use cause::{Cause, Confidence, CrashKind, Missing, Phase};
pub use close::{Close, CloseKind, Provenance};
pub(crate) use derive::Gathered;
pub use derive::{Incident, Incidents};
pub use incident_json::{close_json, incidents_json};
pub use known::{Execution, Facts, SideEffect};
pub use sentence::{advice_sentence, sentence};
pub(crate) use story::Now;
