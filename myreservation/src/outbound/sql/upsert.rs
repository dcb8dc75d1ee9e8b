//! The one statement that writes rows, for any combination of facets.
//!
//! A batch is written with one statement for each combination that occurs in it: a reservation of which payment and
//! receipt have told is one row written once, not twice, and a fact that comes alone binds no columns but its own.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};
use storage::{Dialect, Tx, sql};

use crate::domain::{Changes, Payment, Purchase, Receipt, Reservation};

/// Which facets a row brings, one bit each; higher is more trusted about what all three tell.
type Shape = u8;
const RESERVATION: Shape = 0b100;
const PAYMENT: Shape = 0b010;
const RECEIPT: Shape = 0b001;

/// Told by all three.
const SHARED: [&str; 7] =
    ["user_id", "user_address", "product_id", "product_name", "price", "card_no", "created_at"];

struct Columns {
    bit: Shape,
    version: &'static str,
    /// The version first.
    all: &'static [&'static str],
}

/// From the most trusted to the least.
const FACETS: [Columns; 3] = [
    Columns {
        bit: RESERVATION,
        version: "reservation_version",
        all: &[
            "reservation_version",
            "reservation_status",
            "reservation_modified_at",
            "cancel_reason",
            "cancel_detail",
        ],
    },
    Columns {
        bit: PAYMENT,
        version: "payment_version",
        all: &[
            "payment_version",
            "payment_status",
            "payment_id",
            "payment_created_at",
            "payment_modified_at",
        ],
    },
    Columns {
        bit: RECEIPT,
        version: "receipt_version",
        all: &[
            "receipt_version",
            "receipt_status",
            "receipt_id",
            "expected_delivery_at",
            "receipt_created_at",
            "receipt_modified_at",
        ],
    },
];

/// Most rows in one statement.
const LARGEST: usize = 64;

/// Writes the rows whose facets are newer than what is there. Of those that changed: the outcome before (`None` for a new
/// row), the outcome after, the id.
pub(super) async fn upsert(
    tx: &mut Tx,
    table: &'static str,
    rows: impl Iterator<Item = (i64, Changes)>,
) -> Result<Vec<AnyRow>, sqlx::Error> {
    let mut by_shape: [Vec<(i64, Changes)>; 8] = Default::default();
    for (id, changes) in rows {
        by_shape[usize::from(shape(&changes))].push((id, changes));
    }
    let dialect = Dialect::of(tx);
    let mut changed = Vec::new();
    for (shape, rows) in (0..).zip(by_shape) {
        for chunk in sql::chunks(&rows, LARGEST) {
            let mut query = sqlx::query(AssertSqlSafe(statement(dialect, table, shape, chunk.len())));
            for (id, changes) in chunk {
                query = bind(query, *id, changes);
            }
            changed.extend(query.fetch_all(&mut **tx).await?);
        }
    }
    Ok(changed)
}

fn shape(changes: &Changes) -> Shape {
    let bit = |told: bool, bit| if told { bit } else { 0 };
    bit(changes.reservation.is_some(), RESERVATION)
        | bit(changes.payment.is_some(), PAYMENT)
        | bit(changes.receipt.is_some(), RECEIPT)
}

