//! What customers ask for, each order from the seed and its number; and the log of all that they were told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::rng::Rng;

/// Looked for everywhere at the end, and to be found nowhere.
pub const CARD: &str = "4539148803436467";
/// Stripe's test number that every bank declines.
pub const DECLINED_CARD: &str = "4000000000000002";
const FIRST_PRICE: i64 = 1_000_000;

#[derive(Clone, Debug)]
pub struct Order {
    pub number: u64,
    /// The customer's `Idempotency-Key`.
    pub key: String,
    /// No two orders have the same, so that it tells whose reservation a row is.
    pub price: i64,
    pub declines: bool,
    pub cancels: bool,
    pub reads: bool,
}

/// What customers do: shares of their orders in percent.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Pay with a card that is declined.
    pub declines: u64,
    pub cancels: u64,
    pub reads: u64,
    /// Meanwhile cancel one that is probably just being paid, whoever's it is.
    pub races: u64,
    /// Between two orders of a customer.
    pub pause: Duration,
    /// Customers have accounts, which the system requires; guests are banned.
    pub accounts: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self { declines: 5, cancels: 25, reads: 50, races: 10, pause: Duration::ZERO, accounts: false }
    }
}

impl Order {
    pub fn of(seed: u64, habits: Habits, number: u64) -> Self {
        let mut rng = Rng::fork(seed, number);
        let declines = rng.percent(habits.declines);
        Self {
            number,
            key: format!("order-{seed}-{number}"),
            price: FIRST_PRICE + i64::try_from(number).unwrap_or(i64::MAX / 2),
            declines,
            cancels: rng.percent(habits.cancels),
            reads: rng.percent(habits.reads),
        }
    }

    /// Who orders, where customers have no accounts.
    pub fn anybody(&self) -> i64 {
        1 + i64::try_from(self.number % 100).unwrap_or_default()
    }

    pub fn body(&self, user: i64) -> String {
        let card = if self.declines { DECLINED_CARD } else { CARD };
        format!(
            "{{\"userId\":{},\"userAddress\":\"seoul\",\"productId\":1,\"productName\":\"fold\",\"price\":{},\
             \"cardNo\":\"{card}\"}}",
            user, self.price,
        )
    }
}

/// How an order ended for the customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// No answer that says so yet.
    #[default]
    Nothing,
    /// 201.
    Reserved,
    /// 402, or another answer that says that it is cancelled.
    Refused,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub order: Order,
    pub told: Told,
    pub id: Option<i64>,
    /// When it was asked for first, and when it got its last word; since the run began.
    pub asked_at: Option<Duration>,
    pub told_at: Option<Duration>,
    pub history: Vec<String>,
}

/// Requests to cancel one reservation, by anybody.
#[derive(Clone, Debug, Default)]
pub struct Cancels {
    pub asked: u32,
    /// When the one was sent that was answered 204; since the run began.
    pub taken_at: Option<Duration>,
    /// One was answered 204, or 404 after another had been asked for.
    pub confirmed: bool,
}

/// An answer that must not be.
#[derive(Clone, Debug)]
pub struct Oddity {
    pub order: Option<u64>,
    pub id: Option<i64>,
    pub what: String,
}

/// One request to reserve.
#[derive(Clone, Copy, Debug)]
pub struct Post {
    /// Since the run began.
    pub sent_at: Duration,
    pub took: Duration,
    /// 0: no answer.
    pub status: u16,
}

#[derive(Default)]
pub struct Pages {
    pub orders: BTreeMap<u64, Entry>,
    pub cancels: BTreeMap<i64, Cancels>,
    pub cancel_history: BTreeMap<i64, Vec<String>>,
    pub oddities: Vec<Oddity>,
    /// Orders without a last word, to be asked for again later.
    pub limbo: Vec<u64>,
    pub answers: BTreeMap<String, u64>,
    pub posts: Vec<Post>,
    /// The keys of records that nobody can read, one for each.
    pub poisoned: Vec<i64>,
    /// How long after each ban the last request with the guest's token was answered.
    pub bans: Vec<Duration>,
    /// Why no more was reserved than was.
    pub stalled: Option<String>,
}

/// The customers' log.
pub struct Book {
    seed: u64,
    habits: Habits,
    start: Instant,
    pages: Mutex<Pages>,
    reserved: AtomicU64,
    raced: AtomicU64,
    latest: AtomicI64,
}

