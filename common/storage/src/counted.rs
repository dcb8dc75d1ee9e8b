//! How many rows of a table are listed, kept by triggers (ADR 6): the migration that makes them, for both databases.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType};

use crate::dialect::Dialect;

/// A table whose rows are counted while one of their columns has, or has not, a value. The counter has the table's name.
///
/// Its migration may come with the table's own or after it: what is there already is counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Of the migration, one that no other migration of the database has.
    pub version: i64,
    pub table: &'static str,
    pub column: &'static str,
    /// What the column has to be: `= 'paid'`, `<> 'cancelled'`, `IS NOT NULL`.
    pub is: &'static str,
}

impl Counted {
    pub(crate) fn migration(&self, dialect: Dialect) -> Migration {
        let text = match dialect {
            Dialect::Sqlite => self.sqlite(),
            Dialect::Postgres => self.postgres(),
        };
        let description = format!("count {}", self.table);
        let text = sqlx::AssertSqlSafe(text).into_sql_str();
        Migration::new(self.version, description.into(), MigrationType::Simple, text, false)
    }

    /// One writer at a time, so one slot.
    fn sqlite(&self) -> String {
        let Self { table, column, is, .. } = self;
        let change = |n: &str| {
            format!(
                "INSERT INTO row_count (name, slot, n) VALUES ('{table}', 0, {n}) \
                 ON CONFLICT (name, slot) DO UPDATE SET n = n + excluded.n"
            )
        };
        // A comparison with NULL is neither true nor false.
        let [counted, was_counted] = ["NEW", "OLD"].map(|row| format!("COALESCE({row}.{column} {is}, 0)"));
        let (more, less) = (change("1"), change("-1"));
        let either = change(&format!("CASE WHEN {counted} THEN 1 ELSE -1 END"));
        format!(
            "CREATE TABLE IF NOT EXISTS row_count (\
             name TEXT NOT NULL, slot INTEGER NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (name, slot)) WITHOUT ROWID;\n\
             INSERT INTO row_count (name, slot, n) SELECT '{table}', 0, COUNT(*) FROM {table} WHERE {column} {is};\n\
             CREATE TRIGGER {table}_count_insert AFTER INSERT ON {table} WHEN {counted} BEGIN {more}; END;\n\
             CREATE TRIGGER {table}_count_update AFTER UPDATE OF {column} ON {table} \
             WHEN {counted} <> {was_counted} BEGIN {either}; END;\n\
             CREATE TRIGGER {table}_count_delete AFTER DELETE ON {table} WHEN {was_counted} BEGIN {less}; END;\n"
        )
    }

    /// The triggers fire once a statement, because rows come in batches. A backend uses the slot of its process id, so that
    /// concurrent transactions do not queue on one row.
    fn postgres(&self) -> String {
        let Self { table, column, is, .. } = self;
        let count = |rows: &str| format!("(SELECT COUNT(*) FROM {rows} WHERE {column} {is})");
        let (more, less) = (count("added"), count("removed"));
        let trigger = |event: &str, rows: &str| {
            format!(
                "CREATE TRIGGER {table}_count_{} AFTER {event} ON {table} REFERENCING {rows} \
                 FOR EACH STATEMENT EXECUTE FUNCTION count_{table}();\n",
                event.to_lowercase()
            )
        };
        let triggers = trigger("INSERT", "NEW TABLE AS added")
            + &trigger("UPDATE", "OLD TABLE AS removed NEW TABLE AS added")
            + &trigger("DELETE", "OLD TABLE AS removed");
        format!(
            "CREATE TABLE IF NOT EXISTS row_count (\
             name TEXT NOT NULL, slot INTEGER NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (name, slot)) \
             WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);\n\
             CREATE FUNCTION count_{table}() RETURNS trigger LANGUAGE plpgsql AS $$\n\
             DECLARE change BIGINT := 0;\n\
             BEGIN\n\
             IF TG_OP <> 'DELETE' THEN change := change + {more}; END IF;\n\
             IF TG_OP <> 'INSERT' THEN change := change - {less}; END IF;\n\
             IF change <> 0 THEN\n\
             INSERT INTO row_count (name, slot, n) VALUES ('{table}', pg_backend_pid() % 16, change)\n\
             ON CONFLICT (name, slot) DO UPDATE SET n = row_count.n + excluded.n;\n\
             END IF;\n\
             RETURN NULL;\n\
             END $$;\n\
             {triggers}\
             INSERT INTO row_count (name, slot, n) SELECT '{table}', 0, COUNT(*) FROM {table} WHERE {column} {is};\n"
        )
    }
}
