#![allow(dead_code, unreachable_pub, reason = "each test binary uses some of it")]

pub mod app;
pub mod facts;

use messaging::ReceivedRecord;
use myreservation::domain::Batch;
use myreservation::outbound::sql::{MIGRATIONS, SqlProjection, SqlView, adapters};
use myreservation::use_cases::ports::Projection;
use storage::Database;
use testkit::TestDatabase;

pub const MIGRATED: [storage::Migrations; 2] = [messaging::MIGRATIONS, MIGRATIONS];

pub struct Store {
    pub database: Database,
    pub view: SqlView,
    pub projection: SqlProjection,
}

impl Store {
    pub async fn open(place: &TestDatabase) -> Self {
        let database = place.open(&MIGRATED).await;
        let (view, projection) = adapters(&database);
        Self { database, view, projection }
    }

    /// One transaction, as the consumer's.
    pub async fn apply(&self, records: &[ReceivedRecord]) {
        let mut batch = Batch::default();
        for record in records {
            myreservation::inbound::events::read(&mut batch, record).unwrap();
        }
        let slot = records.first().map_or(0, |record| record.partition);
        let mut tx = self.database.begin().await.unwrap();
        self.projection.apply(&mut tx, batch, slot).await.unwrap();
        tx.commit().await.unwrap();
    }
}
