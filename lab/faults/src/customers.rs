//! Customers: they reserve, repeat what was not answered with the same key, look, cancel, and now and then cancel a
//! reservation that is just being paid.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::accounts::Accounts;
use crate::orders::{Book, CARD, DECLINED_CARD, Habits, Order, Told};
use crate::rng::Rng;
use harness::http::{self, Answer, Client};

const PATIENCE: Duration = Duration::from_secs(12);
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// About as long as a reservation takes.
const WHILE_PAYING_MS: u64 = 60;

pub struct Shop {
    pub seed: u64,
    pub gateways: Vec<SocketAddr>,
    pub book: Book,
    pub habits: Habits,
    /// So many orders may be answered 201 for now: the load is spread over the faults.
    pub allowed: AtomicU64,
    /// So many are wanted.
    pub wanted: u64,
    next: AtomicU64,
    pub closed: AtomicBool,
    /// Where customers have accounts.
    pub accounts: Option<Accounts>,
}

impl Shop {
    pub fn new(seed: u64, gateways: Vec<SocketAddr>, habits: Habits, wanted: u64) -> Self {
        Self {
            seed,
            gateways,
            book: Book::new(seed, habits),
            habits,
            allowed: AtomicU64::new(0),
            wanted,
            next: AtomicU64::new(1),
            closed: AtomicBool::new(false),
            accounts: None,
        }
    }

    pub fn is_done(&self) -> bool {
        self.closed.load(Ordering::SeqCst) || self.book.reserved() >= self.wanted
    }

    /// Sends everybody home; what was not reserved never will be.
    pub fn close(&self, why: &str) {
        eprintln!("given up: {why}");
        self.book.stalled(format!("{} of {} reserved; {why}", self.book.reserved(), self.wanted));
        self.closed.store(true, Ordering::SeqCst);
    }

    fn may_order(&self) -> bool {
        self.book.reserved() < self.allowed.load(Ordering::SeqCst).min(self.wanted)
    }
}

/// One customer after the other, until there are as many reservations as wanted.
pub async fn shop(shop: Arc<Shop>, till: usize, tills: u64) {
    let mut desk = Desk::new(&shop, till);
    let mut other = Desk::new(&shop, till);
    while !shop.is_done() {
        if !shop.may_order() {
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        }
        let order = shop.book.open(shop.next.fetch_add(1, Ordering::SeqCst));
        let mut rng = Rng::fork(shop.seed, order.number | 1 << 63);
        let race = async {
            if rng.percent(shop.habits.races) {
                tokio::time::sleep(Duration::from_millis(rng.below(WHILE_PAYING_MS))).await;
                // Anywhere between its first row and its payment, or not even begun.
                let around = i64::try_from(rng.below(2 * tills)).unwrap_or_default();
                let back = i64::try_from(tills / 2).unwrap_or_default();
                other.cancel((shop.book.latest() + around - back).max(1), false).await;
            }
        };
        let (told, ()) = tokio::join!(desk.reserve(&order, TRIES), race);
        if told.is_none() {
            shop.book.pages().limbo.push(order.number);
        }
        if let Some(id) = desk.reserved_as(order.number) {
            if order.reads {
                desk.look(&order, id).await;
            }
            if order.cancels {
                desk.cancel(id, true).await;
            }
        }
        if !shop.habits.pause.is_zero() {
            tokio::time::sleep(shop.habits.pause).await;
        }
    }
}

/// Asks again, with the same keys, for what has no last word; until all have one, or the time is over.
pub async fn ask_again(shop: &Shop, deadline: Instant) {
    let mut desk = Desk::new(shop, 0);
    loop {
        let limbo = std::mem::take(&mut shop.book.pages().limbo);
        if limbo.is_empty() || Instant::now() > deadline {
            shop.book.pages().limbo = limbo;
            return;
        }
        for number in limbo {
            let order = shop.book.order(number);
            if desk.reserve(&order, 1).await.is_none() {
                shop.book.pages().limbo.push(number);
            }
        }
        tokio::time::sleep(5 * PAUSE).await;
    }
}

/// The same keys once more: a reservation that stands must be found again, not made again.
pub async fn repeat(shop: &Shop, most: usize) {
    let orders: Vec<Order> = {
        let pages = shop.book.pages();
        let told = pages.orders.values().filter(|entry| entry.told != Told::Nothing);
        told.take(most).map(|entry| entry.order.clone()).collect()
    };
    let mut desk = Desk::new(shop, 0);
    for order in orders {
        desk.reserve(&order, 3).await;
    }
}

