//! The customers' log against what lies everywhere else.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::orders::{Pages, Told};
use crate::snapshot::{Entry, Fact, Snapshot, View};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Answered 201, and something of it is missing.
    Lost,
    /// Twice, or for the wrong order.
    Doubled,
    ChargedAndCancelled,
    /// Neither this nor that.
    Open,
    /// Order on the topic, card numbers, counters, answers that must not be.
    Broken,
    /// Nothing was reserved any more although everything ran.
    Stalled,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    pub kind: Kind,
    pub reservation: Option<i64>,
    pub order: Option<u64>,
    pub what: String,
}

/// The key under which payment charges for a reservation.
pub fn ledger_key(reservation: i64) -> String {
    format!("pre-reservation-{reservation}")
}

pub fn audit(pages: &Pages, snapshot: &Snapshot) -> Vec<Violation> {
    let mut auditor = Auditor { pages, snapshot, owners: owners(pages), found: Vec::new() };
    auditor.orders();
    auditor.reservations();
    auditor.money();
    auditor.topic();
    auditor.rest();
    auditor.found.sort();
    auditor.found.dedup();
    auditor.found
}

/// Orders by price.
fn owners(pages: &Pages) -> BTreeMap<i64, u64> {
    pages.orders.values().map(|entry| (entry.order.price, entry.order.number)).collect()
}

struct Auditor<'a> {
    pages: &'a Pages,
    snapshot: &'a Snapshot,
    owners: BTreeMap<i64, u64>,
    found: Vec<Violation>,
}

