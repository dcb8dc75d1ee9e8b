//! What customers do while a step fails: one order that stays, one that is declined, one that is cancelled, one that is
//! cancelled while it is being paid; and what was not answered before, with the same key.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use messaging::Record;

use crate::customers::{Desk, Shop};
use crate::orders::{Habits, Order};
use crate::poison;
use harness::http::{self, Client};
use harness::{Error, Ground, Plan, Service};

const LOOK_EVERY: Duration = Duration::from_millis(15);
const PATIENCE: Duration = Duration::from_secs(3);
/// Services look once a second for what operators ask.
const ASKED_WITHIN: Duration = Duration::from_millis(1600);

pub struct Customers {
    pub shop: Shop,
    plan: Plan,
    next: AtomicU64,
}

impl Customers {
    pub fn new(seed: u64, plan: &Plan) -> Self {
        let shop = Shop::new(seed, plan.addresses(Service::Gateway).to_vec(), Habits::default(), u64::MAX);
        Self { shop, plan: plan.clone(), next: AtomicU64::new(1) }
    }

    /// Everything at once; whoever gets no answer is asked for again in the next round.
    pub async fn round(&self, round: usize) {
        tokio::join!(
            self.unanswered(),
            self.stays(),
            self.is_declined(),
            self.is_cancelled(round.is_multiple_of(2)),
            self.is_cancelled_in_between()
        );
    }

    /// The next order of this kind; which number is declined follows from the seed.
    fn order(&self, declines: bool) -> Order {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if self.shop.book.order(number).declines == declines {
                return self.shop.book.open(number);
            }
        }
    }

    async fn reserve(&self, order: &Order) -> Option<i64> {
        let mut desk = Desk::new(&self.shop, 0);
        if desk.reserve(order, 1).await.is_none() {
            self.shop.book.pages().limbo.push(order.number);
        }
        desk.reserved_as(order.number)
    }

    async fn unanswered(&self) {
        let limbo = std::mem::take(&mut self.shop.book.pages().limbo);
        for number in limbo {
            self.reserve(&self.shop.book.order(number)).await;
        }
    }

    async fn stays(&self) -> Option<i64> {
        self.reserve(&self.order(false)).await
    }

    async fn is_declined(&self) {
        self.reserve(&self.order(true)).await;
    }

    /// Either at once, or when everything that follows has followed.
    async fn is_cancelled(&self, at_once: bool) {
        let Some(id) = self.stays().await else { return };
        if !at_once {
            let has_receipt = |view: &serde_json::Value| view["receiptStatus"] == "receipt_issued";
            self.until(&format!("/myReservations/{id}"), Duration::from_secs(1), has_receipt).await;
        }
        Desk::new(&self.shop, 0).cancel(id, true).await;
    }

    async fn is_cancelled_in_between(&self) {
        let order = self.order(false);
        let cancelled = async {
            let mut id = None;
            let is_there = |list: &serde_json::Value| {
                let items = list["_embedded"]["preReservations"].as_array();
                let ours = items.and_then(|items| items.iter().find(|item| item["price"] == order.price));
                id = ours.and_then(|item| item["id"].as_i64());
                id.is_some()
            };
            self.until("/preReservations?size=20&sort=id,desc", Duration::from_secs(1), is_there).await;
            if let Some(id) = id {
                Desk::new(&self.shop, 0).cancel(id, false).await;
            }
        };
        tokio::join!(self.reserve(&order), cancelled);
    }

    /// Asks until it is so, nobody answers, or the time is over.
    async fn until(&self, path: &str, within: Duration, mut is_so: impl FnMut(&serde_json::Value) -> bool) {
        let Some(gateway) = self.shop.gateways.first() else { return };
        let mut client = Client::new(*gateway, PATIENCE);
        let start = Instant::now();
        while start.elapsed() < within {
            let Ok(answer) = client.get(path).await else { return };
            if is_so(&answer.json().unwrap_or_default()) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// A record that nobody can read, behind it a fact that waits; then what an operator does.
    ///
    /// # Errors
    /// The log's.
    pub async fn poison(&self, ground: &Ground) -> Result<(), Error> {
        let Some(id) = self.stays().await else { return Ok(()) };
        let log = ground.open_log().await?;
        let record = Record {
            topic: ground.event_log.topic.clone(),
            key: Some(id.to_string()),
            payload: b"no json at all {".to_vec(),
            headers: vec![(poison::HEADER.to_owned(), b"poison".to_vec())],
            timestamp_ms: storage::now_ms(),
        };
        log.publish(&[record]).await;
        log.flush_and_close().await;
        Desk::new(&self.shop, 0).cancel(id, true).await;
        self.operate(1).await;
        Ok(())
    }

    /// Replays what is dead in every service, and discards it then; so often, or until nothing is left.
    pub async fn operate(&self, times: usize) -> bool {
        let consumers = [Service::Payment, Service::Receipt, Service::Myreservation];
        for _ in 0..times {
            for action in ["replay", "discard"] {
                let start = Instant::now();
                let mut asked = false;
                while !asked && start.elapsed() < ASKED_WITHIN {
                    for service in consumers {
                        asked |= self.ask_for_dead_letters(service, action).await.unwrap_or(false);
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                if !asked && action == "replay" {
                    return true;
                }
                tokio::time::sleep(ASKED_WITHIN.saturating_sub(start.elapsed())).await;
            }
        }
        false
    }

    async fn ask_for_dead_letters(&self, service: Service, action: &str) -> Option<bool> {
        let mut client = Client::new(*self.plan.addresses(service).first()?, PATIENCE);
        let json = client.get("/actuator/deadletters").await.ok()?.json()?;
        let letters = json["deadLetters"].as_array()?;
        let dead = letters
            .iter()
            .filter(|letter| letter["status"] == "dead")
            .filter_map(|letter| letter["id"].as_i64());
        let mut asked = false;
        for id in dead {
            let mut request = Vec::new();
            let body = format!("{{\"action\":\"{action}\"}}");
            http::with_body(
                &mut request,
                "POST",
                &format!("/actuator/deadletters/{id}"),
                "",
                body.as_bytes(),
            );
            asked |= client.send(&request).await.ok()?.status < 300;
        }
        Some(asked)
    }
}
