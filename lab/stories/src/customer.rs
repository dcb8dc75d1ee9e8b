//! What a customer does, and waits to see.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Answer;
use crate::system::System;
use harness::waiting::{PATIENCE, eventually, when};

/// Their card; it does not pass the Luhn check, and is accepted all the same.
pub const CARD: &str = "1234-1234-1234-1234";
pub const MASKED_CARD: &str = "****-****-****-1234";
/// Stripe's test number for a generic decline.
pub const DECLINING_CARD: &str = "4000-0000-0000-0002";
/// What the sample costs.
pub const PRICE: i64 = 1_300_000;

/// Somebody whom no other story knows.
#[derive(Clone, Copy, Debug)]
pub struct Customer {
    pub user_id: i64,
}

impl Customer {
    #[allow(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        static LAST: AtomicI64 = AtomicI64::new(0);
        Self { user_id: LAST.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// The body that httpie makes of the sample line: every value is a text, and there is a status.
    pub fn order(self) -> Value {
        json!({
            "userId": self.user_id.to_string(),
            "userAddress": "seoul",
            "productId": "1",
            "productName": "fold",
            "price": PRICE.to_string(),
            "cardNo": CARD,
            "status": "order",
        })
    }

    pub fn order_with(self, field: &str, value: impl Into<Value>) -> Value {
        let mut order = self.order();
        order[field] = value.into();
        order
    }

    /// Through the gateway, to 201.
    pub async fn reserve(self, system: &System) -> Reservation {
        Reservation::of(&system.gateway().post("/preReservations", &self.order()).await.expect(201))
    }

    /// The same, with what follows.
    pub async fn reserve_all(self, system: &System) -> Complete {
        self.reserve(system).await.complete(system).await
    }
}

/// A reservation that was answered with 201.
#[derive(Clone, Debug)]
pub struct Reservation {
    pub id: i64,
    pub item: Value,
}

/// A reservation with everything that follows it.
#[derive(Clone, Debug)]
pub struct Complete {
    pub id: i64,
    pub reservation: Value,
    pub payment: Value,
    pub receipt: Value,
    pub view: Value,
}

impl Reservation {
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        let item = answer.json();
        let id = item["id"].as_i64().unwrap_or_else(|| panic!("no id in {item}"));
        Self { id, item }
    }

    /// Waits for payment, receipt and view.
    pub async fn complete(self, system: &System) -> Complete {
        let view = view(system, self.id, |view| statuses(view) == ["reservated", "paid", "receipt_issued"]);
        let view = view.await;
        let item = async |path: String| system.gateway().get(&path).await.expect(200).json();
        let payment = item(format!("/payments/{}", view["paymentId"])).await;
        let receipt = item(format!("/receipts/{}", view["receiptId"])).await;
        let reservation = item(format!("/preReservations/{}", self.id)).await;
        Complete { id: self.id, reservation, payment, receipt, view }
    }
}

/// Waits until the view of a reservation is as it should be.
pub async fn view(system: &System, id: i64, is_right: impl Fn(&Value) -> bool) -> Value {
    view_within(PATIENCE, system, id, is_right).await
}

pub async fn view_within(
    deadline: Duration,
    system: &System,
    id: i64,
    is_right: impl Fn(&Value) -> bool,
) -> Value {
    eventually(deadline, &format!("the view of reservation {id}"), async || {
        let answer = system.gateway().get(&format!("/myReservations/{id}")).await;
        if answer.status != 200 {
            return Err(answer.text());
        }
        let view = answer.json();
        when(is_right(&view), view).map_err(|view| view.to_string())
    })
    .await
}

/// Of the view: reservation, payment, receipt; empty where there is none.
pub fn statuses(view: &Value) -> [&str; 3] {
    ["reservationStatus", "paymentStatus", "receiptStatus"]
        .map(|facet| view[facet].as_str().unwrap_or_default())
}

/// Of a user's items in a collection, by the search.
pub async fn ids_of_user(system: &System, collection: &str, user: i64) -> Vec<i64> {
    let path = format!("/{collection}/search/findByUserId?userId={user}&size=1000");
    let found = system.gateway().get(&path).await.expect(200).json();
    let items = found["_embedded"][collection].as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|item| item["id"].as_i64()).collect()
}

/// Epoch milliseconds of a date on the wire.
#[track_caller]
pub fn millis(date: &Value) -> i64 {
    let text = date.as_str().unwrap_or_else(|| panic!("{date} is no date"));
    let parsed = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    let parsed = parsed.unwrap_or_else(|error| panic!("{text}: {error}"));
    i64::try_from(parsed.unix_timestamp_nanos() / 1_000_000).expect("it is in our times")
}
