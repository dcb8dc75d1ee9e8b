//! What customers are told while the database is away: each answer says only what is true of its own request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::web::Data;
use actix_web::{App, http::StatusCode};
use async_trait::async_trait;
use events::Envelope;
use prereservation::domain::{NewReservation, Reservation};
use prereservation::inbound::http;
use prereservation::use_cases::UseCases;
use prereservation::use_cases::cancel::Cancel;
use prereservation::use_cases::ports::{
    Begun, Field, IdempotencyKey, PaymentOutcome, RefusedWhy, ReservationStore, SavedOutcome,
};
use prereservation::use_cases::reserve::Reserve;
use rest::Authentication;
use rights::Reading;
use serde_json::{Value, json};
use storage::{ListQuery, Readable, StoreError};
use testkit::TestDatabase;

use crate::support::{Answers, Rig, declined, not_sent, paid, refused, unknown};

/// Goes away altogether, or only when something is to be saved; then, perhaps, after it was saved.
#[derive(Clone)]
struct Failing {
    inner: Arc<dyn ReservationStore>,
    is_away: Arc<AtomicBool>,
    saves_fail: Arc<AtomicBool>,
    saves_all_the_same: bool,
}

impl Failing {
    fn check(&self) -> Result<(), StoreError> {
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("away".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl ReservationStore for Failing {
    async fn begin(&self, order: &NewReservation, key: Option<&IdempotencyKey>) -> Result<Begun, StoreError> {
        self.check()?;
        self.inner.begin(order, key).await
    }

    async fn save(
        &self,
        reservation: &Reservation,
        fact: &Envelope,
        expected: i64,
        outcome: Option<&SavedOutcome>,
    ) -> Result<bool, StoreError> {
        self.check()?;
        if !self.saves_fail.load(Ordering::SeqCst) {
            return self.inner.save(reservation, fact, expected, outcome).await;
        }
        if self.saves_all_the_same {
            self.inner.save(reservation, fact, expected, outcome).await?;
        }
        Err(StoreError::Unavailable("the commit was not answered".into()))
    }

    async fn find(&self, id: i64) -> Result<Option<Reservation>, StoreError> {
        self.check()?;
        self.inner.find(id).await
    }

    async fn pending(&self, limit: i64) -> Result<Vec<i64>, StoreError> {
        self.inner.pending(limit).await
    }

    async fn purge_keys(&self, before: i64) -> Result<u64, StoreError> {
        self.inner.purge_keys(before).await
    }
}

#[async_trait]
impl Readable for Failing {
    type Item = Reservation;
    type Field = Field;

    async fn item(&self, id: i64) -> Result<Option<Reservation>, StoreError> {
        self.check()?;
        self.inner.item(id).await
    }

    async fn list(&self, query: &ListQuery<Field>) -> Result<(Vec<Reservation>, i64), StoreError> {
        self.check()?;
        self.inner.list(query).await
    }
}

fn order() -> Value {
    json!({
        "userId": 1, "userAddress": "seoul", "productId": 1, "productName": "fold", "price": 1_300_000,
        "cardNo": "1234-1234-1234-1234",
    })
}

/// Nobody needs a token.
fn authentication() -> Data<Authentication> {
    Data::new(Authentication::default())
}

/// The answer of a service on this store, with payment's answers given.
async fn ask(store: &Failing, payment: PaymentOutcome, request: TestRequest) -> (StatusCode, Value) {
    let store: Arc<dyn ReservationStore> = Arc::new(store.clone());
    let use_cases = Data::new(UseCases {
        reserve: Reserve { store: store.clone(), payments: Arc::new(Answers(payment)) },
        cancel: Cancel { store: store.clone() },
        reading: Reading::of_owners(store),
    });
    // Commands run to their end in tasks of the thread that took them.
    let exchange = async {
        let service = init_service(
            App::new().app_data(authentication()).configure(|config| http::configure(config, use_cases)),
        )
        .await;
        let response = call_service(&service, request.to_request()).await;
        let status = response.status();
        let is_empty = status == StatusCode::NO_CONTENT;
        (status, if is_empty { Value::Null } else { read_body_json(response).await })
    };
    tokio::task::LocalSet::new().run_until(exchange).await
}

fn post() -> TestRequest {
    TestRequest::post().uri("/preReservations").set_json(order())
}

fn delete(id: &Value) -> TestRequest {
    TestRequest::delete().uri(&format!("/preReservations/{id}"))
}

fn says(answer: &(StatusCode, Value), status: u16) -> &str {
    assert_eq!(answer.0.as_u16(), status, "{}", answer.1);
    answer.1["detail"].as_str().unwrap()
}

async fn failing(db: &TestDatabase, saves_all_the_same: bool) -> Failing {
    Failing {
        inner: Rig::on(db).await.store,
        is_away: Arc::default(),
        saves_fail: Arc::default(),
        saves_all_the_same,
    }
}

testkit::for_each_backend! {
    async fn away_from_the_beginning(db: TestDatabase) {
        let store = failing(&db, false).await;
        let (status, reserved) = ask(&store, paid(), post()).await;
        assert_eq!(status, 201, "{reserved}");
        store.is_away.store(true, Ordering::SeqCst);

        let reserving = ask(&store, paid(), post()).await;
        assert_eq!(says(&reserving, 503), "The database is not available. This request charged nothing.");
        // It was paid by an earlier request.
        let cancelling = ask(&store, paid(), delete(&reserved["id"])).await;
        assert!(!says(&cancelling, 503).contains("charge"), "{cancelling:?}");
        assert!(says(&cancelling, 503).contains("not known"), "{cancelling:?}");
        for path in ["/preReservations", "/preReservations/1", "/preReservations/search/findByUserId?userId=1"] {
            let reading = ask(&store, paid(), TestRequest::get().uri(path)).await;
            assert_eq!(says(&reading, 503), "The database is not available.", "{path}");
        }

        store.is_away.store(false, Ordering::SeqCst);
        assert_eq!(ask(&store, paid(), delete(&reserved["id"])).await.0, 204, "it was not cancelled");
    }

    /// Its commit was made and not answered, or not made: nobody can say that it is being undone.
    async fn away_before_the_outcome_is_written_down(db: TestDatabase) {
        for saves_all_the_same in [true, false] {
            let store = failing(&db, saves_all_the_same).await;
            store.saves_fail.store(true, Ordering::SeqCst);
            let reserving = ask(&store, paid(), post()).await;
            let detail = says(&reserving, 503);
            assert!(detail.contains("not known yet: it stands, or it is undone"), "{detail}");
            let id = &reserving.1["reservationId"];
            let found = ask(&store, paid(), TestRequest::get().uri(&format!("/preReservations/{id}"))).await;
            let status = if saves_all_the_same { "reservated" } else { "pending" };
            assert_eq!((found.0.as_u16(), found.1["status"].as_str()), (200, Some(status)));

            let cancelling = ask(&store, paid(), delete(id)).await;
            assert!(says(&cancelling, 503).contains("whether the reservation is cancelled is not known"));
            store.saves_fail.store(false, Ordering::SeqCst);
            let again = ask(&store, paid(), delete(id)).await.0;
            assert_eq!(again, if saves_all_the_same { 404 } else { 204 });
        }
    }

    /// At once, and not as a reservation that stays pending.
    async fn what_payment_says_definitely_is_said(db: TestDatabase) {
        let store = failing(&db, false).await;
        for (answer, status, reason, words) in [
            (declined(), 402, "payment_declined", "no funds Nothing was charged."),
            (not_sent(), 503, "payment_not_sent", "Nothing was charged."),
            (refused(RefusedWhy::ReservationCancelled), 409, "payment_refused", "the charge is refunded."),
            (refused(RefusedWhy::AnotherPayment), 409, "payment_refused", "this request charged nothing."),
            (unknown(), 503, "payment_unknown", "If the card was charged, the charge is refunded."),
        ] {
            let reserving = ask(&store, answer, post()).await;
            assert!(says(&reserving, status).ends_with(words), "{reserving:?}");
            assert_eq!(reserving.1["reason"], reason);
            let id = &reserving.1["reservationId"];
            let found = ask(&store, paid(), TestRequest::get().uri(&format!("/preReservations/{id}"))).await;
            assert_eq!(found.0, 404, "{reason}: it is not left pending");
        }
        assert!(store.pending(10).await.unwrap().is_empty());
    }
}
