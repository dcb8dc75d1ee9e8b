//! The whole service, built as production builds it.

use std::net::SocketAddr;

use account::settings::Own;
use chassis::Settings;
use identity::{Role, Roles};
use serde_json::{Value, json};
use testkit::{TestDatabase, TestLog};
use tokio_util::sync::CancellationToken;

use super::PASSWORD;
use super::client::{Answer, Client};

pub(crate) struct App {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// As compiled in, with hashes that cost little.
pub(crate) fn settings(database: &TestDatabase, log: &TestLog) -> Settings<Own> {
    let variables = [("KEYS_SECRET", "a secret of the tests")];
    let mut settings = account::app::SERVICE.compiled_in(None, &variables).unwrap();
    settings.shared.server.port = 0;
    settings.shared.server.workers = 2;
    settings.shared.database = database.settings();
    settings.shared.event_log = log.settings("prereservation");
    settings.own.passwords.memory_kib = 64;
    settings.own.passwords.passes = 1;
    settings.own.keys.look_every_ms = 100;
    settings
}

impl App {
    pub(crate) async fn start(settings: Settings<Own>) -> Self {
        let stop = CancellationToken::new();
        let (told, address) = tokio::sync::oneshot::channel();
        let token = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let application = account::app::build(settings).await.unwrap();
                told.send(application.addr()).unwrap();
                application.run(token).await.unwrap();
            });
        });
        let address = address.await.expect("the service starts");
        Self { address, stop, thread: Some(thread) }
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let thread = self.thread.take().unwrap();
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    }

    /// A browser without cookies.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// A browser of a user who has just signed up.
    pub(crate) async fn user(&self, email: &str) -> (Client, i64) {
        let mut client = self.client();
        let answer = client.post("/users/signup", &json!({"email": email, "password": PASSWORD})).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        (client, answer.json()["id"].as_i64().unwrap())
    }

    /// A browser of an administrator, made as `account create-admin` makes him.
    pub(crate) async fn administrator(&self, database: &TestDatabase) -> (Client, i64) {
        let stores = super::Stores::open(database).await;
        let (_, id) = self.user("admin@shop.example").await;
        let roles = Roles::from_iter([Role::Customer, Role::Admin]);
        use account::domain::User;
        use account::use_cases::ports::{By, UserStore as _};
        let decide = Box::new(move |user: &mut User, now| user.change_roles(roles, now));
        stores.users.change(By::Operator, id, decide).await.unwrap();
        stores.database.close().await;
        let mut client = self.client();
        assert_eq!(client.sign_in("admin@shop.example", PASSWORD).await.status, 200);
        (client, id)
    }
}

impl Client {
    pub(crate) async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        self.post("/users/signin", &json!({"email": email, "password": password})).await
    }

    pub(crate) async fn current_user(&mut self) -> Value {
        let answer = self.get("/users/currentuser").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["currentUser"].clone()
    }
}
