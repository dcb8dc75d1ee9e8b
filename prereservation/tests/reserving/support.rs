use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use events::{Arrived, Envelope};
use messaging::Outbox;
use prereservation::domain::CardNumber;
use prereservation::domain::{NewReservation, Reservation};
use prereservation::outbound::store::{MIGRATIONS, SqlReservationStore};
use prereservation::use_cases::cancel::Cancel;
use prereservation::use_cases::ports::{
    Begun, Declined, Field, IdempotencyKey, NotSent, NotSentWhy, Paid, PaymentGateway, PaymentOrder,
    PaymentOutcome, Refused, RefusedWhy, ReservationStore, SavedOutcome, Unknown, UnknownWhy,
};
use prereservation::use_cases::reserve::Reserve;
use storage::{Database, ListQuery, Readable, StoreError};
use testkit::TestDatabase;

pub(crate) struct Rig {
    pub(crate) database: Database,
    pub(crate) store: Arc<dyn ReservationStore>,
}

impl Rig {
    pub(crate) async fn on(db: &TestDatabase) -> Self {
        let database = db.open(&[messaging::MIGRATIONS, MIGRATIONS]).await;
        let outbox = Outbox::new(database.clone());
        let store = SqlReservationStore::new(database.clone(), outbox);
        Self { database, store: Arc::new(store) }
    }

    pub(crate) fn reserve(&self, payments: impl PaymentGateway + 'static) -> Reserve {
        Reserve { store: self.store.clone(), payments: Arc::new(payments) }
    }

    pub(crate) fn cancel(&self) -> Cancel {
        Cancel { store: self.store.clone() }
    }

    pub(crate) async fn started(&self) -> Reservation {
        match self.store.begin(&order(1), None).await.unwrap() {
            Begun::Started(reservation) => reservation,
            other => panic!("not started: {other:?}"),
        }
    }

    /// The types of the facts that wait to be published, oldest first.
    pub(crate) async fn told(&self) -> Vec<String> {
        let payloads: Vec<Vec<u8>> = sqlx::query_scalar("SELECT payload FROM outbox ORDER BY id")
            .fetch_all(self.database.reader())
            .await
            .unwrap();
        payloads.iter().map(|payload| Arrived::new(&[], payload).unwrap().fact_type().to_owned()).collect()
    }
}

pub(crate) fn order(user_id: i64) -> NewReservation {
    NewReservation {
        user_id,
        user_address: "seoul".into(),
        product_id: 1,
        product_name: "fold".into(),
        price: 1_300_000,
        masked_card: card().masked().into(),
    }
}

pub(crate) fn card() -> CardNumber {
    CardNumber::parse("1234-1234-1234-1234").unwrap()
}

pub(crate) fn key(key: &str) -> IdempotencyKey {
    IdempotencyKey { sender: IdempotencyKey::NOBODY, key: key.into(), fingerprint: "same".into() }
}

/// Saves nothing, as if somebody else were always faster.
pub(crate) struct Stubborn(pub(crate) Arc<dyn ReservationStore>);

#[async_trait]
impl ReservationStore for Stubborn {
    async fn begin(&self, order: &NewReservation, key: Option<&IdempotencyKey>) -> Result<Begun, StoreError> {
        self.0.begin(order, key).await
    }

    async fn save(
        &self,
        _: &Reservation,
        _: &Envelope,
        _: i64,
        _: Option<&SavedOutcome>,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn find(&self, id: i64) -> Result<Option<Reservation>, StoreError> {
        self.0.find(id).await
    }

    async fn pending(&self, limit: i64) -> Result<Vec<i64>, StoreError> {
        self.0.pending(limit).await
    }

    async fn purge_keys(&self, before: i64) -> Result<u64, StoreError> {
        self.0.purge_keys(before).await
    }
}

#[async_trait]
impl Readable for Stubborn {
    type Item = Reservation;
    type Field = Field;

    async fn item(&self, id: i64) -> Result<Option<Reservation>, StoreError> {
        self.0.item(id).await
    }

    async fn list(&self, query: &ListQuery<Field>) -> Result<(Vec<Reservation>, i64), StoreError> {
        self.0.list(query).await
    }
}

/// Answers what it was told to.
pub(crate) struct Answers(pub(crate) PaymentOutcome);

#[async_trait]
impl PaymentGateway for Answers {
    async fn pay(&self, _: &PaymentOrder) -> PaymentOutcome {
        self.0.clone()
    }
}

/// Lets something happen while the payment is under way, then gives its answer.
pub(crate) struct Meanwhile<F> {
    pub(crate) act: F,
    pub(crate) then: PaymentOutcome,
}

#[async_trait]
impl<F, W> PaymentGateway for Meanwhile<F>
where
    F: Fn(i64) -> W + Send + Sync,
    W: Future<Output = ()> + Send,
{
    async fn pay(&self, order: &PaymentOrder) -> PaymentOutcome {
        (self.act)(order.reservation_id).await;
        self.then.clone()
    }
}

pub(crate) fn paid() -> PaymentOutcome {
    PaymentOutcome::Paid(Paid { payment_id: 1 })
}

pub(crate) fn declined() -> PaymentOutcome {
    PaymentOutcome::Declined(Declined { detail: Some("no funds".into()) })
}

pub(crate) fn refused(why: RefusedWhy) -> PaymentOutcome {
    PaymentOutcome::Refused(Refused { why })
}

pub(crate) fn not_sent() -> PaymentOutcome {
    PaymentOutcome::NotSent(NotSent { why: NotSentWhy::BreakerOpen, retry_after: Duration::from_secs(3) })
}

pub(crate) fn unknown() -> PaymentOutcome {
    PaymentOutcome::Unknown(Unknown { why: UnknownWhy::Timeout })
}
