//! Models.
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
