//! A second view beside the live one. It lies in the same database, so that one transaction can swap the two.

use async_trait::async_trait;
use messaging::mark::Mark;
use sqlx::{AssertSqlSafe, Executor, Row as _};
use storage::{Database, Dialect, StoreError, TableRow, Tx, ranges};

use super::rows::{Row, StepRow};
use super::tables::{LIVE, SHADOW, TOTAL};
use super::{catalog, write};
use crate::domain::Batch;
use crate::use_cases::ports::{Difference, Positions, Shadow, Swap, Vanished};

/// How many differences are shown of each kind.
const SHOWN: i64 = 20;

pub struct SqlShadow {
    database: Database,
    topic: String,
    /// Names this rebuild: two at a time would fill the same tables, and only the later one may swap.
    owner: String,
}

impl SqlShadow {
    pub fn new(database: Database, topic: String) -> Self {
        Self { database, topic, owner: uuid::Uuid::new_v4().to_string() }
    }

    async fn drop_tables(&self) -> Result<(), StoreError> {
        for table in [SHADOW.rows, SHADOW.steps] {
            catalog::execute(&self.database, format!("DROP TABLE IF EXISTS {table}")).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Shadow for SqlShadow {
    async fn create(&self) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO my_reservation_rebuild (id, owner, done, total) VALUES (1, $1, 0, 0) \
             ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, done = 0, total = 0",
        )
        .bind(self.owner.clone())
        .execute(self.database.writer().await?)
        .await?;
        self.drop_tables().await?;
        catalog::create_twin(&self.database, LIVE.rows, SHADOW.rows).await?;
        Ok(catalog::create_twin(&self.database, LIVE.steps, SHADOW.steps).await?)
    }

    async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(self.database.begin().await?)
    }

    async fn apply(&self, tx: &mut Tx, batch: Batch) -> Result<(), StoreError> {
        write::apply(tx, SHADOW, batch).await.map(drop)
    }

    async fn build_indexes(&self) -> Result<(), StoreError> {
        for (table, twin) in [(LIVE.rows, SHADOW.rows), (LIVE.steps, SHADOW.steps)] {
            for index in catalog::indexes(&self.database, table, twin).await? {
                catalog::execute(&self.database, index.statement).await?;
            }
        }
        if self.database.dialect() == Dialect::Postgres {
            // PostgreSQL plans a table without statistics as if it were nearly empty.
            catalog::execute(&self.database, format!("ANALYZE {}", SHADOW.rows)).await?;
        }
        Ok(())
    }

    async fn live_positions(&self) -> Result<Positions, StoreError> {
        let rows: Vec<(i32, i64)> =
            sqlx::query_as("SELECT log_partition, next_offset FROM inbox_position WHERE topic = $1")
                .bind(self.topic.clone())
                .fetch_all(self.database.reader())
                .await?;
        Ok(rows.into_iter().collect())
    }

    async fn live_marks(&self) -> Result<Vec<(i32, Mark)>, StoreError> {
        let rows: Vec<(i32, Option<String>, Option<String>)> =
            sqlx::query_as("SELECT log_partition, anchor, mark FROM inbox_position WHERE topic = $1")
                .bind(self.topic.clone())
                .fetch_all(self.database.reader())
                .await?;
        let mut marks = Vec::new();
        for (partition, anchor, mark) in rows {
            marks.extend(
                [anchor, mark].into_iter().flatten().filter_map(|mark| Some((partition, mark.parse().ok()?))),
            );
        }
        Ok(marks)
    }

    async fn hold_live(&self, tx: &mut Tx) -> Result<Positions, StoreError> {
        // An update that changes nothing: it takes the rows' locks on PostgreSQL (the whole database's on SQLite was
        // taken by the BEGIN), and the consumer's guard still finds its owner and offset afterwards.
        let rows: Vec<(i32, i64)> = sqlx::query_as(
            "UPDATE inbox_position SET next_offset = next_offset WHERE topic = $1 \
             RETURNING log_partition, next_offset",
        )
        .bind(self.topic.clone())
        .fetch_all(&mut **tx)
        .await?;
        Ok(rows.into_iter().collect())
    }

