//! What every `PaymentProvider` owes, asked of the simulated network with its ledger in SQLite and in PostgreSQL.

use std::time::{Duration, Instant};

use crate::support::backend::{Backend, on_each};
use crate::support::card;
use futures::future::join_all;
use payment::domain::{CardNumber, ChargeAnswer, RefundAnswer};
use payment::outbound::simulated::{Ledger, SimulatedNetwork, SimulatedSettings};
use payment::use_cases::ports::{PaymentProvider, ProviderError};

fn settings(url: String) -> SimulatedSettings {
    SimulatedSettings {
        ledger_url: url.into(),
        ledger_max_connections: 8,
        latency_min_ms: 0,
        latency_max_ms: 0,
        error_rate: 0.0,
        charge_enabled: true,
    }
}

/// A network on the backend's one ledger; several of them are replicas.
async fn network(backend: &Backend, change: impl FnOnce(&mut SimulatedSettings)) -> SimulatedNetwork {
    let mut settings = settings(backend.url("ledger").await);
    change(&mut settings);
    let ledger = Ledger::open(&settings).await.unwrap();
    SimulatedNetwork::new(ledger, settings)
}

async fn close(networks: impl IntoIterator<Item = SimulatedNetwork>) {
    for network in networks {
        network.ledger().close().await;
    }
}

async fn charge(network: &SimulatedNetwork, key: &str) -> ChargeAnswer {
    network.charge(key, 5, &card()).await.unwrap()
}

#[tokio::test]
async fn a_key_is_charged_once_by_however_many() {
    on_each(async |backend| {
        let replicas = [network(backend, |_| {}).await, network(backend, |_| {}).await];
        let answers = join_all((0..16).map(|n| charge(&replicas[n % 2], "one"))).await;
        assert!(answers.iter().all(|answer| *answer == ChargeAnswer::Charged));
        assert_eq!(replicas[0].ledger().totals().await.unwrap(), (1, 0));
        charge(&replicas[0], "two").await;
        assert_eq!(replicas[1].ledger().totals().await.unwrap(), (2, 0));
        close(replicas).await;
    })
    .await;
}

#[tokio::test]
async fn after_a_refund_no_charge_stands_nor_ever_will() {
    on_each(async |backend| {
        let network = network(backend, |_| {}).await;
        charge(&network, "charged").await;
        for _repeated in 0..2 {
            assert_eq!(network.refund("charged").await.unwrap(), RefundAnswer::Refunded);
            assert_eq!(network.refund("never").await.unwrap(), RefundAnswer::NothingCharged);
            assert_eq!(charge(&network, "charged").await, ChargeAnswer::Undone);
            assert_eq!(charge(&network, "never").await, ChargeAnswer::Undone);
        }
        assert_eq!(network.ledger().totals().await.unwrap(), (1, 1));
        close([network]).await;
    })
    .await;
}

#[tokio::test]
async fn a_declined_key_stays_declined() {
    on_each(async |backend| {
        let network = network(backend, |_| {}).await;
        let poor = CardNumber::parse("4000 0000 0000 9995").unwrap();
        let first = network.charge("key", 5, &poor).await.unwrap();
        assert!(matches!(&first, ChargeAnswer::Declined(d) if d.code == "insufficient_funds"), "{first:?}");
        // Also with a card that is good, and after a refund of nothing.
        assert_eq!(charge(&network, "key").await, first);
        assert_eq!(network.refund("key").await.unwrap(), RefundAnswer::NothingCharged);
        assert_eq!(charge(&network, "key").await, first);
        assert_eq!(network.ledger().totals().await.unwrap(), (0, 0));
        close([network]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_races_its_refund_is_undone_or_refused() {
    on_each(async |backend| {
        let replicas = [network(backend, |_| {}).await, network(backend, |_| {}).await];
        for round in 0..100 {
            let key = format!("race-{round}");
            let (charged, refunded) = tokio::join!(charge(&replicas[0], &key), replicas[1].refund(&key));
            match (charged, refunded.unwrap()) {
                (ChargeAnswer::Charged | ChargeAnswer::Undone, RefundAnswer::Refunded)
                | (ChargeAnswer::Undone, RefundAnswer::NothingCharged) => {}
                other => panic!("{other:?}"),
            }
        }
        let (charges, refunds) = replicas[0].ledger().totals().await.unwrap();
        assert_eq!(charges, refunds);
        close(replicas).await;
    })
    .await;
}

#[tokio::test]
async fn errors_strike_before_and_after_the_effect_and_a_repetition_finds_out() {
    on_each(async |backend| {
        let failing = network(backend, |settings| settings.error_rate = 1.0).await;
        let sound = network(backend, |_| {}).await;
        for n in 0..100 {
            let error = failing.charge(&format!("key-{n}"), 5, &card()).await.unwrap_err();
            assert!(matches!(error, ProviderError::Unknown(_)), "{error:?}");
        }
        let (charges, _) = sound.ledger().totals().await.unwrap();
        assert!((20..=80).contains(&charges), "{charges} of 100 took effect");
        for n in 0..100 {
            assert_eq!(charge(&sound, &format!("key-{n}")).await, ChargeAnswer::Charged);
        }
        assert_eq!(sound.ledger().totals().await.unwrap(), (100, 0));
        close([failing, sound]).await;
    })
    .await;
}

#[tokio::test]
async fn latency_leaves_a_timeout_on_either_side_of_the_effect() {
    on_each(async |backend| {
        let slow = network(backend, |settings| {
            settings.latency_min_ms = 200;
            settings.latency_max_ms = 220;
        })
        .await;
        let started = Instant::now();
        charge(&slow, "patient").await;
        assert!(started.elapsed() >= Duration::from_millis(200));

        let impatient = (0..64).map(|n| {
            let slow = &slow;
            async move {
                let key = format!("impatient-{n}");
                let charge = charge(slow, &key);
                tokio::time::timeout(Duration::from_millis(100), charge).await
            }
        });
        assert!(join_all(impatient).await.iter().all(Result::is_err));
        let (charges, _) = slow.ledger().totals().await.unwrap();
        assert!((2..=63).contains(&charges), "{} of 64 took effect", charges - 1);
        close([slow]).await;
    })
    .await;
}

#[tokio::test]
async fn a_network_that_takes_no_charges_still_refunds() {
    on_each(async |backend| {
        let open = network(backend, |_| {}).await;
        let closed = network(backend, |settings| settings.charge_enabled = false).await;
        charge(&open, "before").await;
        let error = closed.charge("after", 5, &card()).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unavailable(_)), "{error:?}");
        assert_eq!(closed.refund("before").await.unwrap(), RefundAnswer::Refunded);
        assert_eq!(closed.ledger().totals().await.unwrap(), (1, 1));
        close([open, closed]).await;
    })
    .await;
}

#[tokio::test]
async fn stripes_test_numbers_decline() {
    let table = [
        ("4000000000000002", "generic_decline"),
        ("4000-0000-0000-9995", "insufficient_funds"),
        ("4000 0000 0000 9987", "lost_card"),
        ("4000000000009979", "stolen_card"),
        ("4000000000000069", "expired_card"),
        ("4000000000000127", "incorrect_cvc"),
        ("4000000000000119", "processing_error"),
    ];
    for (number, code) in table {
        let decline = payment::outbound::simulated::decline(&CardNumber::parse(number).unwrap()).unwrap();
        assert_eq!(decline.code, code);
    }
    assert_eq!(payment::outbound::simulated::decline(&card()), None);
}
