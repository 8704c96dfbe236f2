//! The protocol of materialising, crashing and recovering (SPEC.md sections 10 and 12), as a model that is checked exhaustively: writers,
//! crash handlers, materialisers, recoverers, a pruner and a resumer, with a kill of any process between any two steps.
//!
//! | module | holds |
//! |---|---|
//! | [`protocol`] | the state machine, and the properties that hold in every state (I4, I5, I6) |
//! | [`world`], [`log`] | what is shared: folders, files, locks, the log |
//! | [`actor`], [`step`] | who takes part, and the steps that they take; each is named for what it is in the code |
//! | [`write`](mod@write), [`materialise`], [`prune`] | what each step does |
//! | [`casts`] | small companies of actors, each of which is watched in all its ways |
//! | [`rules`] | the rules of the protocol: without any one of them the checker has to find a counterexample |
//!
//! `cargo run --release -p tracewal-model` checks all of it, then takes the rules away one by one.
pub mod actor;
pub mod casts;
pub mod log;
pub mod materialise;
pub mod protocol;
pub mod prune;
pub mod rules;
pub mod step;
pub mod world;
pub mod write;
