//! The adapters of the ports: [`sql`] keeps payments in SQLite or PostgreSQL, [`simulated`] is a card network in
//! miniature, [`measured`] tells how long a card network takes.

pub mod measured;
pub mod simulated;
pub mod sql;
