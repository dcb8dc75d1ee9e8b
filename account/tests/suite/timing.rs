//! What the time of a refused sign-in says about the address: nothing.
//!
//! 500 of each on the real parameters take about a minute: `cargo test -p account -- --ignored --nocapture timing`.

use std::time::{Duration, Instant};

use testkit::{TestDatabase, TestLog};

use crate::support::app::{App, settings};

async fn measure(samples: usize, memory_kib: u32) -> [Vec<Duration>; 2] {
    let (db, log) = (TestDatabase::sqlite(), TestLog::new().await);
    let mut settings = settings(&db, &log);
    settings.own.passwords.memory_kib = memory_kib;
    settings.own.passwords.passes = 2;
    settings.own.throttle.failures_per_address = 1_000_000;
    settings.own.throttle.failures_per_client = 1_000_000;
    let app = App::start(settings).await;
    app.user("known@shop.example").await;
    let mut client = app.client();
    let mut times = [Vec::new(), Vec::new()];
    // In turns, so that whatever the machine does besides hits both.
    for sample in 0..samples + 10 {
        for (which, email) in ["known@shop.example", "other@shop.example"].into_iter().enumerate() {
            let started = Instant::now();
            assert_eq!(client.sign_in(email, "a wrong password").await.status, 401);
            if sample >= 10 {
                times[which].push(started.elapsed());
            }
        }
    }
    app.stop().await;
    times.map(|mut times| {
        times.sort();
        times
    })
}

/// Of all pairs of a known and an unknown address, the share in which the known one took longer: a half, if the time says
/// nothing (Mann-Whitney).
fn share_longer(known: &[Duration], unknown: &[Duration]) -> f64 {
    let longer: usize = known.iter().map(|time| unknown.partition_point(|other| other < time)).sum();
    longer as f64 / (known.len() * unknown.len()) as f64
}

fn show(times: &[Vec<Duration>; 2]) -> f64 {
    for (name, times) in ["known", "unknown"].iter().zip(times) {
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        eprintln!(
            "{name:>8}: p5 {:?}, p25 {:?}, median {:?}, p75 {:?}, p95 {:?}",
            at(0.05),
            at(0.25),
            at(0.5),
            at(0.75),
            at(0.95)
        );
    }
    let share = share_longer(&times[0], &times[1]);
    eprintln!("a known address took longer in {:.1} % of all pairs", share * 100.0);
    share
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_costs_the_work_of_a_hash() {
    let times = measure(40, 4_096).await;
    show(&times);
    // Without the work it would be a hundredth; how close they are, the other test says.
    assert!(times[1][20] > times[0][20] / 2, "an unknown address is answered at once");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "500 of each take about a minute"]
async fn the_times_of_known_and_unknown_addresses_overlap() {
    let times = measure(500, 19_456).await;
    let share = show(&times);
    assert!((0.4..=0.6).contains(&share), "{share}");
}
