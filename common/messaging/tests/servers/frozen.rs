//! Kafka is there and answers nobody, as in a long garbage collection or on a machine that hangs.

use std::time::Duration;

use testkit::TestDatabase;

use crate::infra::Infra;
use crate::kafka_rig::settings;
use crate::work::Work;

/// Longer than the brokers and the members of the group wait for each other.
const FROZEN: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(50);

testkit::for_each_backend! {
    async fn a_frozen_kafka_that_thaws_has_lost_and_doubled_nothing(db: TestDatabase) {
        let Some(mut settings) = settings() else { return };
        let Some(infra) = Infra::alone().await else { return };
        // Shorter than the frost, so that the relay has to publish again what may be in the log.
        settings.delivery_timeout_ms = 8_000;
        let mut work = Work::new(db, &settings).await;
        for _ in 0..200 {
            work.commit().await;
        }
        work.is_done().await;

        let frozen = infra.freeze_kafka();
        let mut load = tokio::time::interval(EVERY);
        for _ in 0..FROZEN.as_millis() / EVERY.as_millis() {
            load.tick().await;
            work.commit().await;
        }
        assert!(work.relay_fails(), "the relay does not say that Kafka is silent");
        drop(frozen);
        for _ in 0..200 {
            work.commit().await;
        }
        work.ends_well().await;
    }
}
