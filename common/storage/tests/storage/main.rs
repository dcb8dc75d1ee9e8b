//! The promises of this crate, on every database there is (see `testkit`).

#![allow(clippy::unwrap_used)]

mod counted;
mod failure;
mod fold;
mod group_commit;
mod health;
mod lease;
mod listing;
mod migrations;
mod opening;
mod table;
mod transactions;

use storage::{Counted, Migrations};

/// What is listed is counted by code; the rest is one text for both databases.
static TABLES: Migrations = storage::migrations!("tests/migrations").counting(&[Counted {
    version: 901,
    table: "thing",
    column: "gone",
    is: "= 0",
}]);
static BROKEN: Migrations = storage::migrations!("tests/broken");
