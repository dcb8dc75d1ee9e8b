//! What every reservation and every page goes through, without a process around it.
//!
//! `cargo bench -p bench --bench hot_paths`

#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use bench::loader::{Fact, envelope};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use events::{Envelope, ReservationCreated};
use myreservation::domain::{Batch, Step, Telling};
use myreservation::inbound::events::telling;
use rest::{Base, Date, PageRequest, Resource, hal};
use serde::Serialize;
use storage::{Dialect, sql};

/// 2026-01-01, in epoch milliseconds.
const AT: i64 = 1_767_225_600_000;
/// As many as the view takes into one statement.
const RESERVATIONS: i64 = 64;

fn facts(criterion: &mut Criterion) {
    let told = envelope(Fact::Reservation, 7);
    let reserved: ReservationCreated = told.arrived().read().unwrap();
    let mut group = criterion.benchmark_group("fact");
    group.throughput(Throughput::Bytes(told.payload.len() as u64));
    group.bench_function("to_json", |bencher| bencher.iter(|| Envelope::of(black_box(&reserved), AT)));
    group.bench_function("from_json", |bencher| {
        bencher.iter(|| black_box(&told).arrived().read::<ReservationCreated>().unwrap())
    });
    group.finish();

    let told = |id| [Fact::Reservation, Fact::Payment, Fact::Receipt].map(|fact| envelope(fact, id));
    let tell = |fact: Envelope| telling(&fact.arrived()).unwrap().unwrap();
    let tellings: Vec<(Telling, i64)> = (1..=RESERVATIONS).flat_map(told).map(tell).collect();
    let mut group = criterion.benchmark_group("view");
    group.throughput(Throughput::Elements(tellings.len() as u64));
    group.bench_function("fold", |bencher| {
        bencher.iter_batched(
            || tellings.clone(),
            |tellings| {
                let mut batch = Batch::default();
                for (telling, at_ms) in tellings {
                    batch.add(Step::of(&telling, at_ms, None, None), telling);
                }
                batch
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// As wide as what the view shows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: i64,
    user_id: i64,
    user_address: &'static str,
    product_id: i64,
    product_name: &'static str,
    price: i64,
    card_no: &'static str,
    status: &'static str,
    reservation_status: &'static str,
    payment_status: &'static str,
    receipt_status: &'static str,
    payment_id: i64,
    receipt_id: i64,
    expected_delivery_at: Date,
    created_at: Date,
    modified_at: Date,
}

impl Resource for Row {
    const ITEM: &'static str = "myReservation";
    const COLLECTION: &'static str = "myReservations";
    type Field = ();

    fn id(&self) -> i64 {
        self.id
    }
}

fn page(criterion: &mut Criterion) {
    let rows: Vec<Row> = (1..=20)
        .map(|id| Row {
            id,
            user_id: 1,
            user_address: "seoul",
            product_id: 1,
            product_name: "fold",
            price: 1_300_000,
            card_no: "****-****-****-1234",
            status: "receipt_issued",
            reservation_status: "reservated",
            payment_status: "paid",
            receipt_status: "receipt_issued",
            payment_id: id,
            receipt_id: id,
            expected_delivery_at: Date(AT),
            created_at: Date(AT),
            modified_at: Date(AT),
        })
        .collect();
    let base = Base::new("http://localhost:8088");
    let request = PageRequest::default();
    criterion.bench_function("hal/page_of_20", |bencher| {
        bencher.iter(|| hal::collection(&base, &request, black_box(&rows), 1_000_000).unwrap());
    });
}

fn statements(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("placeholders");
    for (name, dialect) in [("sqlite", Dialect::Sqlite), ("postgres", Dialect::Postgres)] {
        group.bench_function(name, |bencher| bencher.iter(|| sql::values(dialect, black_box(64), 11)));
    }
    group.finish();
}

criterion_group!(benches, facts, page, statements);
criterion_main!(benches);
