//! A batch, written in the transaction of its position.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use storage::{Dialect, StoreError, TableRow, Tx, range_counters, sql};

use super::rows::StepRow;
use super::tables::{LIVE, TOTAL, Tables};
use super::upsert::upsert;
use crate::domain::{Batch, Step};
use crate::use_cases::ports::Projection;

const STEP_WIDTH: usize = 7;
/// As few values in one statement as `upsert` has.
const LARGEST_STEPS: usize = 128;
/// Reservations that come one after the other are in one range or two.
const LARGEST_COUNTS: usize = 64;

/// Writes into the live view.
pub struct SqlProjection;

#[async_trait]
impl Projection for SqlProjection {
    async fn apply(&self, tx: &mut Tx, batch: Batch, slot: i32) -> Result<(), StoreError> {
        let changed = apply(tx, LIVE, batch).await?;
        count(tx, &changed, slot).await
    }
}

/// Rows and steps; the counters are the caller's business.
pub(super) async fn apply(tx: &mut Tx, tables: Tables, batch: Batch) -> Result<Vec<AnyRow>, StoreError> {
    let Batch { changes, steps } = batch;
    let changed = upsert(tx, tables.rows, changes.into_iter()).await?;
    insert_steps(tx, tables.steps, &steps).await?;
    Ok(changed)
}

async fn insert_steps(tx: &mut Tx, table: &str, steps: &[Step]) -> Result<(), StoreError> {
    for chunk in sql::chunks(steps, LARGEST_STEPS) {
        let text = format!(
            "INSERT INTO {table} ({}) VALUES {} ON CONFLICT DO NOTHING",
            StepRow::COLUMNS,
            sql::values(Dialect::of(tx), chunk.len(), STEP_WIDTH)
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for step in chunk {
            query = query
                .bind(step.reservation_id)
                .bind(step.facet().number())
                .bind(step.version)
                .bind(step.status.as_str())
                .bind(step.at_ms)
                .bind(step.trace_id.clone())
                .bind(step.attempts);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Moves the counters by what the statement changed.
async fn count(tx: &mut Tx, changed: &[AnyRow], slot: i32) -> Result<(), StoreError> {
    let mut by: BTreeMap<String, i64> = BTreeMap::new();
    for row in changed {
        let before: Option<String> = row.try_get(0)?;
        let after: String = row.try_get(1)?;
        match before {
            Some(before) if before == after => continue,
            Some(before) => *by.entry(format!("{TOTAL}/{before}")).or_default() -= 1,
            None => {
                let ranges = range_counters(TOTAL, row.try_get(2)?);
                for counter in ranges.into_iter().chain([TOTAL.to_owned()]) {
                    *by.entry(counter).or_default() += 1;
                }
            }
        }
        *by.entry(format!("{TOTAL}/{after}")).or_default() += 1;
    }
    let moved: Vec<(String, i64)> = by.into_iter().filter(|(_, n)| *n != 0).collect();
    for chunk in sql::chunks(&moved, LARGEST_COUNTS) {
        let text = format!(
            "INSERT INTO row_count (name, slot, n) VALUES {} \
             ON CONFLICT (name, slot) DO UPDATE SET n = row_count.n + excluded.n",
            sql::values(Dialect::of(tx), chunk.len(), 3)
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for (name, n) in chunk {
            query = query.bind(name.as_str()).bind(i64::from(slot)).bind(*n);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}
