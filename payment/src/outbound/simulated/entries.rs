//! Writing into the ledger: as many entries as come together are one statement.

use std::collections::HashSet;

use sqlx::{AnyConnection, AssertSqlSafe};
use storage::{Database, Dialect, StoreError, Transact, sql};

use crate::domain::Decline;

const COLUMNS: usize = 7;
const LARGEST_INSERT: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Charge,
    Decline,
    Tombstone,
    Refund,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Decline => "decline",
            Self::Tombstone => "tombstone",
            Self::Refund => "refund",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, sqlx::Error> {
        [Self::Charge, Self::Decline, Self::Tombstone, Self::Refund]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| sqlx::Error::ColumnDecode {
                index: "kind".to_owned(),
                source: format!("unknown kind {text:?}").into(),
            })
    }
}

pub(super) struct Entries {
    pub(super) database: Database,
}

pub(super) struct Entry {
    pub(super) key: String,
    pub(super) kind: Kind,
    pub(super) amount: i64,
    pub(super) card_no: String,
    pub(super) decline: Option<Decline>,
    pub(super) now: i64,
}

impl Transact for Entries {
    type Request = Entry;
    /// False where a unique index says that something else came first.
    type Answer = bool;

    async fn transact(&self, entries: &[Entry]) -> Result<Vec<bool>, StoreError> {
        let mut sorted: Vec<&Entry> = entries.iter().collect();
        // Two transactions that wait for each other's keys do so in the same order. A stable sort: who came first is first.
        sorted.sort_by(|a, b| a.key.cmp(&b.key));
        let mut written = HashSet::with_capacity(entries.len());
        let chunks: Vec<_> = sql::chunks(&sorted, LARGEST_INSERT).collect();
        let mut tx = self.database.begin_for(chunks.len()).await?;
        for chunk in chunks {
            written.extend(insert(&mut tx, chunk).await?);
        }
        tx.commit().await?;
        // Of two that are alike the first one was written.
        entries.iter().map(|entry| Ok(written.remove(&(entry.key.clone(), entry.kind)))).collect()
    }
}

async fn insert(
    connection: &mut AnyConnection,
    entries: &[&Entry],
) -> Result<Vec<(String, Kind)>, sqlx::Error> {
    let text = format!(
        "INSERT INTO ledger_entry (idempotency_key, kind, amount, card_no, code, message, recorded_at) \
         VALUES {} ON CONFLICT DO NOTHING RETURNING idempotency_key, kind",
        sql::values(Dialect::of(connection), entries.len(), COLUMNS)
    );
    let mut query = sqlx::query_as::<_, (String, String)>(AssertSqlSafe(text));
    for entry in entries {
        query = query
            .bind(entry.key.as_str())
            .bind(entry.kind.as_str())
            .bind(entry.amount)
            .bind(entry.card_no.as_str())
            .bind(entry.decline.as_ref().map(|decline| decline.code.as_str()))
            .bind(entry.decline.as_ref().map(|decline| decline.message.as_str()))
            .bind(entry.now);
    }
    let rows = query.fetch_all(connection).await?;
    rows.into_iter().map(|(key, kind)| Ok((key, Kind::parse(&kind)?))).collect()
}
