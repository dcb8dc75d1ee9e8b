//! A whole service, built as production builds it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Settings;
use events::{Envelope, Fact, PaymentCancelled, PaymentCreated, Purchase, Reservation, ReservationCancelled};
use messaging::{EventLog, KafkaSettings, Polled, ReceivedRecord, Record};
use payment::outbound::simulated::Ledger;
use payment::settings::Own;
use serde_json::{Value, json};
use testkit::TestUsers;
use tokio_util::sync::CancellationToken;

use super::backend::Backend;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct App {
    pub(crate) settings: Settings<Own>,
    pub(crate) address: SocketAddr,
    pub(crate) http: reqwest::Client,
    /// Their tokens hold.
    pub(crate) users: TestUsers,
    pub(crate) log: Arc<dyn EventLog>,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {:?}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl App {
    pub(crate) async fn start(backend: &Backend) -> Self {
        Self::start_with(backend, |_| {}).await
    }

    /// The settings as compiled in, on the databases of the test, changed by `change`.
    pub(crate) async fn start_with(backend: &Backend, change: impl FnOnce(&mut Settings<Own>)) -> Self {
        let mut settings = payment::app::SERVICE.compiled_in(None, &[]).unwrap();
        settings.shared.server.port = 0;
        settings.shared.server.workers = 2;
        settings.shared.database.url = backend.url("payment").await.into();
        settings.own.provider.ledger_url = backend.url("ledger").await.into();
        settings.shared.event_log.url =
            format!("sqlite://{}", backend.directory.path().join("events.db").display());
        settings.own.undo.longest_backoff_ms = 300;
        settings.shared.auth.jwks_url = String::new();
        change(&mut settings);

        let log = messaging::open(&settings.shared.event_log, &KafkaSettings::default()).await.unwrap();
        let stop = CancellationToken::new();
        let (told, address) = tokio::sync::oneshot::channel();
        let (token, own, users) = (stop.clone(), settings.clone(), TestUsers::default());
        let keys = users.keys();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let application = payment::app::build(own).await.unwrap();
                application.authenticator().set_keys(&keys);
                told.send(application.addr()).unwrap();
                application.run(token).await.unwrap();
            });
        });
        let address = address.await.expect("the service starts");
        Self { settings, address, http: reqwest::Client::new(), users, log, stop, thread: Some(thread) }
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let thread = self.thread.take().unwrap();
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(self.url(path))).await
    }

    pub(crate) async fn post(&self, body: &Value) -> Answer {
        self.send(self.http.post(self.url("/payments")).json(body)).await
    }

    /// Money taken and given back, as the card network's own ledger says.
    pub(crate) async fn ledger(&self) -> (i64, i64) {
        let ledger = Ledger::open(&self.settings.own.provider).await.unwrap();
        let totals = ledger.totals().await.unwrap();
        ledger.close().await;
        totals
    }

    pub(crate) async fn publish(&self, key: i64, payload: Vec<u8>) {
        let record = Record {
            topic: self.settings.shared.event_log.topic.clone(),
            key: Some(key.to_string()),
            payload,
            headers: Vec::new(),
            timestamp_ms: 1,
        };
        for result in self.log.publish(&[record]).await {
            result.unwrap();
        }
    }

    /// prereservation tells that a reservation is over.
    pub(crate) async fn cancel(&self, reservation_id: i64) {
        let reservation = Reservation {
            id: reservation_id,
            purchase: Purchase { user_id: 1, product_id: 1, product_name: "fold".into(), price: 1_300_000 },
            user_address: "seoul".into(),
            card_no: "****-****-****-1234".into(),
            created_at: 1,
            modified_at: 1,
            version: 2,
        };
        let reason = events::reason::CANCELLED_BY_CUSTOMER.into();
        let fact = Envelope::of(&ReservationCancelled { reservation, reason, detail: None }, 1);
        self.publish(reservation_id, fact.payload).await;
    }

    /// The facts that payment told, once there are `count` of them.
    pub(crate) async fn told(&self, count: usize) -> Vec<ReceivedRecord> {
        let group = format!("test-{}", rand::random::<u64>());
        let mut subscription =
            self.log.subscribe(&self.settings.shared.event_log.topic, &group).await.unwrap();
        let mut told = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while told.len() < count {
            assert!(Instant::now() < deadline, "payment told only {told:?}");
            if let Polled::Records(records) =
                subscription.poll(100, Duration::from_millis(100)).await.unwrap()
            {
                for received in records {
                    let Ok(fact) = received.fact() else { continue };
                    if [PaymentCreated::TYPE, PaymentCancelled::TYPE].contains(&fact.fact_type()) {
                        told.push(received);
                    }
                }
            }
        }
        told
    }
}

/// Asks again until the answer is yes.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn body(reservation_id: i64) -> Value {
    body_of(reservation_id, 1)
}

pub(crate) fn body_of(reservation_id: i64, user_id: i64) -> Value {
    json!({
        "preReservationId": reservation_id, "userId": user_id, "productId": 1, "productName": "fold",
        "price": 1_300_000, "cardNo": super::CARD,
    })
}
