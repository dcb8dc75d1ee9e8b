//! As whom customers ask.
//!
//! Customers renew their sessions all the time; what a lost answer takes from them, they get by signing in again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Mutex;

use harness::Error;
use harness::http::{self, Answer, Client};

pub const ADMIN_EMAIL: &str = "admin@example.com";
pub const ADMIN_PASSWORD: &str = "the password of an administrator";

const CUSTOMERS: usize = 6;
const PATIENCE: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(100);
/// Far more often than people need it.
const RENEWED_EVERY: Duration = Duration::from_secs(2);
/// For the first sessions, before anything is broken.
const STARTING: Duration = Duration::from_secs(60);

pub struct Accounts {
    pub(crate) gateways: Vec<SocketAddr>,
    admin: Mutex<Session>,
    customers: Vec<Mutex<Session>>,
}

pub(crate) struct Session {
    pub(crate) user: i64,
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) token: String,
    pub(crate) refresh: String,
    renewed: Instant,
}

impl Accounts {
    /// # Errors
    /// Nobody can sign up.
    pub async fn open(gateways: Vec<SocketAddr>) -> Result<Self, Error> {
        let deadline = Instant::now() + STARTING;
        let admin = loop {
            match sign_in(gateways[0], ADMIN_EMAIL, ADMIN_PASSWORD).await {
                Some(admin) => break admin,
                None if Instant::now() > deadline => {
                    return Err(Error::unexpected("no administrator signs in"));
                }
                None => tokio::time::sleep(PAUSE).await,
            }
        };
        let mut customers = Vec::new();
        for number in 0..CUSTOMERS {
            let email = format!("customer{number}@example.com");
            let session = sign_up(gateways[0], &email).await;
            customers.push(Mutex::new(session.ok_or_else(|| Error::unexpected("nobody can sign up"))?));
        }
        Ok(Self { gateways, admin: Mutex::new(admin), customers })
    }

    /// Whose order it is, and the header that proves it.
    pub(crate) async fn customer(&self, order: u64) -> (i64, String) {
        let number = usize::try_from(order).unwrap_or_default();
        let gateway = self.gateways[number % self.gateways.len()];
        let mut session = self.customers[number % self.customers.len()].lock().await;
        session.renew(gateway).await;
        (session.user, bearer(&session.token))
    }

    pub(crate) async fn admin(&self) -> String {
        let mut admin = self.admin.lock().await;
        admin.renew(self.gateways[0]).await;
        bearer(&admin.token)
    }
}

impl Session {
    fn of(answer: &Answer, email: &str, password: &str) -> Option<Self> {
        Some(Self {
            user: answer.json()?["id"].as_i64()?,
            email: email.to_owned(),
            password: password.to_owned(),
            token: answer.cookie("session")?.to_owned(),
            refresh: answer.cookie("refresh")?.to_owned(),
            renewed: Instant::now(),
        })
    }

    /// If it is time. Where account does not answer, the token that is there still serves.
    async fn renew(&mut self, gateway: SocketAddr) {
        if self.renewed.elapsed() < RENEWED_EVERY {
            return;
        }
        self.renewed = Instant::now();
        let Some(answer) = refresh(gateway, &self.refresh).await else { return };
        match answer.status {
            204 => {
                if let (Some(token), Some(refresh)) = (answer.cookie("session"), answer.cookie("refresh")) {
                    (self.token, self.refresh) = (token.to_owned(), refresh.to_owned());
                }
            }
            // An answer with a newer one was lost.
            401 => {
                if let Some(new) = sign_in(gateway, &self.email, &self.password).await {
                    *self = new;
                }
            }
            _ => {}
        }
    }
}

pub(crate) async fn status_of(gateway: SocketAddr, path: &str, token: &str) -> Option<u16> {
    let mut request = Vec::new();
    http::get_with(&mut request, path, &bearer(token));
    send(gateway, &request).await.map(|answer| answer.status)
}

pub(crate) async fn sign_up(gateway: SocketAddr, email: &str) -> Option<Session> {
    let password = "correct horse battery";
    let body = json!({ "email": email, "password": password, "name": "somebody" }).to_string();
    let mut request = Vec::new();
    http::with_body(&mut request, "POST", "/users/signup", "", body.as_bytes());
    let answer = send(gateway, &request).await.filter(|answer| answer.status == 201)?;
    Session::of(&answer, email, password)
}

async fn sign_in(gateway: SocketAddr, email: &str, password: &str) -> Option<Session> {
    let answer = sign_in_answer(gateway, email, password).await.filter(|answer| answer.status == 200)?;
    Session::of(&answer, email, password)
}

pub(crate) async fn sign_in_answer(gateway: SocketAddr, email: &str, password: &str) -> Option<Answer> {
    let body = json!({ "email": email, "password": password }).to_string();
    let mut request = Vec::new();
    http::with_body(&mut request, "POST", "/users/signin", "", body.as_bytes());
    send(gateway, &request).await
}

pub(crate) async fn refresh(gateway: SocketAddr, token: &str) -> Option<Answer> {
    let mut request = Vec::new();
    http::with_body(&mut request, "POST", "/users/refresh", &format!("Cookie: refresh={token}\r\n"), b"");
    send(gateway, &request).await
}

pub(crate) async fn send(gateway: SocketAddr, request: &[u8]) -> Option<Answer> {
    Client::new(gateway, PATIENCE).send(request).await.ok()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}