    async fn differences(&self, tx: &mut Tx) -> Result<(Vec<Difference>, i64), StoreError> {
        let mut differences = Vec::new();
        let mut count = 0;
        for (old, new, columns, id) in [
            (LIVE.rows, SHADOW.rows, Row::COLUMNS, "id"),
            (LIVE.steps, SHADOW.steps, StepRow::COLUMNS, "reservation_id"),
        ] {
            // EXCEPT compares all columns, nulls included.
            let only_in = |one: &str, other: &str| {
                format!("SELECT {columns} FROM {one} EXCEPT SELECT {columns} FROM {other}")
            };
            let changed = format!(
                "(SELECT {id}, CAST(1 AS BIGINT) AS in_old, CAST(0 AS BIGINT) AS in_new FROM ({}) AS gone \
                 UNION ALL SELECT {id}, CAST(0 AS BIGINT), CAST(1 AS BIGINT) FROM ({}) AS added) AS changed",
                only_in(old, new),
                only_in(new, old)
            );
            let shown = format!(
                "SELECT {id}, CAST(SUM(in_old) AS BIGINT), CAST(SUM(in_new) AS BIGINT) FROM {changed} \
                 GROUP BY {id} ORDER BY {id} LIMIT $1"
            );
            for row in sqlx::query(AssertSqlSafe(shown)).bind(SHOWN).fetch_all(&mut **tx).await? {
                differences.push(Difference {
                    table: old,
                    reservation_id: row.try_get(0)?,
                    in_old: row.try_get::<i64, _>(1)? > 0,
                    in_new: row.try_get::<i64, _>(2)? > 0,
                });
            }
            let counted = format!("SELECT COUNT(DISTINCT {id}) FROM {changed}");
            count += sqlx::query_scalar::<_, i64>(AssertSqlSafe(counted)).fetch_one(&mut **tx).await?;
        }
        Ok((differences, count))
    }

    async fn vanished(&self, tx: &mut Tx) -> Result<Vanished, StoreError> {
        let mut counts = [0; 2];
        for (count, (old, new, key)) in counts.iter_mut().zip([
            (LIVE.rows, SHADOW.rows, "id"),
            (LIVE.steps, SHADOW.steps, "reservation_id, facet, version"),
        ]) {
            let gone = format!(
                "SELECT COUNT(*) FROM (SELECT {key} FROM {old} EXCEPT SELECT {key} FROM {new}) AS gone"
            );
            *count = sqlx::query_scalar(AssertSqlSafe(gone)).fetch_one(&mut **tx).await?;
        }
        let [reservations, steps] = counts;
        Ok(Vanished { reservations, steps })
    }

    async fn swap(&self, tx: &mut Tx, held: &Positions) -> Result<Swap, StoreError> {
        let owned = sqlx::query("DELETE FROM my_reservation_rebuild WHERE id = 1 AND owner = $1")
            .bind(self.owner.clone())
            .execute(&mut **tx)
            .await?;
        if owned.rows_affected() == 0 {
            return Ok(Swap::TakenOver);
        }
        if self.database.dialect() == Dialect::Postgres {
            // From here on nobody writes the old tables. A partition that had no row when the others were held may
            // have been written until now.
            let lock = format!("LOCK TABLE {}, {} IN ACCESS EXCLUSIVE MODE", LIVE.rows, LIVE.steps);
            tx.execute(AssertSqlSafe(lock)).await?;
        }
        let now: Vec<(i32, i64)> =
            sqlx::query_as("SELECT log_partition, next_offset FROM inbox_position WHERE topic = $1")
                .bind(self.topic.clone())
                .fetch_all(&mut **tx)
                .await?;
        if now.iter().any(|(partition, next)| held.get(partition).copied().unwrap_or(0) != *next) {
            return Ok(Swap::Moved);
        }
        tx.execute(AssertSqlSafe(format!("DELETE FROM row_count WHERE name LIKE '{TOTAL}%'"))).await?;
        let recount = ranges::recount(self.database.dialect(), TOTAL, SHADOW.rows);
        tx.execute(AssertSqlSafe(recount)).await?;
        tx.execute(AssertSqlSafe(format!(
            "INSERT INTO row_count (name, slot, n) \
             SELECT '{TOTAL}/' || outcome, 0, COUNT(*) FROM {} GROUP BY outcome",
            SHADOW.rows
        )))
        .await?;
        for (live, shadow) in [(LIVE.rows, SHADOW.rows), (LIVE.steps, SHADOW.steps)] {
            tx.execute(AssertSqlSafe(format!("DROP TABLE {live}"))).await?;
            tx.execute(AssertSqlSafe(format!("ALTER TABLE {shadow} RENAME TO {live}"))).await?;
        }
        Ok(Swap::Done)
    }

    async fn report(&self, done: i64, total: i64) -> Result<bool, StoreError> {
        let owned = sqlx::query(
            "UPDATE my_reservation_rebuild SET done = $1, total = $2 WHERE id = 1 AND owner = $3",
        )
        .bind(done)
        .bind(total)
        .bind(self.owner.clone())
        .execute(self.database.writer().await?)
        .await?;
        Ok(owned.rows_affected() == 1)
    }

    async fn discard(&self) -> Result<(), StoreError> {
        let owned = sqlx::query("DELETE FROM my_reservation_rebuild WHERE id = 1 AND owner = $1")
            .bind(self.owner.clone())
            .execute(self.database.writer().await?)
            .await?;
        if owned.rows_affected() == 1 {
            self.drop_tables().await?;
        }
        Ok(())
    }
}
