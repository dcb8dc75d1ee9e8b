//! What clients and operators see.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row as _};
use storage::{Database, Listed, Listing, StoreError, TableRow};

use super::rows::{Row, StepRow};
use super::tables::TOTAL;
use crate::domain::{MyReservation, Outcome, Step};
use crate::use_cases::ports::{Field, SagaCounts, Unfinished, View};

/// Open since it was asked for, compensating since its cancellation.
const UNFINISHED: &str = "SELECT outcome, COUNT(*), MIN(since), COUNT(CASE WHEN since < $1 THEN 1 END) FROM (\
     SELECT outcome, CASE WHEN reservation_status = 'reservation_cancelled' THEN reservation_modified_at \
     ELSE created_at END AS since FROM my_reservation WHERE outcome IN ('open', 'compensating')) AS unfinished \
     GROUP BY outcome";

#[derive(Clone)]
pub struct SqlView {
    database: Database,
}

impl SqlView {
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

impl Listed for SqlView {
    type Row = Row;
    type Item = MyReservation;
    type Field = Field;
    const LISTING: Listing<Row> = Listing::of("TRUE").counted_by_ranges(TOTAL);

    fn database(&self) -> &Database {
        &self.database
    }

    fn column(field: Field) -> &'static str {
        match field {
            Field::Id => "id",
            Field::CreatedAt => "created_at",
            Field::UserId => "user_id",
            Field::Price => "price",
        }
    }
}

#[async_trait]
impl View for SqlView {
    async fn steps(&self, id: i64) -> Result<Vec<Step>, StoreError> {
        let text = StepRow::select("WHERE reservation_id = $1 ORDER BY facet, version");
        let query = sqlx::query_as(AssertSqlSafe(text)).bind(id);
        query.fetch_all(self.database.reader()).await?.into_iter().map(StepRow::try_into).collect()
    }

    async fn reservation_version(&self, id: i64) -> Result<i64, StoreError> {
        let version: Option<i64> =
            sqlx::query_scalar("SELECT reservation_version FROM my_reservation WHERE id = $1")
                .bind(id)
                .fetch_optional(self.database.reader())
                .await?;
        Ok(version.unwrap_or(0))
    }

    async fn sagas(&self, stuck_before_ms: i64) -> Result<SagaCounts, StoreError> {
        let counted: Vec<(String, i64)> = sqlx::query_as(
            "SELECT name, CAST(SUM(n) AS BIGINT) FROM row_count WHERE name LIKE 'my_reservation/%' GROUP BY name",
        )
        .fetch_all(self.database.reader())
        .await?;
        let by_outcome: BTreeMap<Outcome, i64> = counted
            .into_iter()
            .filter_map(|(name, n)| Some((Outcome::parse(name.rsplit('/').next()?)?, n)))
            .collect();
        let rows = sqlx::query(UNFINISHED).bind(stuck_before_ms).fetch_all(self.database.reader()).await?;
        let mut unfinished = Unfinished::default();
        for row in rows {
            let since: Option<i64> = row.try_get(2)?;
            unfinished.oldest_since_ms = [unfinished.oldest_since_ms, since].into_iter().flatten().min();
            unfinished.stuck += row.try_get::<i64, _>(3)?;
        }
        Ok(SagaCounts { by_outcome, unfinished })
    }

    async fn rebuild_progress(&self) -> Result<Option<(i64, i64)>, StoreError> {
        let text = "SELECT done, total FROM my_reservation_rebuild WHERE id = 1";
        Ok(sqlx::query_as(text).fetch_optional(self.database.reader()).await?)
    }
}
