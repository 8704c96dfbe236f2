//! Everybody who takes part, one file each. To add one: write its file, and name it here.

mod commit_log;
mod fjall;
mod json_line;
mod lmdb;
mod okaywal;
mod open_wal;
mod raft_engine;
mod raw_map;
mod redb;
mod sled;
mod sqlite;
mod synced_write;
mod tracewal;
mod tracing_appender;
mod wal_db;
mod walrus;
mod write_ahead;
mod write_call;

use crate::contender::Contender;

pub use json_line::JSON_LINE;
pub use raw_map::{RAW_HELPED, RAW_POPULATED};
pub use synced_write::DEVICE;

pub static ALL: &[&dyn Contender] = &[
    &tracewal::TRACEWAL,
    &tracewal::TRACEWAL_WITH_VIEWS,
    &raw_map::POPULATED,
    &raw_map::HELPED,
    &raw_map::COLD,
    &synced_write::SyncedWrite,
    &write_call::WriteCall,
    &json_line::JsonLine,
    &lmdb::Lmdb,
    &walrus::Walrus,
    &wal_db::WalDb,
    &commit_log::CommitLog,
    &fjall::Fjall,
    &raft_engine::RaftEngine,
    &sqlite::Sqlite,
    &redb::Redb,
    &okaywal::OkayWal,
    &write_ahead::WriteAhead,
    &open_wal::OpenWal,
    &tracing_appender::TracingAppender,
    &sled::Sled,
];

/// The contender of this name.
pub fn named(name: &str) -> Option<&'static dyn Contender> {
    ALL.iter().copied().find(|contender| contender.facts().name == name)
}
