//! The whole service, built as production builds it.

use std::net::SocketAddr;

use chassis::Settings;
use myreservation::settings::Own;
use serde_json::Value;
use testkit::{SOON, TestDatabase, TestLog, TestUsers, eventually};
use tokio_util::sync::CancellationToken;

use super::facts::TOPIC;

pub struct App {
    pub address: SocketAddr,
    pub http: reqwest::Client,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {:?}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub fn settings(database: &TestDatabase, log: &TestLog) -> Settings<Own> {
    let mut settings = myreservation::app::SERVICE.compiled_in(None, &[]).unwrap();
    settings.shared.server.port = 0;
    settings.shared.server.workers = 2;
    settings.shared.database = database.settings();
    settings.shared.event_log = log.settings(TOPIC);
    settings.own.sagas.measure_every_ms = 100;
    settings
}

impl App {
    pub async fn start(settings: Settings<Own>) -> Self {
        Self::start_for(settings, &TestUsers::default()).await
    }

    /// Their tokens hold.
    pub async fn start_for(mut settings: Settings<Own>, users: &TestUsers) -> Self {
        settings.shared.auth.jwks_url = String::new();
        let keys = users.keys();
        let stop = CancellationToken::new();
        let (told, address) = tokio::sync::oneshot::channel();
        let token = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let application = myreservation::app::build(settings).await.unwrap();
                application.authenticator().set_keys(&keys);
                told.send(application.addr()).unwrap();
                application.run(token).await.unwrap();
            });
        });
        let address = address.await.expect("the service starts");
        Self { address, http: reqwest::Client::new(), stop, thread: Some(thread) }
    }

    pub async fn stop(mut self) {
        self.stop.cancel();
        let thread = self.thread.take().unwrap();
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(self.url(path))).await
    }

    pub async fn get_with_token(&self, path: &str, token: &str) -> Answer {
        self.send(self.http.get(self.url(path)).header("X-Min-Version", token)).await
    }

    pub async fn get_as(&self, path: &str, bearer: &str) -> Answer {
        self.send(self.http.get(self.url(path)).header("Authorization", bearer)).await
    }

    pub async fn post_json(&self, path: &str, body: &str) -> Answer {
        let request = self.http.post(self.url(path)).header("Content-Type", "application/json");
        self.send(request.body(body.to_owned())).await
    }

    /// Waits until the view shows this many reservations.
    pub async fn shows(&self, total: u64) {
        eventually("the view shows all reservations", SOON, async || {
            self.get("/myReservations?size=1").await.json()["page"]["totalElements"] == total
        })
        .await;
    }
}
