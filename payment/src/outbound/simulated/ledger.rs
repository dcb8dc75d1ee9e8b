use settings::Invalid;
use sqlx::Row;
use storage::{Database, GroupCommit, Migrations, OpenError, StoreError};

use super::entries::{Entries, Entry, Kind};
use super::settings::{LEDGER_URL, SimulatedSettings};
use crate::domain::{ChargeAnswer, Decline, MaskedCard, RefundAnswer};

static MIGRATIONS: Migrations =
    storage::migrations!("migrations/ledger/sqlite", "migrations/ledger/postgres");

/// The network's books: a row for everything that took effect. Of a key there is one first entry (a charge, a
/// decline, or the tombstone of a refund that came before its charge) and, behind a charge, at most one refund.
/// Both are held by unique indexes, so each call is decided by a single row of a single statement, however many run at once.
pub struct Ledger {
    database: Database,
    entries: GroupCommit<Entries>,
}

const FIRST: &str = "SELECT kind, amount, card_no, code, message, \
     (SELECT COUNT(*) FROM ledger_entry r WHERE r.idempotency_key = f.idempotency_key AND r.kind = 'refund') \
     FROM ledger_entry f WHERE f.idempotency_key = $1 AND f.kind <> 'refund'";

/// Leaves nothing.
const PROBE: &[&str] = &[
    "INSERT INTO ledger_entry (idempotency_key, kind, amount, card_no, recorded_at) VALUES ('health', 'tombstone', 0, '', 0)",
    "DELETE FROM ledger_entry WHERE idempotency_key = 'health'",
];

/// The first entry of a key.
struct First {
    kind: Kind,
    amount: i64,
    card_no: String,
    decline: Decline,
    refunded: bool,
}

impl Ledger {
    /// # Errors
    /// The database's, under the key of the network's URL.
    pub async fn open(settings: &SimulatedSettings) -> Result<Self, Invalid> {
        let opened = Database::open(&settings.ledger(), &[MIGRATIONS]).await;
        let database = opened.map_err(|error| {
            let reason = match error {
                OpenError::Setting(invalid) => invalid.reason,
                OpenError::Unusable(why) => why.to_string(),
                error @ (OpenError::Outdated { .. } | OpenError::Migrate { .. }) => error.to_string(),
            };
            Invalid::new(LEDGER_URL, reason)
        })?;
        let entries = GroupCommit::new(Entries { database: database.clone() }, &database);
        Ok(Self { entries, database })
    }

    /// Records the charge, or the decline. An entry that the key has already stays.
    pub(super) async fn charge(
        &self,
        key: &str,
        amount: i64,
        card: &MaskedCard,
        decline: Option<Decline>,
        now: i64,
    ) -> Result<ChargeAnswer, StoreError> {
        let kind = if decline.is_some() { Kind::Decline } else { Kind::Charge };
        if self.insert(key, kind, amount, card.as_str(), decline.as_ref(), now).await? {
            return Ok(decline.map_or(ChargeAnswer::Charged, ChargeAnswer::Declined));
        }
        let first = self.first(key).await?;
        Ok(match first.kind {
            Kind::Charge if first.refunded => ChargeAnswer::Undone,
            Kind::Charge => ChargeAnswer::Charged,
            Kind::Decline => ChargeAnswer::Declined(first.decline),
            Kind::Tombstone | Kind::Refund => ChargeAnswer::Undone,
        })
    }

    /// Gives the money back. Where none was taken, it leaves a tombstone, and a later charge is refused.
    pub(super) async fn refund(&self, key: &str, now: i64) -> Result<RefundAnswer, StoreError> {
        let unknown_card = MaskedCard::of("");
        if self.insert(key, Kind::Tombstone, 0, unknown_card.as_str(), None, now).await? {
            return Ok(RefundAnswer::NothingCharged);
        }
        let first = self.first(key).await?;
        if first.kind != Kind::Charge {
            return Ok(RefundAnswer::NothingCharged);
        }
        if !first.refunded {
            self.insert(key, Kind::Refund, first.amount, &first.card_no, None, now).await?;
        }
        Ok(RefundAnswer::Refunded)
    }

    /// # Errors
    /// Why nothing can be read or booked.
    pub(super) async fn check(&self) -> Result<(), String> {
        self.database.check(PROBE).await
    }

    pub async fn close(&self) {
        self.database.close().await;
    }

    /// For an audit: money taken and money given back, as counts of entries.
    ///
    /// # Errors
    /// The database's.
    pub async fn totals(&self) -> Result<(i64, i64), sqlx::Error> {
        sqlx::query_as(
            "SELECT COUNT(CASE WHEN kind = 'charge' THEN 1 END), COUNT(CASE WHEN kind = 'refund' THEN 1 END) \
             FROM ledger_entry",
        )
        .fetch_one(self.database.reader())
        .await
    }

    /// False where a unique index says that something else came first.
    async fn insert(
        &self,
        key: &str,
        kind: Kind,
        amount: i64,
        card_no: &str,
        decline: Option<&Decline>,
        now: i64,
    ) -> Result<bool, StoreError> {
        let entry = Entry {
            key: key.to_owned(),
            kind,
            amount,
            card_no: card_no.to_owned(),
            decline: decline.cloned(),
            now,
        };
        self.entries.submit(entry).await
    }

    async fn first(&self, key: &str) -> Result<First, sqlx::Error> {
        let row = sqlx::query(FIRST).bind(key).fetch_one(self.database.reader()).await?;
        Ok(First {
            kind: Kind::parse(row.try_get(0)?)?,
            amount: row.try_get(1)?,
            card_no: row.try_get(2)?,
            decline: Decline {
                code: row.try_get::<Option<String>, _>(3)?.unwrap_or_default(),
                message: row.try_get::<Option<String>, _>(4)?.unwrap_or_default(),
            },
            refunded: row.try_get::<i64, _>(5)? > 0,
        })
    }
}
