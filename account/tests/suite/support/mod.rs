pub(crate) mod app;
pub(crate) mod client;

use account::outbound::sql::{MIGRATIONS, SqlAttempts, SqlFamilies, SqlKeys, SqlUsers};
use messaging::Outbox;
use storage::Database;
use testkit::TestDatabase;

pub(crate) const PASSWORD: &str = "a Password of mine";

/// The stores of one replica.
pub(crate) struct Stores {
    pub(crate) database: Database,
    pub(crate) users: SqlUsers,
    pub(crate) families: SqlFamilies,
    pub(crate) attempts: SqlAttempts,
    pub(crate) keys: SqlKeys,
}

impl Stores {
    pub(crate) async fn open(database: &TestDatabase) -> Self {
        let database = database.open(&[messaging::MIGRATIONS, MIGRATIONS]).await;
        Self {
            users: SqlUsers::new(database.clone(), Outbox::new(database.clone())),
            families: SqlFamilies::new(database.clone()),
            attempts: SqlAttempts::new(database.clone()),
            keys: SqlKeys::new(database.clone()),
            database,
        }
    }

    /// The types of the facts that wait in the outbox.
    pub(crate) async fn told(&self) -> Vec<String> {
        let payloads: Vec<(Vec<u8>,)> = sqlx::query_as("SELECT payload FROM outbox ORDER BY id")
            .fetch_all(self.database.reader())
            .await
            .unwrap();
        let type_of = |payload: Vec<u8>| {
            let value: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            value["eventType"].as_str().unwrap().to_owned()
        };
        payloads.into_iter().map(|(payload,)| type_of(payload)).collect()
    }
}
