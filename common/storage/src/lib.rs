//! A service's database: SQLite or PostgreSQL behind one SQL text.
//!
//! Reading order: [`settings`] (where it is), [`database`], `opening` and `schema` (what a start finds out), [`connections`] and
//! `transaction`, `failure` (whose fault an error is), `health` and [`files`] (whether writing succeeds, and stays), [`group_commit`] (one transaction for many who wait), [`lease`] (one holder at a time,
//! without clocks), [`mod@table`] (columns, once),
//! [`mod@fold`] (what a batch of messages changes), [`listing`] (pages that stay fast), [`ranges`] (also in the middle), [`sql`] (multi-row statements).
//!
//! What a crash leaves: a committed transaction survives the death of the process on both
//! databases. It also survives a power cut: PostgreSQL with its default `synchronous_commit`,
//! SQLite because the connection that writes sets `synchronous = FULL` in WAL mode, so every commit waits for the disk.

mod clock;
pub mod connections;
mod counted;
pub mod database;
mod dialect;
mod executor;
mod failure;
pub mod files;
pub mod fold;
pub mod group_commit;
mod health;
pub mod lease;
pub mod listed;
mod listing;
mod open_error;
mod opening;
mod pace;
mod pools;
pub mod ranges;
mod readable;
mod schema;
pub mod settings;
pub mod sql;
mod store_error;
pub mod table;
mod transaction;

pub use clock::now_ms;
pub use connections::{Connections, Lent};
pub use counted::Counted;
pub use database::Database;
pub use dialect::Dialect;
pub use failure::is_unavailable;
pub use files::{FileGone, OpenFile};
pub use fold::{Changed, FoldError, Folded, fold};
pub use group_commit::{GroupCommit, Transact};
pub use lease::Lease;
pub use listed::Listed;
pub use listing::{Listing, Order, Window};
pub use open_error::{OpenError, Unusable};
pub use pace::Pace;
pub use ranges::range_counters;
pub use readable::{ListQuery, Readable};
pub use schema::Migrations;
pub use settings::{DatabaseSettings, DatabaseUrl};
pub use store_error::{Cause, StoreError};
pub use table::TableRow;
pub use transaction::Tx;
