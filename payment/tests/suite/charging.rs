//! The use case against a card network that does what the test says, at the worst moment.

use std::sync::Arc;
use std::time::Duration;

use crate::support::app::until;
use crate::support::backend::on_each;
use crate::support::{card, order};
use async_trait::async_trait;
use messaging::Outbox;
use payment::domain::{CardNumber, ChargeAnswer, RefundAnswer, Status};
use payment::outbound::sql::SqlPaymentStore;
use payment::use_cases::ports::{Intent, PaymentProvider, PaymentStore, ProviderError};
use payment::use_cases::{Charge, Outcome, RefundWorker, cancel};
use storage::Database;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Waits with a charge until the test lets it go on; answers refunds at once.
struct Puppet {
    asked: Notify,
    go_on: Notify,
    charge: Result<ChargeAnswer, ()>,
    refund: RefundAnswer,
}

#[async_trait]
impl PaymentProvider for Puppet {
    async fn charge(&self, _: &str, _: i64, _: &CardNumber) -> Result<ChargeAnswer, ProviderError> {
        self.asked.notify_one();
        self.go_on.notified().await;
        self.charge.clone().map_err(|()| ProviderError::Unknown("no answer".into()))
    }

    async fn refund(&self, _: &str) -> Result<RefundAnswer, ProviderError> {
        Ok(self.refund)
    }

    async fn ping(&self) -> Result<(), ProviderError> {
        Ok(())
    }
}

struct Scene {
    database: Database,
    sql: SqlPaymentStore,
    puppet: Arc<Puppet>,
}

async fn on_each_scene(charge: Result<ChargeAnswer, ()>, refund: RefundAnswer, test: impl AsyncFn(&Scene)) {
    on_each(async |backend| {
        let database = backend.database().await;
        let outbox = Outbox::new(database.clone());
        let sql = SqlPaymentStore::new(database.clone(), outbox);
        let (asked, go_on) = (Notify::new(), Notify::new());
        let puppet = Arc::new(Puppet { asked, go_on, charge: charge.clone(), refund });
        let scene = Scene { database, sql, puppet };
        test(&scene).await;
        scene.database.close().await;
    })
    .await;
}

impl Scene {
    fn charge(&self) -> Charge {
        Charge::new(Arc::new(self.sql.clone()), self.puppet.clone())
    }

    async fn cancel(&self) {
        let mut tx = self.database.begin().await.unwrap();
        cancel(&mut tx, &self.sql, &[order(7)], 9).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn status(&self) -> Status {
        match self.sql.intend(order(7), 1).await.unwrap() {
            Intent::Stored(payment) | Intent::Existing(payment) => payment.status(),
        }
    }

    /// Lets the refund worker work until the payment has the status.
    async fn refund_until(&self, status: Status) {
        let (stop, wake) = (CancellationToken::new(), Arc::new(Notify::new()));
        let longest_pause = Duration::from_millis(50);
        let worker = RefundWorker::new(Arc::new(self.sql.clone()), self.puppet.clone(), wake, longest_pause);
        let working = tokio::spawn(worker.run(stop.clone()));
        until("undone", async || self.status().await == status).await;
        stop.cancel();
        working.await.unwrap();
    }
}

#[tokio::test]
async fn a_cancellation_during_the_charge_wins() {
    on_each_scene(Ok(ChargeAnswer::Charged), RefundAnswer::Refunded, async |scene| {
        let charge = scene.charge();
        let charged = tokio::spawn(async move { charge.charge(order(7), &card()).await.unwrap() });
        scene.puppet.asked.notified().await;
        scene.cancel().await;
        scene.puppet.go_on.notify_one();
        assert_eq!(charged.await.unwrap(), Outcome::Cancelled);
        scene.refund_until(Status::Cancelled).await;
    })
    .await;
}

#[tokio::test]
async fn without_an_answer_the_intent_stays_and_can_be_completed() {
    on_each_scene(Err(()), RefundAnswer::Refunded, async |scene| {
        scene.puppet.go_on.notify_one();
        assert!(scene.charge().charge(order(7), &card()).await.is_err());
        assert_eq!(scene.status().await, Status::Charging);
        let sound = Arc::new(Puppet {
            asked: Notify::new(),
            go_on: Notify::new(),
            charge: Ok(ChargeAnswer::Charged),
            refund: RefundAnswer::Refunded,
        });
        sound.go_on.notify_one();
        let charge = Charge::new(Arc::new(scene.sql.clone()), sound);
        assert!(matches!(charge.charge(order(7), &card()).await.unwrap(), Outcome::Paid(_)));
        assert_eq!(scene.status().await, Status::Paid);
    })
    .await;
}

/// A network that breaks its word: it said that nothing was charged, and charges afterwards.
#[tokio::test]
async fn a_charge_behind_its_own_refund_is_refunded_all_the_same() {
    on_each_scene(Ok(ChargeAnswer::Charged), RefundAnswer::NothingCharged, async |scene| {
        let charge = scene.charge();
        let charged = tokio::spawn(async move { charge.charge(order(7), &card()).await.unwrap() });
        scene.puppet.asked.notified().await;
        scene.cancel().await;
        scene.refund_until(Status::Void).await;
        scene.puppet.go_on.notify_one();
        assert_eq!(charged.await.unwrap(), Outcome::Cancelled);
        assert_eq!(scene.status().await, Status::Refunding);
    })
    .await;
}