/// The texts are long, and few: each is written once.
fn statement(dialect: Dialect, table: &'static str, shape: Shape, rows: usize) -> Arc<str> {
    type Texts = HashMap<(Dialect, &'static str, Shape, usize), Arc<str>>;
    static TEXTS: LazyLock<Mutex<Texts>> = LazyLock::new(Mutex::default);
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    let text = || text(dialect, table, shape, rows).into();
    texts.entry((dialect, table, shape, rows)).or_insert_with(text).clone()
}

fn text(dialect: Dialect, table: &str, shape: Shape, rows: usize) -> String {
    let facets: Vec<&Columns> = FACETS.iter().filter(|facet| shape & facet.bit != 0).collect();
    let Some(lead) = facets.first() else { return String::new() };
    let columns: Vec<&str> =
        ["id"].iter().chain(&SHARED).chain(facets.iter().flat_map(|facet| facet.all)).copied().collect();

    let newer = |facet: &Columns| format!("excluded.{0} > {table}.{0}", facet.version);
    // What all three tell is taken from the lead unless a more trusted one has told already.
    let unknown: Vec<String> = FACETS
        .iter()
        .take_while(|facet| facet.bit != lead.bit)
        .map(|facet| format!("{table}.{} = 0", facet.version))
        .collect();
    let mut sets = Vec::with_capacity(columns.len());
    let shared_when = unknown.iter().cloned().chain([newer(lead)]).collect::<Vec<_>>().join(" AND ");
    for column in SHARED {
        sets.push(format!(
            "{column} = CASE WHEN {shared_when} THEN excluded.{column} ELSE {table}.{column} END"
        ));
    }
    for facet in &facets {
        let when = newer(facet);
        for column in facet.all {
            sets.push(format!(
                "{column} = CASE WHEN {when} THEN excluded.{column} ELSE {table}.{column} END"
            ));
        }
    }
    let any_newer: Vec<String> = facets.iter().map(|facet| newer(facet)).collect();
    format!(
        "INSERT INTO {table} ({}) VALUES {} ON CONFLICT (id) DO UPDATE SET {}, previous_outcome = {table}.outcome \
         WHERE {} RETURNING previous_outcome, outcome, id",
        columns.join(", "),
        sql::values(dialect, rows, columns.len()),
        sets.join(", "),
        any_newer.join(" OR ")
    )
}

type Binding<'q> = Query<'q, Any, AnyArguments>;

/// In the order of [`text`]'s columns.
fn bind<'q>(query: Binding<'q>, id: i64, changes: &Changes) -> Binding<'q> {
    let purchase = (changes.reservation.as_ref().map(|(_, purchase)| purchase))
        .or(changes.payment.as_ref().map(|(_, purchase)| purchase))
        .or(changes.receipt.as_ref().map(|(_, purchase)| purchase));
    let mut query = query.bind(id);
    if let Some(purchase) = purchase {
        query = bind_purchase(query, purchase);
    }
    if let Some((reservation, _)) = &changes.reservation {
        query = bind_reservation(query, reservation);
    }
    if let Some((payment, _)) = &changes.payment {
        query = bind_payment(query, payment);
    }
    if let Some((receipt, _)) = &changes.receipt {
        query = bind_receipt(query, receipt);
    }
    query
}

fn bind_purchase<'q>(query: Binding<'q>, purchase: &Purchase) -> Binding<'q> {
    query
        .bind(purchase.user_id)
        .bind(purchase.user_address.clone())
        .bind(purchase.product_id)
        .bind(purchase.product_name.clone())
        .bind(purchase.price)
        .bind(purchase.card_no.clone())
        .bind(purchase.created_at)
}

fn bind_reservation<'q>(query: Binding<'q>, reservation: &Reservation) -> Binding<'q> {
    let cancellation = reservation.cancellation.as_ref();
    query
        .bind(reservation.version)
        .bind(reservation.status.as_str())
        .bind(reservation.modified_at)
        .bind(cancellation.map(|cancellation| cancellation.reason.clone()))
        .bind(cancellation.and_then(|cancellation| cancellation.detail.clone()))
}

fn bind_payment<'q>(query: Binding<'q>, payment: &Payment) -> Binding<'q> {
    query
        .bind(payment.version)
        .bind(payment.status.as_str())
        .bind(payment.id)
        .bind(payment.created_at)
        .bind(payment.modified_at)
}

fn bind_receipt<'q>(query: Binding<'q>, receipt: &Receipt) -> Binding<'q> {
    query
        .bind(receipt.version)
        .bind(receipt.status.as_str())
        .bind(receipt.id)
        .bind(receipt.expected_delivery_at)
        .bind(receipt.created_at)
        .bind(receipt.modified_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_alone_touches_its_own_columns_and_what_nobody_better_has_told() {
        let text = text(Dialect::Postgres, "t", RECEIPT, 1);
        assert!(text.starts_with("INSERT INTO t (id, user_id, "), "{text}");
        assert!(!text.contains("payment_id") && !text.contains("cancel_reason"), "{text}");
        assert!(
            text.contains(
                "price = CASE WHEN t.reservation_version = 0 AND t.payment_version = 0 \
                 AND excluded.receipt_version > t.receipt_version THEN excluded.price ELSE t.price END"
            ),
            "{text}"
        );
        assert!(text.contains(" WHERE excluded.receipt_version > t.receipt_version RETURNING "), "{text}");
    }
}
