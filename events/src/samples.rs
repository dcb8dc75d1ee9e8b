//! The golden samples, `<producer>/samples/v<N>/<eventType>.json`: what each released version wrote.
//! A folder is never changed after its release; a change of the format gets a new folder.

use std::path::PathBuf;

use crate::asyncapi::producer;
use crate::*;

/// The timestamp of every sample.
pub(crate) const WRITTEN_AT: i64 = 1_662_883_010_408;

/// The newest folder: what this release writes.
const NEWEST: &str = "v1";

/// The events of the samples: the customer's story of the README, one step a second.
pub(crate) fn today() -> Vec<Event> {
    let reserved_at = 1_662_883_009_000;
    let paid_at = reserved_at + 1_000;
    let cancelled_at = reserved_at + 3_000;
    let (user_id, product_id, price) = (1, 1, 1_300_000);
    let product_name = "fold".to_owned();
    let card_no = "****-****-****-1234".to_owned();
    vec![
        Event::ReservationCreated(ReservationCreated {
            id: 7,
            user_id,
            user_address: "seoul".to_owned(),
            product_id,
            product_name: product_name.clone(),
            price,
            card_no: card_no.clone(),
            created_at: reserved_at,
            modified_at: paid_at,
            version: 1,
        }),
        Event::ReservationCancelled(ReservationCancelled {
            id: 7,
            user_id,
            user_address: "seoul".to_owned(),
            product_id,
            product_name: product_name.clone(),
            price,
            card_no: card_no.clone(),
            created_at: reserved_at,
            modified_at: cancelled_at,
            reason: reason::CANCELLED_BY_CUSTOMER.to_owned(),
            detail: None,
            version: 2,
        }),
        Event::PaymentCreated(PaymentCreated {
            id: 5,
            pre_reservation_id: 7,
            user_id,
            product_id,
            product_name: product_name.clone(),
            price,
            card_no: card_no.clone(),
            created_at: paid_at,
            modified_at: paid_at,
            version: 1,
        }),
        Event::PaymentCancelled(PaymentCancelled {
            id: 5,
            pre_reservation_id: 7,
            user_id,
            product_id,
            product_name: product_name.clone(),
            price,
            card_no,
            created_at: paid_at,
            modified_at: cancelled_at,
            version: 2,
        }),
        Event::ReceiptCreated(ReceiptCreated {
            id: 3,
            pre_reservation_id: 7,
            payment_id: 5,
            user_id,
            product_id,
            product_name: product_name.clone(),
            price,
            expected_delivery_at: paid_at + 21 * 24 * 60 * 60 * 1_000,
            created_at: paid_at + 1_000,
            modified_at: paid_at + 1_000,
            version: 1,
        }),
        Event::ReceiptCancelled(ReceiptCancelled {
            id: 3,
            pre_reservation_id: 7,
            payment_id: 5,
            user_id,
            product_id,
            product_name,
            price,
            expected_delivery_at: paid_at + 21 * 24 * 60 * 60 * 1_000,
            created_at: paid_at + 1_000,
            modified_at: cancelled_at,
            version: 2,
        }),
    ]
}

fn folder(producer: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src").join(producer).join("samples")
}

#[test]
fn writing_gives_the_newest_samples() {
    for event in today() {
        let path = folder(producer(&event)).join(NEWEST).join(format!("{}.json", event.event_type()));
        let mut written = event.to_json(WRITTEN_AT);
        written.push(b'\n');
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &written).expect("the repository can be written");
        }
        let sample = std::fs::read(&path).expect("every event has a sample");
        assert_eq!(
            String::from_utf8_lossy(&written),
            String::from_utf8_lossy(&sample),
            "{} is written otherwise than its sample {}",
            event.event_type(),
            path.display()
        );
    }
}

#[test]
fn every_sample_ever_released_is_read() {
    let mut read = 0;
    let producers = ["prereservation", "payment", "receipt"];
    for version in producers.into_iter().flat_map(|name| std::fs::read_dir(folder(name)).expect("samples")) {
        for sample in std::fs::read_dir(version.expect("a folder").path()).expect("samples") {
            let path = sample.expect("a file").path();
            let json = std::fs::read(&path).expect("a sample");
            let fact = match Event::from_json(&json) {
                Ok(fact) => fact,
                Err(error) => panic!("{}: {error}", path.display()),
            };
            assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(fact.event.event_type()));
            assert_eq!(fact.timestamp_ms, WRITTEN_AT);
            assert!(today().contains(&fact.event), "{} is read, and not as it was meant", path.display());
            read += 1;
        }
    }
    assert!(read >= Event::TYPES.len());
}
