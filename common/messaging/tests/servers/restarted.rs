//! PostgreSQL ends at once, without rolling back or saying goodbye, and recovers when it starts.

use testkit::{Backend, TestDatabase};

use crate::infra::Infra;
use crate::kafka_rig::settings;
use crate::work::Work;

const RESTARTS: usize = 3;

#[test]
fn immediate_restarts_of_postgres_lose_and_double_nothing() {
    testkit::run(Backend::Postgres, async |db: TestDatabase| {
        let Some(settings) = settings() else { return };
        let Some(infra) = Infra::alone().await else { return };
        let mut work = Work::new(db, &settings).await;
        for _ in 0..RESTARTS {
            for _ in 0..100 {
                work.commit().await;
            }
            let before = started_at(&work).await;
            let mut restarted = infra.restart_postgres();
            // Customers do not wait until the database is back.
            loop {
                tokio::select! {
                    biased;
                    ended = &mut restarted => break ended.unwrap(),
                    () = work.commit() => {}
                }
            }
            work.commit().await;
            work.look_through_new_connections().await;
            assert_ne!(started_at(&work).await, before, "it was not restarted");
        }
        work.ends_well().await;
    });
}

async fn started_at(work: &Work) -> String {
    sqlx::query_scalar("SELECT CAST(pg_postmaster_start_time() AS TEXT)")
        .fetch_one(work.rig.database.reader())
        .await
        .unwrap()
}
