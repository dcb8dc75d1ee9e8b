//! A table's twin, made from the database's own catalogue: so that what a rebuild makes is what the migrations made.

use sqlx::AssertSqlSafe;
use storage::{Database, Dialect};

/// An index of a twin, not yet created.
pub(super) struct IndexPlan {
    pub(super) statement: String,
}

/// Creates `twin` with the columns and the primary key of `table`, and no other index.
pub(super) async fn create_twin(database: &Database, table: &str, twin: &str) -> Result<(), sqlx::Error> {
    match database.dialect() {
        Dialect::Sqlite => {
            let sql: String =
                sqlx::query_scalar("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = $1")
                    .bind(table.to_owned())
                    .fetch_one(database.reader())
                    .await?;
            execute(database, format!("CREATE TABLE {twin} {}", from_parenthesis(&sql)?)).await
        }
        Dialect::Postgres => {
            let options: String = sqlx::query_scalar(
                "SELECT COALESCE(array_to_string(reloptions, ', '), '') FROM pg_class WHERE oid = CAST($1 AS regclass)",
            )
            .bind(table.to_owned())
            .fetch_one(database.reader())
            .await?;
            let key: String = sqlx::query_scalar(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint \
                 WHERE conrelid = CAST($1 AS regclass) AND contype = 'p'",
            )
            .bind(table.to_owned())
            .fetch_one(database.reader())
            .await?;
            let with = if options.is_empty() { options } else { format!(" WITH ({options})") };
            execute(
                database,
                format!("CREATE TABLE {twin} (LIKE {table} INCLUDING ALL EXCLUDING INDEXES){with}"),
            )
            .await?;
            execute(database, format!("ALTER TABLE {twin} ADD {key}")).await
        }
    }
}

/// The other indexes of `table`, as they have to be created for `twin`.
pub(super) async fn indexes(
    database: &Database,
    table: &str,
    twin: &str,
) -> Result<Vec<IndexPlan>, sqlx::Error> {
    let text = match database.dialect() {
        Dialect::Sqlite => {
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = $1 AND sql IS NOT NULL"
        }
        Dialect::Postgres => {
            "SELECT CAST(c.relname AS TEXT), pg_get_indexdef(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             WHERE i.indrelid = CAST($1 AS regclass) AND NOT i.indisprimary"
        }
    };
    let found: Vec<(String, String)> =
        sqlx::query_as(text).bind(table.to_owned()).fetch_all(database.reader()).await?;
    found
        .into_iter()
        .map(|(name, sql)| {
            let statement =
                format!("CREATE INDEX {} ON {twin} {}", other_name(&name), from_parenthesis(&sql)?);
            Ok(IndexPlan { statement })
        })
        .collect()
}

/// The names alternate: the old index still has the one while the new one is made.
fn other_name(name: &str) -> String {
    match name.strip_suffix("_b") {
        Some(first) => first.to_owned(),
        None => format!("{name}_b"),
    }
}

fn from_parenthesis(sql: &str) -> Result<&str, sqlx::Error> {
    let start = sql
        .find('(')
        .ok_or_else(|| sqlx::Error::Decode(format!("no definition was expected to be '{sql}'").into()))?;
    Ok(&sql[start..])
}

pub(super) async fn execute(database: &Database, statement: String) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(statement)).execute(database.writer().await?).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_alternate() {
        assert_eq!(other_name("my_reservation_user"), "my_reservation_user_b");
        assert_eq!(other_name("my_reservation_user_b"), "my_reservation_user");
    }
}
