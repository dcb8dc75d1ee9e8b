//! The store: one SQL text for SQLite and PostgreSQL.

use storage::Counted;

/// The service's tables; messaging's own come before them, with lower versions.
pub static MIGRATIONS: storage::Migrations = storage::migrations!("./migrations").counting(&[Counted {
    version: 101,
    table: "users",
    column: "email",
    is: "<> ''",
}]);
