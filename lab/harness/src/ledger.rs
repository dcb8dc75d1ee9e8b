//! The books of the simulated card network, read as an auditor would: what money really moved.

use std::sync::Once;

use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, Connection, Row};

/// Entries by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    pub charges: i64,
    pub refunds: i64,
    pub declines: i64,
    /// Refunds that came before their charge, and bar it.
    pub tombstones: i64,
}

pub struct Ledger {
    url: String,
}

impl Ledger {
    pub fn new(url: &str) -> Self {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(install_default_drivers);
        Self { url: url.to_owned() }
    }

    pub async fn books(&self) -> Books {
        let mut connection = AnyConnection::connect(&self.url).await.expect("the ledger can be opened");
        let rows = sqlx::query("SELECT kind, COUNT(*) FROM ledger_entry GROUP BY kind")
            .fetch_all(&mut connection)
            .await
            .expect("the ledger can be read");
        connection.close().await.expect("the ledger can be closed");
        let mut books = Books::default();
        for row in rows {
            let (kind, count): (String, i64) = (row.get(0), row.get(1));
            match kind.as_str() {
                "charge" => books.charges = count,
                "refund" => books.refunds = count,
                "decline" => books.declines = count,
                "tombstone" => books.tombstones = count,
                other => panic!("the ledger has an entry of an unknown kind, {other:?}"),
            }
        }
        books
    }
}
