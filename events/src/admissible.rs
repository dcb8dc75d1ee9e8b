//! What a fact may say: whoever reads it may rely on this. Anybody who can write the topic can write a number, and one
//! reader that believes it is enough for a receipt that nobody paid for, or for a row that no later fact can change.

use crate::Event;

/// The largest number that every JSON reader keeps exactly (RFC 8259, section 6); no front door takes a larger one.
const LARGEST_INTEGER: i64 = (1 << 53) - 1;

/// A version counts the changes of one reservation, payment or receipt, and each of them has a handful of states. A
/// newer release may have more of them. A larger number is no count, and would be newer than everything that follows.
pub const LARGEST_VERSION: i64 = 1_000;

/// The last moment of the year 9999: dates after it have no text (RFC 3339).
const LAST_MOMENT: i64 = 253_402_300_799_999;

struct Contents<'a> {
    /// Ids and prices, with their names.
    counts: [(&'static str, i64); 6],
    moments: [(&'static str, i64); 3],
    texts: [&'a str; 5],
}

/// # Errors
/// What cannot be true. Names the field and not its value, which may be anything.
pub(crate) fn check(event: &Event, timestamp_ms: i64) -> Result<(), String> {
    let Contents { counts, moments, texts } = contents(event);
    for (name, count) in counts {
        if !(1..=LARGEST_INTEGER).contains(&count) {
            return Err(format!("{name} is not within 1..={LARGEST_INTEGER}"));
        }
    }
    if !(1..=LARGEST_VERSION).contains(&event.version()) {
        return Err(format!("version is not within 1..={LARGEST_VERSION}"));
    }
    for (name, moment) in moments.into_iter().chain([("timestamp", timestamp_ms)]) {
        if !(0..=LAST_MOMENT).contains(&moment) {
            return Err(format!("{name} is not within 1970 and 9999"));
        }
    }
    // PostgreSQL cannot store it.
    if texts.iter().any(|text| text.contains('\0')) {
        return Err("a text contains the character NUL".to_owned());
    }
    Ok(())
}

/// What a fact does not have is filled with what is always admissible.
fn contents(event: &Event) -> Contents<'_> {
    const NO_COUNT: (&str, i64) = ("", 1);
    const NO_MOMENT: (&str, i64) = ("", 0);
    macro_rules! reservation {
        ($fact:expr, $reason:expr, $detail:expr) => {
            Contents {
                counts: [
                    ("id", $fact.id),
                    ("userId", $fact.user_id),
                    ("productId", $fact.product_id),
                    ("price", $fact.price),
                    NO_COUNT,
                    NO_COUNT,
                ],
                moments: [("createdAt", $fact.created_at), ("modifiedAt", $fact.modified_at), NO_MOMENT],
                texts: [&$fact.user_address, &$fact.product_name, &$fact.card_no, $reason, $detail],
            }
        };
    }
    macro_rules! payment {
        ($fact:expr) => {
            Contents {
                counts: [
                    ("id", $fact.id),
                    ("preReservationId", $fact.pre_reservation_id),
                    ("userId", $fact.user_id),
                    ("productId", $fact.product_id),
                    ("price", $fact.price),
                    NO_COUNT,
                ],
                moments: [("createdAt", $fact.created_at), ("modifiedAt", $fact.modified_at), NO_MOMENT],
                texts: [&$fact.product_name, &$fact.card_no, "", "", ""],
            }
        };
    }
    macro_rules! receipt {
        ($fact:expr) => {
            Contents {
                counts: [
                    ("id", $fact.id),
                    ("preReservationId", $fact.pre_reservation_id),
                    ("paymentId", $fact.payment_id),
                    ("userId", $fact.user_id),
                    ("productId", $fact.product_id),
                    ("price", $fact.price),
                ],
                moments: [
                    ("createdAt", $fact.created_at),
                    ("modifiedAt", $fact.modified_at),
                    ("expectedDeliveryAt", $fact.expected_delivery_at),
                ],
                texts: [&$fact.product_name, "", "", "", ""],
            }
        };
    }
    match event {
        Event::ReservationCreated(fact) => reservation!(fact, "", ""),
        Event::ReservationCancelled(fact) => {
            reservation!(fact, &fact.reason, fact.detail.as_deref().unwrap_or_default())
        }
        Event::PaymentCreated(fact) => payment!(fact),
        Event::PaymentCancelled(fact) => payment!(fact),
        Event::ReceiptCreated(fact) => receipt!(fact),
        Event::ReceiptCancelled(fact) => receipt!(fact),
    }
}
