use std::collections::HashSet;

use events::Envelope;
use messaging::Outbox;
use sqlx::AssertSqlSafe;
use storage::{Database, Dialect, StoreError, Transact, Tx, sql};

use crate::domain::{Change, State};

const COLUMN_COUNT: usize = 8;
const LARGEST_UPDATE: usize = 64;

/// Where changes and their facts go, always together.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) database: Database,
    pub(super) outbox: Outbox,
}

/// Each change is a compare-and-set on the status; as many as come together are one statement.
fn text(dialect: Dialect, rows: usize) -> String {
    format!(
        "WITH change (id, old_status, new_status, version, created_at, modified_at, decline_code, decline_message) \
         AS (VALUES {}) \
         UPDATE payment SET status = change.new_status, version = change.version, \
         created_at = change.created_at, modified_at = change.modified_at, \
         decline_code = change.decline_code, decline_message = change.decline_message \
         FROM change WHERE payment.id = change.id AND payment.status = change.old_status \
         RETURNING payment.id",
        sql::values(dialect, rows, COLUMN_COUNT)
    )
}

/// Changes of one request.
pub(super) struct Saving {
    pub(super) changes: Vec<Change>,
    pub(super) traceparent: Option<String>,
}

/// A change with the trace of what caused it.
pub(super) type Traced<'a> = (&'a Change, Option<&'a str>);

impl Transact for Target {
    type Request = Saving;
    /// For each change whether it was stored.
    type Answer = Vec<bool>;

    async fn transact(&self, savings: &[Saving]) -> Result<Vec<Vec<bool>>, StoreError> {
        let changes: Vec<Traced> = savings
            .iter()
            .flat_map(|saving| saving.changes.iter().map(|change| (change, saving.traceparent.as_deref())))
            .collect();
        let mut tx = self.database.begin().await?;
        let mut stored = save(&mut tx, self, &changes).await?.into_iter();
        tx.commit().await?;
        Ok(savings.iter().map(|saving| stored.by_ref().take(saving.changes.len()).collect()).collect())
    }
}

/// Stores the changes whose payments still have the status that they started from, and appends their facts.
pub(super) async fn save(
    tx: &mut Tx,
    target: &Target,
    changes: &[Traced<'_>],
) -> Result<Vec<bool>, sqlx::Error> {
    let mut stored = vec![false; changes.len()];
    for mut round in sql::rounds(changes, |(change, _)| change.after().id) {
        // Two transactions that wait for each other's payments do so in the same order.
        round.sort_by_key(|index| changes[*index].0.after().id);
        for chunk in sql::chunks(&round, LARGEST_UPDATE) {
            let ids = update(tx, chunk.iter().map(|index| changes[*index].0), chunk.len()).await?;
            let mut facts = Vec::new();
            for index in chunk {
                let (change, traceparent) = changes[*index];
                let payment = change.after();
                if ids.contains(&payment.id) {
                    stored[*index] = true;
                    let caused = |fact: &Envelope| fact.clone().caused_by(traceparent.map(str::to_owned));
                    facts.extend(change.facts().iter().map(caused));
                }
            }
            target.outbox.tell(tx, &facts).await?;
        }
    }
    Ok(stored)
}

/// One statement; the payments that it changed.
async fn update(
    tx: &mut Tx,
    changes: impl Iterator<Item = &Change>,
    count: usize,
) -> Result<HashSet<i64>, sqlx::Error> {
    let mut query = sqlx::query_scalar(AssertSqlSafe(text(Dialect::of(tx), count)));
    for change in changes {
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
    Ok(query.fetch_all(&mut **tx).await?.into_iter().collect())
}
