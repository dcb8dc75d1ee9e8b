//! The promises of this crate, on every database there is (see `testkit`).

#![allow(clippy::unwrap_used)]

mod failure;
mod group_commit;
mod health;
mod lease;
mod listing;
mod migrations;
mod opening;
mod transactions;

use sqlx::migrate::Migrator;
use storage::Migrations;

static SQLITE: Migrator = sqlx::migrate!("tests/migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("tests/migrations/postgres");
const TABLES: Migrations = Migrations { sqlite: &SQLITE, postgres: &POSTGRES };

static BROKEN_SQLITE: Migrator = sqlx::migrate!("tests/broken/sqlite");
static BROKEN_POSTGRES: Migrator = sqlx::migrate!("tests/broken/postgres");
const BROKEN: Migrations = Migrations { sqlite: &BROKEN_SQLITE, postgres: &BROKEN_POSTGRES };
