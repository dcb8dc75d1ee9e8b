//! The golden samples, `<producer>/samples/v<N>/<eventType>.json`: what each released version wrote.
//! A folder is never changed after its release; a change of the format gets a new folder.

use std::path::PathBuf;

use crate::*;

/// The timestamp of every sample.
pub(crate) const WRITTEN_AT: i64 = 1_662_883_010_408;

/// The newest folder: what this release writes.
const NEWEST: &str = "v1";

const RESERVED_AT: i64 = 1_662_883_009_000;
const PAID_AT: i64 = RESERVED_AT + 1_000;
const CANCELLED_AT: i64 = RESERVED_AT + 3_000;

fn purchase() -> Purchase {
    Purchase { user_id: 1, product_id: 1, product_name: "fold".to_owned(), price: 1_300_000 }
}

fn reservation(modified_at: i64, version: i64) -> Reservation {
    Reservation {
        id: 7,
        purchase: purchase(),
        user_address: "seoul".to_owned(),
        card_no: "****-****-****-1234".to_owned(),
        created_at: RESERVED_AT,
        modified_at,
        version,
    }
}

fn payment(modified_at: i64, version: i64) -> Payment {
    Payment {
        id: 5,
        pre_reservation_id: 7,
        purchase: purchase(),
        card_no: "****-****-****-1234".to_owned(),
        created_at: PAID_AT,
        modified_at,
        version,
    }
}

fn receipt(modified_at: i64, version: i64) -> Receipt {
    Receipt {
        id: 3,
        pre_reservation_id: 7,
        payment_id: 5,
        purchase: purchase(),
        expected_delivery_at: PAID_AT + 21 * 24 * 60 * 60 * 1_000,
        created_at: PAID_AT + 1_000,
        modified_at,
        version,
    }
}

fn roles(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Is told of every fact with its newest sample: the customer's story of the README, one step a second.
pub(crate) trait EachFact {
    fn fact<F: Fact + schemars::JsonSchema + std::fmt::Debug + PartialEq>(&mut self, fact: &F);
}

pub(crate) fn each(told: &mut impl EachFact) {
    told.fact(&ReservationCreated(reservation(PAID_AT, 1)));
    told.fact(&ReservationCancelled {
        reservation: reservation(CANCELLED_AT, 2),
        reason: reason::CANCELLED_BY_CUSTOMER.to_owned(),
        detail: None,
    });
    told.fact(&PaymentCreated(payment(PAID_AT, 1)));
    told.fact(&PaymentCancelled(payment(CANCELLED_AT, 2)));
    told.fact(&ReceiptCreated(receipt(PAID_AT + 1_000, 1)));
    told.fact(&ReceiptCancelled(receipt(CANCELLED_AT, 2)));
    told.fact(&UserSignedUp { user_id: 1, roles: roles(&["customer"]), version: 1 });
    told.fact(&RolesChanged { user_id: 1, roles: roles(&["customer", "merchant"]), version: 2 });
    told.fact(&UserBanned { user_id: 1, not_before: CANCELLED_AT, version: 3 });
    told.fact(&UserUnbanned { user_id: 1, version: 4 });
}

fn folder<F: Fact>() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src").join(F::PRODUCER).join("samples")
}

#[test]
fn writing_gives_the_newest_samples() {
    struct Written;
    impl EachFact for Written {
        fn fact<F: Fact>(&mut self, fact: &F) {
            let path = folder::<F>().join(NEWEST).join(format!("{}.json", F::TYPE));
            let mut written = Envelope::of(fact, WRITTEN_AT).payload;
            written.push(b'\n');
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&path, &written).expect("the repository can be written");
            }
            let sample = std::fs::read(&path).expect("every fact has a sample");
            assert_eq!(
                String::from_utf8_lossy(&written),
                String::from_utf8_lossy(&sample),
                "{} is written otherwise than its sample {}",
                F::TYPE,
                path.display()
            );
        }
    }
    each(&mut Written);
}

#[test]
fn every_sample_ever_released_is_read() {
    struct Read(usize);
    impl EachFact for Read {
        fn fact<F: Fact + std::fmt::Debug + PartialEq>(&mut self, fact: &F) {
            for version in std::fs::read_dir(folder::<F>()).expect("samples") {
                let path = version.expect("a folder").path().join(format!("{}.json", F::TYPE));
                // An older version need not have had every fact.
                let Ok(json) = std::fs::read(&path) else { continue };
                let arrived = Arrived::new(&[], &json).expect("an envelope");
                assert_eq!(arrived.fact_type(), F::TYPE);
                match arrived.read_told::<F>() {
                    Ok((read, timestamp_ms)) => {
                        assert_eq!((&read, timestamp_ms), (fact, WRITTEN_AT), "{}", path.display());
                    }
                    Err(error) => panic!("{}: {error}", path.display()),
                }
                self.0 += 1;
            }
        }
    }
    let mut read = Read(0);
    each(&mut read);
    assert!(read.0 >= 10);
}
