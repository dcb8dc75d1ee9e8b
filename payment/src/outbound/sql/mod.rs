//! The store: one SQL text for SQLite and PostgreSQL.
//!
//! Reading order: `store` (the port), `cancellations` (the same inside a consumer's transaction), then the
//! statements: `insert`, `update`, `list`, and `row`, which translates.

mod cancellations;
mod insert;
mod list;
mod row;
mod store;
mod update;

pub use store::SqlPaymentStore;

/// The service's tables; messaging's own come before them, with lower versions.
pub static MIGRATIONS: storage::Migrations = storage::migrations!("migrations/sqlite", "migrations/postgres");
