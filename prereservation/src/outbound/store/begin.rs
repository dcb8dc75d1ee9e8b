//! The intent on disk. The insert decides: start, or the saved answer.

use std::collections::HashSet;

use sqlx::{AnyConnection, AssertSqlSafe};
use storage::{Database, Dialect, StoreError, TableRow, Transact, Tx, sql, table};

use super::rows::Key;
use crate::domain::NewReservation;
use crate::use_cases::ports::{Begun, IdempotencyKey, SavedOutcome};

const COLUMNS: usize = 9;
const KEY_COLUMNS: usize = 5;
const LARGEST_INSERT: usize = 64;

/// Puts intents on disk, with their keys.
pub(super) struct Intents {
    pub(super) database: Database,
}

pub(super) struct Intent {
    pub(super) order: NewReservation,
    pub(super) key: Option<IdempotencyKey>,
    pub(super) now: i64,
    pub(super) traceparent: Option<String>,
}

#[derive(Clone, Copy)]
pub(super) enum Stored {
    Started {
        id: i64,
    },
    /// Another request came with the same key.
    KeyTaken,
}

impl Transact for Intents {
    type Request = Intent;
    type Answer = Stored;

    async fn transact(&self, intents: &[Intent]) -> Result<Vec<Stored>, StoreError> {
        let chunks: Vec<_> = sql::chunks(intents, LARGEST_INSERT).collect();
        let keys = intents.iter().filter(|intent| intent.key.is_some()).count();
        let mut tx = self.database.begin_for(chunks.len() + keys).await?;
        let mut ids = Vec::with_capacity(intents.len());
        for chunk in chunks {
            ids.extend(insert(&mut tx, chunk).await?);
        }
        let late = take_keys(&mut tx, intents, &ids).await?;
        tx.commit().await?;
        let stored = |id| if late.contains(&id) { Stored::KeyTaken } else { Stored::Started { id } };
        Ok(ids.into_iter().map(stored).collect())
    }
}

/// One statement; the ids in the order of the intents.
async fn insert(connection: &mut AnyConnection, intents: &[Intent]) -> Result<Vec<i64>, sqlx::Error> {
    // Ids are given in the order of the sort (PostgreSQL since 9.6; SQLite inserts row by row), and so ascend with it.
    let text = format!(
        "WITH intent (place, user_id, user_address, product_id, product_name, price, card_no, now, traceparent) \
         AS (VALUES {}) \
         INSERT INTO reservation (user_id, user_address, product_id, product_name, price, card_no, \
         status, version, created_at, modified_at, traceparent) \
         SELECT user_id, user_address, product_id, product_name, price, card_no, 'pending', 0, now, now, traceparent \
         FROM intent ORDER BY place RETURNING id",
        sql::values(Dialect::of(connection), intents.len(), COLUMNS)
    );
    let mut query = sqlx::query_scalar(AssertSqlSafe(text));
    for (place, Intent { order, now, traceparent, .. }) in (0_i64..).zip(intents) {
        query = query
            .bind(place)
            .bind(order.user_id)
            .bind(order.user_address.as_str())
            .bind(order.product_id)
            .bind(order.product_name.as_str())
            .bind(order.price)
            .bind(order.masked_card.as_str())
            .bind(*now)
            .bind(traceparent.as_deref());
    }
    let mut ids: Vec<i64> = query.fetch_all(connection).await?;
    ids.sort_unstable();
    Ok(ids)
}

/// Writes the keys down; the intents that came too late for theirs are taken back. Their ids are not given again.
async fn take_keys(tx: &mut Tx, intents: &[Intent], ids: &[i64]) -> Result<HashSet<i64>, sqlx::Error> {
    let mut keyed: Vec<(&IdempotencyKey, i64, i64)> = intents
        .iter()
        .zip(ids)
        .filter_map(|(intent, id)| intent.key.as_ref().map(|key| (key, *id, intent.now)))
        .collect();
    // Two replicas that wait for each other's keys do so in the same order. A stable sort: who came first gets the key.
    keyed.sort_by(|(a, ..), (b, ..)| (a.sender, &a.key).cmp(&(b.sender, &b.key)));
    let mut late: HashSet<i64> = keyed.iter().map(|(_, id, _)| *id).collect();
    for chunk in sql::chunks(&keyed, LARGEST_INSERT) {
        let text = format!(
            "INSERT INTO idempotency_key (user_id, key, fingerprint, reservation_id, created_at) VALUES {} \
             ON CONFLICT DO NOTHING RETURNING reservation_id",
            sql::values(Dialect::of(tx), chunk.len(), KEY_COLUMNS)
        );
        let mut query = sqlx::query_scalar(AssertSqlSafe(text));
        for (key, id, now) in chunk {
            query = query
                .bind(key.sender)
                .bind(key.key.as_str())
                .bind(key.fingerprint.as_str())
                .bind(*id)
                .bind(*now);
        }
        for id in query.fetch_all(&mut **tx).await? {
            late.remove(&id);
        }
    }
    for id in &late {
        sqlx::query("DELETE FROM reservation WHERE id = $1").bind(*id).execute(&mut **tx).await?;
    }
    Ok(late)
}

/// What became of the request that came with this key first.
pub(super) async fn known(database: &Database, key: &IdempotencyKey) -> Result<Option<Begun>, StoreError> {
    let text = Key::select("WHERE user_id = $1 AND key = $2");
    let query = sqlx::query_as(AssertSqlSafe(text)).bind(key.sender).bind(key.key.as_str());
    let Some(known): Option<Key> = query.fetch_optional(database.reader()).await? else { return Ok(None) };
    if known.fingerprint != key.fingerprint {
        return Ok(Some(Begun::KeyReused));
    }
    let Some(at) = known.answered_at else { return Ok(Some(Begun::InFlight)) };
    let Some(reservation) = table::find(database, "id", known.reservation_id).await? else {
        return Err(sqlx::Error::RowNotFound.into());
    };
    let outcome = SavedOutcome { cancelled: known.cancel_reason, detail: known.cancel_detail, at };
    Ok(Some(Begun::Answered(reservation, outcome)))
}
