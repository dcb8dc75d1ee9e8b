//! What every reservation and every page goes through, without a process around it.
//!
//! `cargo bench -p bench --bench hot_paths`

#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use bench::loader::{Fact, envelope};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use events::{Envelope, ReservationCreated};
use identity::{AuthSettings, Authenticator, Claims, JwkSet, Role, Signer};
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

/// What every request with a token costs: first, from the cache, and where somebody is banned.
fn tokens(criterion: &mut Criterion) {
    let signer = Signer::generate();
    let authenticator = Authenticator::new("bench", &AuthSettings::default());
    authenticator.set_keys(&JwkSet { keys: vec![signer.jwk().clone()] });
    let iat = AT / 1_000;
    let claims = Claims {
        sub: 7,
        email: "customer@shop.example".to_owned(),
        roles: Role::Customer.into(),
        iat,
        exp: iat + 900,
        iss: "preorder".to_owned(),
        aud: "preorder".to_owned(),
        jti: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        nbf: None,
    };
    let mut group = criterion.benchmark_group("token");
    let mut number = 0_u64;
    let mut another = || {
        number += 1;
        signer.sign(&Claims { jti: number.to_string(), ..claims.clone() })
    };
    group.bench_function("first", |bencher| {
        bencher.iter_batched(
            &mut another,
            |token| authenticator.check_at(&token, iat).unwrap(),
            BatchSize::SmallInput,
        );
    });
    let token = signer.sign(&claims);
    group.bench_function("cached", |bencher| {
        bencher.iter(|| authenticator.check_at(black_box(&token), iat).unwrap())
    });
    for banned in 8..10_008 {
        authenticator.bans().ban(banned, iat, iat + 930);
    }
    group.bench_function("cached_with_10000_bans", |bencher| {
        bencher.iter(|| authenticator.check_at(black_box(&token), iat).unwrap());
    });
    let forged = Signer::generate().sign(&claims);
    group.bench_function("of_unknown_key", |bencher| {
        bencher.iter(|| authenticator.check_at(black_box(&forged), iat).unwrap_err());
    });
    group.finish();
}

criterion_group!(benches, facts, page, statements, tokens);
criterion_main!(benches);
