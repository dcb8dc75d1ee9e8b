//! As whom customers ask, and who is banned.
//!
//! Customers renew their sessions all the time; what a lost answer takes from them, they get by signing in again. Guests look at
//! their own lists, are banned, and go on asking.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Mutex;

use crate::customers::Shop;
use harness::Error;
use harness::http::{self, Answer, Client};

pub const ADMIN_EMAIL: &str = "admin@example.com";
pub const ADMIN_PASSWORD: &str = "the password of an administrator";
pub(crate) const GUESTS: usize = 2;
/// After it nobody banned may get in, whatever is broken meanwhile.
pub const BOUND: Duration = Duration::from_secs(20);

const CUSTOMERS: usize = 6;
const PATIENCE: Duration = Duration::from_secs(12);
const PAUSE: Duration = Duration::from_millis(100);
/// Far more often than people need it.
const RENEWED_EVERY: Duration = Duration::from_secs(2);
/// For the first sessions, before anything is broken.
const STARTING: Duration = Duration::from_secs(60);
const LISTS: [&str; 4] = ["/preReservations", "/payments", "/receipts", "/myReservations"];

pub struct Accounts {
    gateways: Vec<SocketAddr>,
    admin: Mutex<Session>,
    customers: Vec<Mutex<Session>>,
    /// So many have come.
    guests: AtomicUsize,
}

struct Session {
    user: i64,
    email: String,
    password: String,
    token: String,
    refresh: String,
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
        Ok(Self { gateways, admin: Mutex::new(admin), customers, guests: AtomicUsize::new(0) })
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

/// Signs up, is banned, is kept out; again and again until the shop closes.
pub(crate) async fn be_a_guest(shop: Arc<Shop>) {
    let Some(accounts) = &shop.accounts else { return };
    while !shop.is_done() {
        let number = accounts.guests.fetch_add(1, Ordering::Relaxed);
        let gateway = accounts.gateways[number % accounts.gateways.len()];
        let email = format!("guest{number}@example.com");
        let Some(guest) = sign_up(gateway, &email).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        be_banned(&shop, accounts, gateway, &guest).await;
    }
}

async fn be_banned(shop: &Shop, accounts: &Accounts, gateway: SocketAddr, guest: &Session) {
    for list in LISTS {
        if let Some(status @ (401 | 403)) = status_of(gateway, list, &guest.token).await {
            shop.book.odd(None, None, format!("{list} was answered {status} to a guest who is not banned"));
        }
    }
    let path = format!("/users/{}/ban", guest.user);
    let body = json!({ "reason": "a guest" }).to_string();
    let mut tries = 0;
    let banned_at = loop {
        let mut request = Vec::new();
        http::with_body(&mut request, "POST", &path, &accounts.admin().await, body.as_bytes());
        match send(gateway, &request).await {
            Some(answer) if answer.status == 204 => break Instant::now(),
            Some(answer) if answer.status < 500 => {
                return shop.book.odd(None, None, format!("{path} was answered {}", answer.status));
            }
            _ if tries == 100 => return,
            _ => tries += 1,
        }
        tokio::time::sleep(PAUSE).await;
    };
    let mut let_in = Duration::ZERO;
    // Until each list has refused him twice: once might be another replica.
    for round in 0.. {
        let mut refused = 0;
        for list in LISTS {
            match status_of(gateway, list, &guest.token).await {
                Some(200..=299) => {
                    let_in = banned_at.elapsed();
                    if let_in > BOUND {
                        return shop.book.odd(
                            None,
                            None,
                            format!("{list} let a banned guest in after {let_in:?}"),
                        );
                    }
                }
                Some(401) => refused += 1,
                // Broken, or away.
                _ => {}
            }
        }
        if refused == LISTS.len() && round > 0 || shop.is_done() && banned_at.elapsed() > BOUND {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    for (what, answer) in [
        ("refresh", refresh(gateway, &guest.refresh).await),
        ("sign-in", sign_in_answer(gateway, &guest.email, &guest.password).await),
    ] {
        if let Some(answer) = answer.filter(|answer| (200..300).contains(&answer.status)) {
            shop.book.odd(None, None, format!("{what} of a banned guest was answered {}", answer.status));
        }
    }
    shop.book.pages().bans.push(let_in);
}

async fn status_of(gateway: SocketAddr, path: &str, token: &str) -> Option<u16> {
    let mut request = Vec::new();
    http::get_with(&mut request, path, &bearer(token));
    send(gateway, &request).await.map(|answer| answer.status)
}

async fn sign_up(gateway: SocketAddr, email: &str) -> Option<Session> {
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

async fn sign_in_answer(gateway: SocketAddr, email: &str, password: &str) -> Option<Answer> {
    let body = json!({ "email": email, "password": password }).to_string();
    let mut request = Vec::new();
    http::with_body(&mut request, "POST", "/users/signin", "", body.as_bytes());
    send(gateway, &request).await
}

async fn refresh(gateway: SocketAddr, token: &str) -> Option<Answer> {
    let mut request = Vec::new();
    http::with_body(&mut request, "POST", "/users/refresh", &format!("Cookie: refresh={token}\r\n"), b"");
    send(gateway, &request).await
}

async fn send(gateway: SocketAddr, request: &[u8]) -> Option<Answer> {
    Client::new(gateway, PATIENCE).send(request).await.ok()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}
