//! The schema: whether it is the one that this release works with, and how it becomes it.

use std::collections::BTreeSet;

use sqlx::migrate::{Migrate, MigrateError, Migration, Migrator};
use sqlx::{AnyConnection, Connection};

use crate::connections::Connections;
use crate::dialect::Dialect;
use crate::failure::is_right_missing;
use crate::open_error::OpenError;
use crate::pools::Pools;

/// Migrations of all parts of a service share one ledger.
const LEDGER: &str = "_sqlx_migrations";

/// The same schema, once per database.
#[derive(Clone, Copy)]
pub struct Migrations {
    pub sqlite: &'static Migrator,
    pub postgres: &'static Migrator,
}

impl Migrations {
    fn of(self, dialect: Dialect) -> &'static Migrator {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        }
    }
}

/// Migrates what is to be migrated. Where nothing is, nothing is written: the role needs no right to.
pub(crate) async fn bring_up_to_date(
    pools: &Pools,
    migrations: &[Migrations],
    migrate: bool,
) -> Result<(), OpenError> {
    let url = || pools.display_url();
    let missing = missing(pools, migrations).await;
    let missing = missing.map_err(|source| OpenError::Migrate { url: url(), reason: explained(&source) })?;
    let Some(first) = missing.first() else { return Ok(()) };
    if !migrate {
        return Err(OpenError::Outdated { url: url(), missing: missing.len(), first: described(first) });
    }
    for migrations in migrations {
        let applied = apply(pools, *migrations).await;
        applied.map_err(|source| OpenError::Migrate { url: url(), reason: explained(&source) })?;
    }
    Ok(())
}

async fn missing(pools: &Pools, migrations: &[Migrations]) -> Result<Vec<&'static Migration>, MigrateError> {
    let dialect = pools.dialect();
    let known: Vec<_> = migrations.iter().flat_map(|migrations| migrations.of(dialect).iter()).collect();
    if known.is_empty() {
        return Ok(known);
    }
    let mut connection = pools.reader.acquire().await?;
    let mut applied = applied(&mut connection, dialect).await?;
    let mut missing = Vec::new();
    for migration in known {
        match applied.iter().position(|applied| applied.version == migration.version) {
            Some(place) if applied.swap_remove(place).checksum == migration.checksum => {}
            Some(_) => return Err(MigrateError::VersionMismatch(migration.version)),
            None => missing.push(migration),
        }
    }
    if !applied.is_empty() {
        // During a rolling update, and after a way back, which a release must survive.
        let unknown: BTreeSet<i64> = applied.iter().map(|migration| migration.version).collect();
        let database = pools.display_url();
        tracing::info!(
            database,
            ?unknown,
            "the schema has migrations that this release does not know: a newer one was here"
        );
    }
    Ok(missing)
}

async fn applied(
    connection: &mut AnyConnection,
    dialect: Dialect,
) -> Result<Vec<sqlx::migrate::AppliedMigration>, MigrateError> {
    let is_there = match dialect {
        Dialect::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE name = $1",
        Dialect::Postgres => "SELECT count(to_regclass($1))",
    };
    let is_there: i64 = sqlx::query_scalar(is_there).bind(LEDGER).fetch_one(&mut *connection).await?;
    if is_there == 0 {
        return Ok(Vec::new());
    }
    if let Some(version) = connection.dirty_version(LEDGER).await? {
        return Err(MigrateError::Dirty(version));
    }
    connection.list_applied_migrations(LEDGER).await
}

async fn apply(pools: &Pools, migrations: Migrations) -> Result<(), MigrateError> {
    let migrator = migrations.of(pools.dialect());
    let mut migrator = Migrator::with_migrations(migrator.iter().cloned().collect());
    migrator.set_ignore_missing(true);
    match &pools.writer {
        // It has no lock for migrations: the write lock keeps processes that start together apart.
        Some(writer) => in_one_transaction(writer, &migrator).await,
        // Replicas wait for each other's advisory lock.
        None => one_after_another(&pools.reader, &migrator).await,
    }
}

async fn in_one_transaction(writer: &Connections, migrator: &Migrator) -> Result<(), MigrateError> {
    let mut connection = writer.acquire().await?;
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    // `run` on a transaction gives a future that cannot be sent to another thread.
    migrator.run_direct(None, &mut *tx, false).await?;
    tx.commit().await?;
    Ok(())
}

async fn one_after_another(pool: &Connections, migrator: &Migrator) -> Result<(), MigrateError> {
    migrator.run_direct(None, &mut *pool.acquire().await?, false).await
}

fn described(migration: &Migration) -> String {
    format!("{} ({})", migration.version, migration.description)
}

/// With what to do about it.
fn explained(error: &MigrateError) -> String {
    let advice = match error {
        MigrateError::VersionMismatch(_) => {
            "the database is another service's, or of a release that was not kept"
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)
            if is_right_missing(error) =>
        {
            "the role must be allowed to create tables, or one that is migrates first: database.migrate"
        }
        _ => return error.to_string(),
    };
    format!("{error}: {advice}")
}