pub(crate) struct Desk<'a> {
    shop: &'a Shop,
    client: Client,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(shop: &'a Shop, till: usize) -> Self {
        let address = shop.gateways[till % shop.gateways.len()];
        Self { shop, client: Client::new(address, PATIENCE) }
    }

    pub(crate) fn reserved_as(&self, number: u64) -> Option<i64> {
        let pages = self.shop.book.pages();
        pages.orders.get(&number).filter(|entry| entry.told == Told::Reserved)?.id
    }

    /// `None`: still without a last word.
    pub(crate) async fn reserve(&mut self, order: &Order, tries: u32) -> Option<Told> {
        for _ in 0..tries {
            let (user, token) = match &self.shop.accounts {
                Some(accounts) => accounts.customer(order.number).await,
                None => (order.anybody(), String::new()),
            };
            let mut request = Vec::new();
            let headers = format!("Idempotency-Key: {}\r\n{token}", order.key);
            http::with_body(&mut request, "POST", "/preReservations", &headers, order.body(user).as_bytes());
            let sent_at = self.shop.book.now();
            let answer = self.client.send(&request).await;
            self.shop.book.posted(sent_at, answer.as_ref().map_or(0, |answer| answer.status));
            match answer {
                Ok(answer) => {
                    self.no_card(order.number, &answer);
                    if let Some(told) = self.understand(order, &answer) {
                        if told == Told::Refused {
                            // As Retry-After asks; a breaker that is open would refuse the next one too.
                            tokio::time::sleep(2 * PAUSE).await;
                        }
                        return Some(told);
                    }
                }
                Err(error) => self.shop.book.note(order.number, &format!("POST no answer ({error})")),
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    fn understand(&self, order: &Order, answer: &Answer) -> Option<Told> {
        let book = &self.shop.book;
        let json = answer.json().unwrap_or_default();
        let id = json["id"].as_i64().or_else(|| json["reservationId"].as_i64());
        let detail = json["detail"].as_str().unwrap_or_default();
        book.note(order.number, &format!("POST {} (id {id:?} {detail})", answer.status));
        let told = match answer.status {
            201 if id.is_some() => Told::Reserved,
            402 => Told::Refused,
            409 | 503 if json["reason"].is_string() => Told::Refused,
            409 | 429 | 500..=599 => return None,
            status => {
                book.odd(Some(order.number), id, format!("POST was answered {status}: {detail}"));
                Told::Refused
            }
        };
        if order.declines && told == Told::Reserved {
            book.odd(Some(order.number), id, "a declined card was answered 201");
        }
        book.told(order.number, told, id);
        Some(told)
    }

    fn no_card(&self, number: u64, answer: &Answer) {
        let body = String::from_utf8_lossy(&answer.body);
        let shown = [CARD, DECLINED_CARD].iter().any(|card| body.contains(card));
        if shown {
            self.shop.book.odd(Some(number), None, "an answer shows a card number");
        }
    }

    async fn look(&mut self, order: &Order, id: i64) {
        let token = match &self.shop.accounts {
            Some(accounts) => accounts.customer(order.number).await.1,
            None => String::new(),
        };
        let Ok(answer) = self.get(&format!("/preReservations/{id}"), &token).await else { return };
        self.shop.book.note(order.number, &format!("GET {}", answer.status));
        self.no_card(order.number, &answer);
        if answer.status == 404 && !self.shop.book.may_be_cancelled(id) {
            self.shop.book.odd(Some(order.number), Some(id), "answered 201, then not found");
        }
        // The view may be behind; it only has to answer, and without the card.
        if let Ok(answer) = self.get(&format!("/myReservations/{id}"), &token).await {
            self.no_card(order.number, &answer);
        }
    }

    async fn get(&mut self, path: &str, headers: &str) -> io::Result<Answer> {
        let mut request = Vec::new();
        http::get_with(&mut request, path, headers);
        let answer = self.client.send(&request).await?;
        if matches!(answer.status, 401 | 403) {
            self.shop.book.odd(
                None,
                None,
                format!("{path} of a customer's own was answered {}", answer.status),
            );
        }
        Ok(answer)
    }

    pub(crate) async fn cancel(&mut self, id: i64, known: bool) {
        let book = &self.shop.book;
        for _ in 0..TRIES {
            // An administrator may cancel anybody's.
            let token = match &self.shop.accounts {
                Some(accounts) => accounts.admin().await,
                None => String::new(),
            };
            let mut request = Vec::new();
            http::with_body(&mut request, "DELETE", &format!("/preReservations/{id}"), &token, b"");
            let sent_at = book.cancel_asked(id);
            match self.client.send(&request).await {
                Ok(answer) if answer.status == 204 => {
                    return book.cancel_answered(id, "204", true, Some(sent_at));
                }
                Ok(answer) if answer.status == 404 => {
                    let others = book.pages().cancels.get(&id).is_some_and(|cancels| cancels.asked > 1);
                    if known && !others {
                        book.odd(None, Some(id), "answered 201, then not found");
                    }
                    return book.cancel_answered(id, "404", known, None);
                }
                Ok(answer) => book.cancel_answered(id, &answer.status.to_string(), false, None),
                Err(error) => book.cancel_answered(id, &error.to_string(), false, None),
            }
            if !known {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
