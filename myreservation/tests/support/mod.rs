#![allow(dead_code, unreachable_pub, reason = "each test binary uses some of it")]

pub mod app;
pub mod facts;

use std::collections::BTreeMap;

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
            myreservation::inbound::events::add(&mut batch, record).unwrap();
        }
        let slot = records.first().map_or(0, |record| record.partition);
        let mut tx = self.database.begin().await.unwrap();
        self.projection.apply(&mut tx, batch, slot).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The counters of all rows and of the ranges of ids say what counting says.
    pub async fn assert_ranges_are_counted(&self) {
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM my_reservation")
            .fetch_all(self.database.reader())
            .await
            .unwrap();
        let mut expected = BTreeMap::from([("my_reservation".to_owned(), ids.len() as i64)]);
        for counter in ids.iter().flat_map(|id| storage::range_counters("my_reservation", *id)) {
            *expected.entry(counter).or_default() += 1;
        }
        let counted: Vec<(String, i64)> = sqlx::query_as(
            "SELECT name, CAST(SUM(n) AS BIGINT) FROM row_count WHERE name NOT LIKE '%/%' GROUP BY name",
        )
        .fetch_all(self.database.reader())
        .await
        .unwrap();
        assert_eq!(counted.into_iter().collect::<BTreeMap<_, _>>(), expected);
    }
}