impl Book {
    pub fn new(seed: u64, habits: Habits) -> Self {
        Self {
            seed,
            habits,
            start: Instant::now(),
            pages: Mutex::default(),
            reserved: AtomicU64::new(0),
            raced: AtomicU64::new(0),
            latest: AtomicI64::new(0),
        }
    }

    pub fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many orders were answered 201.
    pub fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::SeqCst)
    }

    /// How many were cancelled by a request that came while they were asked for.
    pub fn raced(&self) -> u64 {
        self.raced.load(Ordering::SeqCst)
    }

    /// What is not reserved now never will be: the run goes on to its audit.
    pub fn stalled(&self, what: impl Into<String>) {
        self.pages().stalled.get_or_insert(what.into());
    }

    /// The largest id seen.
    pub fn latest(&self) -> i64 {
        self.latest.load(Ordering::SeqCst)
    }

    pub fn order(&self, number: u64) -> Order {
        Order::of(self.seed, self.habits, number)
    }

    pub fn open(&self, number: u64) -> Order {
        let order = self.order(number);
        let entry = Entry {
            order: order.clone(),
            told: Told::Nothing,
            id: None,
            asked_at: Some(self.now()),
            told_at: None,
            history: Vec::new(),
        };
        self.pages().orders.entry(number).or_insert(entry);
        order
    }

    /// Since the run began.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// A request to reserve that has ended, one way or another.
    pub fn posted(&self, sent_at: Duration, status: u16) {
        let took = self.now() - sent_at;
        self.pages().posts.push(Post { sent_at, took, status });
    }

    fn stamp(&self, what: &str) -> String {
        format!("{:>9.3}s {what}", self.now().as_secs_f64())
    }

    pub fn note(&self, number: u64, what: &str) {
        let line = self.stamp(what);
        let mut pages = self.pages();
        *pages.answers.entry(what.split(" (").next().unwrap_or_default().to_owned()).or_default() += 1;
        if let Some(entry) = pages.orders.get_mut(&number) {
            entry.history.push(line);
        }
    }

    /// The order's last word. A second one that differs from the first is an oddity.
    pub fn told(&self, number: u64, told: Told, id: Option<i64>) {
        if let Some(id) = id {
            self.latest.fetch_max(id, Ordering::SeqCst);
        }
        let now = self.now();
        let mut pages = self.pages();
        let Some(entry) = pages.orders.get_mut(&number) else { return };
        let before = (entry.told, entry.id);
        if before.0 == Told::Nothing {
            (entry.told, entry.id, entry.told_at) = (told, id, Some(now));
            let asked_at = entry.asked_at;
            if told == Told::Reserved {
                self.reserved.fetch_add(1, Ordering::SeqCst);
            }
            let taken_at = id.and_then(|id| pages.cancels.get(&id)?.taken_at);
            if taken_at.is_some_and(|taken_at| Some(taken_at) >= asked_at) {
                self.raced.fetch_add(1, Ordering::SeqCst);
            }
            return;
        }
        // A reservation that was cancelled meanwhile may be told so; nothing ever becomes another reservation.
        let cancelled = id.or(before.1).is_some_and(|id| pages.cancels.contains_key(&id));
        let same = before.0 == told || (before.0 == Told::Reserved && told == Told::Refused && cancelled);
        if !same || (id.is_some() && before.1.is_some() && id != before.1) {
            let what = format!("the same key was answered {before:?}, then {:?}", (told, id));
            pages.oddities.push(Oddity { order: Some(number), id, what });
        }
    }

    pub fn odd(&self, order: Option<u64>, id: Option<i64>, what: impl Into<String>) {
        self.pages().oddities.push(Oddity { order, id, what: what.into() });
    }

    /// Before the request leaves: from now on it may have been cancelled.
    pub fn cancel_asked(&self, id: i64) -> Duration {
        self.pages().cancels.entry(id).or_default().asked += 1;
        self.now()
    }

    /// `taken_at`: when the request was sent, if it was answered 204.
    pub fn cancel_answered(&self, id: i64, answer: &str, confirmed: bool, taken_at: Option<Duration>) {
        let line = self.stamp(&format!("DELETE {answer}"));
        let mut pages = self.pages();
        pages.cancel_history.entry(id).or_default().push(line);
        let cancels = pages.cancels.entry(id).or_default();
        cancels.confirmed |= confirmed;
        cancels.taken_at = cancels.taken_at.or(taken_at);
    }

    pub fn may_be_cancelled(&self, id: i64) -> bool {
        self.pages().cancels.contains_key(&id)
    }
}
