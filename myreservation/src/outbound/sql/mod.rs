//! The SQL adapter of the view: one text for SQLite and PostgreSQL.
//!
//! Reading order: [`rows`] (columns and rows), [`upsert`] (the one statement that writes rows), [`mod@write`] (a batch),
//! [`read`] (what clients see), [`shadow`] (a second view beside the live one, for a rebuild), [`catalog`].

mod catalog;
mod read;
mod rows;
mod shadow;
mod tables;
mod upsert;
mod write;

use storage::Database;

pub use read::SqlView;
pub use shadow::SqlShadow;
pub use write::SqlProjection;

/// Schema of this service's own tables.
pub static MIGRATIONS: storage::Migrations = storage::migrations!("migrations/sqlite", "migrations/postgres");

/// Reading and writing of one database.
pub fn adapters(database: &Database) -> (SqlView, SqlProjection) {
    (SqlView::new(database.clone()), SqlProjection)
}
