//! The stores: one SQL text for SQLite and PostgreSQL.

mod attempts;
mod families;
mod keys;
mod users;

use storage::Counted;

pub use attempts::SqlAttempts;
pub use families::SqlFamilies;
pub use keys::SqlKeys;
pub use users::SqlUsers;

/// The service's tables; messaging's own come before them, with lower versions.
pub static MIGRATIONS: storage::Migrations = storage::migrations!("./migrations").counting(&[Counted {
    version: 101,
    table: "users",
    column: "email",
    is: "<> ''",
}]);