impl Auditor<'_> {
    fn report(&mut self, kind: Kind, reservation: Option<i64>, what: impl Into<String>) {
        let price = reservation.and_then(|id| Some(self.snapshot.reservations.get(&id)?.price));
        let order = price.and_then(|price| self.owners.get(&price).copied());
        self.found.push(Violation { kind, reservation, order, what: what.into() });
    }

    /// Every order got what it was told.
    fn orders(&mut self) {
        let pages = self.pages;
        for (number, entry) in &pages.orders {
            let mut report = |kind, what: String| {
                self.found.push(Violation { kind, reservation: entry.id, order: Some(*number), what });
            };
            let known = self.snapshot.keys.get(&entry.order.key);
            let Some(id) = entry.id else {
                if entry.told == Told::Nothing {
                    report(Kind::Open, "the order never got a last word".to_owned());
                }
                continue;
            };
            let row = self.snapshot.reservations.get(&id);
            if entry.told == Told::Reserved && row.is_none_or(|row| row.price != entry.order.price) {
                report(Kind::Lost, format!("answered 201 as {id}, which is {row:?}"));
                continue;
            }
            if known != Some(&id) {
                report(Kind::Doubled, format!("answered as {id}, but its key belongs to {known:?}"));
            }
            let cancels = pages.cancels.get(&id).cloned().unwrap_or_default();
            let status = row.map_or("", |row| row.status.as_str());
            match (entry.told, status) {
                (Told::Reserved, "reservated") if cancels.confirmed => {
                    report(Kind::ChargedAndCancelled, "was cancelled, and stands".to_owned());
                }
                (Told::Reserved, "reservated") => {}
                (Told::Reserved, "reservation_cancelled") if cancels.asked > 0 => {}
                (Told::Refused, "reservation_cancelled") => {}
                (told, status) => report(Kind::Lost, format!("was told {told:?}, and is {status:?}")),
            }
        }
    }

    /// Every reservation is whole: all of it stands, or nothing does.
    fn reservations(&mut self) {
        let snapshot = self.snapshot;
        let mut seen: BTreeMap<i64, i64> = BTreeMap::new();
        for (&id, row) in &snapshot.reservations {
            if !self.owners.contains_key(&row.price) {
                self.report(Kind::Broken, Some(id), format!("nobody ordered for {}", row.price));
            }
            if let Some(other) = seen.insert(row.price, id) {
                self.report(Kind::Doubled, Some(id), format!("the same order as {other}"));
            }
            match row.status.as_str() {
                "reservated" => self.stands(id, row.price),
                "reservation_cancelled" => self.is_undone(id),
                status => self.report(Kind::Open, Some(id), format!("is {status}")),
            }
        }
    }

    fn entries(&self, id: i64) -> Vec<&Entry> {
        self.snapshot.ledger.get(&ledger_key(id)).into_iter().flatten().collect()
    }

    fn stands(&mut self, id: i64, price: i64) {
        let snapshot = self.snapshot;
        let entries = self.entries(id);
        let charges = entries.iter().filter(|entry| entry.kind == "charge" && entry.amount == price).count();
        if charges > 1 {
            self.report(Kind::Doubled, Some(id), format!("charged {charges} times"));
        } else if charges != 1 || entries.len() != 1 {
            self.report(Kind::Lost, Some(id), format!("stands, and the ledger has {entries:?}"));
        }
        for (name, row, wanted) in [
            ("payment", snapshot.payments.get(&id), "paid"),
            ("receipt", snapshot.receipts.get(&id), "receipt_issued"),
        ] {
            if row.is_none_or(|row| row.status != wanted || row.price != price) {
                self.report(Kind::Lost, Some(id), format!("stands, and its {name} is {row:?}"));
            }
        }
        let shown = snapshot.view.get(&id);
        let whole = View {
            price,
            reservation: "reservated".to_owned(),
            payment: "paid".to_owned(),
            receipt: "receipt_issued".to_owned(),
        };
        if shown != Some(&whole) {
            self.report(Kind::Lost, Some(id), format!("stands, and the view has {shown:?}"));
        }
    }

    fn is_undone(&mut self, id: i64) {
        let snapshot = self.snapshot;
        let entries = self.entries(id);
        let of = |kind: &str| entries.iter().filter(|entry| entry.kind == kind).count();
        if of("charge") > of("refund") {
            self.report(
                Kind::ChargedAndCancelled,
                Some(id),
                format!("cancelled, and the ledger has {entries:?}"),
            );
        }
        if let Some(payment) = snapshot.payments.get(&id).filter(|payment| payment.status == "paid") {
            self.report(
                Kind::ChargedAndCancelled,
                Some(id),
                format!("cancelled, and its payment is {payment:?}"),
            );
        }
        if let Some(receipt) = snapshot.receipts.get(&id).filter(|receipt| receipt.status == "receipt_issued")
        {
            self.report(Kind::Broken, Some(id), format!("cancelled, and its receipt is {receipt:?}"));
        }
        let shown = snapshot.view.get(&id);
        let undone = shown.is_some_and(|view| {
            view.reservation == "reservation_cancelled"
                && view.payment != "paid"
                && view.receipt != "receipt_issued"
        });
        if !undone {
            self.report(Kind::Broken, Some(id), format!("cancelled, and the view has {shown:?}"));
        }
    }

    /// The ledger as a whole: what was taken and not given back is what stands, to the last unit.
    fn money(&mut self) {
        let snapshot = self.snapshot;
        for (id, payment) in &snapshot.payments {
            if matches!(payment.status.as_str(), "charging" | "refunding") {
                self.report(Kind::Open, Some(*id), format!("its payment is {}", payment.status));
            }
            // A tombstone needs no reservation's price, but its reservation.
            if !snapshot.reservations.contains_key(id) {
                self.report(Kind::Broken, Some(*id), format!("a payment without a reservation: {payment:?}"));
            }
        }
        let balance: i64 = snapshot.ledger.values().flatten().map(Entry::balance).sum();
        let standing = snapshot.reservations.values().filter(|row| row.status == "reservated");
        let wanted: i64 = standing.map(|row| row.price).sum();
        if balance != wanted {
            self.report(
                Kind::Broken,
                None,
                format!("charges minus refunds are {balance}, what stands costs {wanted}"),
            );
        }
    }

    /// Repetitions are repetitions; what is new comes in order, and in one partition.
    fn topic(&mut self) {
        let snapshot = self.snapshot;
        let mut first: BTreeMap<&str, &Fact> = BTreeMap::new();
        // Of each reservation and producer: the last new version; of each reservation: its partition.
        let mut versions: BTreeMap<(i64, &str), i64> = BTreeMap::new();
        let mut partitions: BTreeMap<i64, i32> = BTreeMap::new();
        for fact in &snapshot.facts {
            let id = fact.reservation;
            if fact.key != id.to_string() || *partitions.entry(id).or_insert(fact.partition) != fact.partition
            {
                self.report(Kind::Broken, Some(id), format!("in the wrong place: {fact}"));
            }
            if let Some(before) = first.get(fact.name.as_str()) {
                if before.payload != fact.payload {
                    self.report(Kind::Broken, Some(id), format!("one name, two facts: {before}, {fact}"));
                }
                continue;
            }
            first.insert(&fact.name, fact);
            let producer = fact.producer();
            let last = versions.insert((id, producer), fact.version).unwrap_or_default();
            if fact.version == last {
                self.report(Kind::Doubled, Some(id), format!("told twice under two names: {fact}"));
            } else if fact.version != last + 1 {
                self.report(Kind::Broken, Some(id), format!("out of order, after version {last}: {fact}"));
            }
            if producer == "Receipt" && !versions.contains_key(&(id, "Payment")) {
                self.report(Kind::Broken, Some(id), format!("before its payment: {fact}"));
            }
            if !snapshot.reservations.contains_key(&id) {
                self.report(Kind::Broken, Some(id), format!("of no reservation: {fact}"));
            }
        }
    }

    fn rest(&mut self) {
        for place in &self.snapshot.cards {
            self.report(Kind::Broken, None, format!("a card number in {place}"));
        }
        for (name, said, there) in &self.snapshot.totals {
            if said != there {
                self.report(
                    Kind::Broken,
                    None,
                    format!("the counter of {name} says {said}, there are {there}"),
                );
            }
        }
        for unfinished in &self.snapshot.unfinished {
            self.report(Kind::Open, None, unfinished.clone());
        }
        if let Some(what) = &self.pages.stalled {
            self.report(Kind::Stalled, None, what.clone());
        }
        for oddity in &self.pages.oddities {
            let what = oddity.what.clone();
            self.found.push(Violation {
                kind: Kind::Broken,
                reservation: oddity.id,
                order: oddity.order,
                what,
            });
        }
    }
}

impl Entry {
    fn balance(&self) -> i64 {
        match self.kind.as_str() {
            "charge" => self.amount,
            "refund" => -self.amount,
            _ => 0,
        }
    }
}

impl Fact {
    fn producer(&self) -> &'static str {
        ["Reservation", "Payment", "Receipt"]
            .into_iter()
            .find(|name| self.kind.starts_with(name))
            .unwrap_or("?")
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}:{} {} v{} {} key {}",
            self.partition, self.offset, self.kind, self.version, self.name, self.key
        )
    }
}
