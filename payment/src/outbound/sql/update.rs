use std::collections::HashSet;

use messaging::Outbox;
use sqlx::{AssertSqlSafe, Row};
use storage::{Tx, sql};

use super::record::record;
use crate::domain::{Change, State};

const COLUMN_COUNT: usize = 8;
const LARGEST_UPDATE: usize = 64;

/// Where changes and their facts go, always together.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) outbox: Outbox,
    pub(super) topic: String,
}

/// Each change is a compare-and-set on the status; as many as come together are one statement.
fn text(rows: usize) -> String {
    format!(
        "WITH change (id, old_status, new_status, version, created_at, modified_at, decline_code, decline_message) \
         AS (VALUES {}) \
         UPDATE payment SET status = change.new_status, version = change.version, \
         created_at = change.created_at, modified_at = change.modified_at, \
         decline_code = change.decline_code, decline_message = change.decline_message \
         FROM change WHERE payment.id = change.id AND payment.status = change.old_status \
         RETURNING payment.id",
        sql::values(rows, COLUMN_COUNT)
    )
}

/// Stores the changes whose payments still have the status that they started from, and appends their facts.
pub(super) async fn save(tx: &mut Tx, target: &Target, changes: &[Change]) -> Result<Vec<bool>, sqlx::Error> {
    let mut stored = HashSet::with_capacity(changes.len());
    for chunk in sql::chunks(changes, LARGEST_UPDATE) {
        let mut query = sqlx::query(AssertSqlSafe(text(chunk.len())));
        for change in chunk {
            let payment = change.after();
            let decline = match &payment.state {
                State::Declined(decline) => Some(decline),
                _ => None,
            };
            query = query
                .bind(payment.id)
                .bind(change.before().as_str())
                .bind(payment.status().as_str())
                .bind(payment.version)
                .bind(payment.created_at)
                .bind(payment.modified_at)
                .bind(decline.map(|decline| decline.code.as_str()))
                .bind(decline.map(|decline| decline.message.as_str()));
        }
        for row in query.fetch_all(&mut **tx).await? {
            stored.insert(row.try_get::<i64, _>(0)?);
        }
    }
    let records: Vec<_> = changes
        .iter()
        .map(Change::after)
        .zip(changes)
        .filter(|(payment, _)| stored.contains(&payment.id))
        .flat_map(|(payment, change)| {
            let record = |event| record(&target.topic, payment.id, event, payment.modified_at);
            change.events().iter().map(record)
        })
        .collect();
    target.outbox.append(tx, &records).await?;
    Ok(changes.iter().map(|change| stored.contains(&change.after().id)).collect())
}
