//! What a reader takes from others, and how it tells their mistakes apart.
#![allow(clippy::unwrap_used)]

use envelope::LARGEST_VERSION;
use events::{
    Arrived, Envelope, Fact, PaymentCancelled, PaymentCreated, ReadError, ReceiptCancelled, ReceiptCreated,
    ReservationCancelled, ReservationCreated, RolesChanged, UserBanned, UserSignedUp, UserUnbanned,
};
use serde_json::{Map, Value};

const SAMPLE: &str = r#"{"eventType":"PaymentCreated","timestamp":1662883010408,"id":5,
    "preReservationId":7,"userId":1,"productId":1,"productName":"fold","price":1300000,
    "cardNo":"****-****-****-1234","createdAt":1662883010000,"modifiedAt":1662883010000,
    "status":"paid","version":1}"#;

fn read(json: &str) -> Result<(PaymentCreated, i64), ReadError> {
    Arrived::new(&[], json.as_bytes())?.read_told()
}

/// Whatever it is.
fn read_any(json: &[u8]) -> Result<(), ReadError> {
    let arrived = Arrived::new(&[], json)?;
    match arrived.fact_type() {
        ReservationCreated::TYPE => arrived.read::<ReservationCreated>().map(drop),
        ReservationCancelled::TYPE => arrived.read::<ReservationCancelled>().map(drop),
        PaymentCreated::TYPE => arrived.read::<PaymentCreated>().map(drop),
        PaymentCancelled::TYPE => arrived.read::<PaymentCancelled>().map(drop),
        ReceiptCreated::TYPE => arrived.read::<ReceiptCreated>().map(drop),
        ReceiptCancelled::TYPE => arrived.read::<ReceiptCancelled>().map(drop),
        UserSignedUp::TYPE => arrived.read::<UserSignedUp>().map(drop),
        RolesChanged::TYPE => arrived.read::<RolesChanged>().map(drop),
        UserBanned::TYPE => arrived.read::<UserBanned>().map(drop),
        UserUnbanned::TYPE => arrived.read::<UserUnbanned>().map(drop),
        other => panic!("{other} is no fact of ours"),
    }
}

#[test]
fn numbers_may_be_text_and_unknown_fields_any() {
    let plain = read(SAMPLE).unwrap();
    let text = SAMPLE
        .replace("1662883010408", "\"1662883010408\"")
        .replace("1300000", "\" 1300000 \"")
        .replace("\"id\":5", "\"id\":5.0,\"more\":{\"id\":[1,null]},\"much\":1e400,\"half\":\"\\ud800\"");
    assert_eq!(plain, read(&text).unwrap());
}

#[test]
fn optional_fields_may_be_missing_or_null() {
    let json = r#"{"eventType":"ReservationCancelled","timestamp":9,"id":7,"userId":1,"productId":1,
        "productName":"fold","price":1,"userAddress":null,"version":2}"#;
    let cancelled: ReservationCancelled = Arrived::new(&[], json.as_bytes()).unwrap().read().unwrap();
    assert_eq!(cancelled.reservation.user_address, "");
    assert_eq!(cancelled.reservation.card_no, "");
    assert_eq!(cancelled.reason, "unspecified");
    assert_eq!(cancelled.detail, None);
    assert_eq!((cancelled.reservation.created_at, cancelled.reservation.modified_at), (9, 9));
}

#[test]
fn what_is_no_json_object_is_told_from_what_has_no_type() {
    for text in [
        "",
        "   ",
        "hello",
        "{",
        "{\"eventType\":\"PaymentCreated\"",
        "[]",
        "null",
        "7",
        "[\"PaymentCreated\",1]",
        "{} {}",
    ] {
        assert!(matches!(read(text), Err(ReadError::NotJson(_))), "{text}");
    }
    assert!(matches!(Arrived::new(&[], b"\xff\xfe"), Err(ReadError::NotJson(_))));
    for text in ["{}", "{\"eventType\":null}", "{\"eventType\":1,\"id\":2}"] {
        assert!(matches!(read(text), Err(ReadError::NoType)), "{text}");
    }
}

/// A newer producer's.
#[test]
fn a_fact_of_an_unknown_type_is_named() {
    let held = Arrived::new(&[], br#"{"eventType":"PaymentHeld"}"#).unwrap();
    assert_eq!(held.fact_type(), "PaymentHeld");
}

#[test]
fn the_header_names_the_type_and_the_value_is_not_looked_at() {
    let header = |name: &str, value: &[u8]| vec![(name.to_owned(), value.to_vec())];
    for name in ["type", "ce_type"] {
        let headers = header(name, b"PaymentHeld");
        assert_eq!(Arrived::new(&headers, b"no JSON").unwrap().fact_type(), "PaymentHeld");
    }
    let headers = header("type", b"PaymentCreated");
    let arrived = Arrived::new(&headers, SAMPLE.as_bytes()).unwrap();
    assert_eq!(arrived.read::<PaymentCreated>().unwrap().0.id, 5);
    for wrong in ["no JSON", r#"{"eventType":"PaymentCancelled"}"#, "{}"] {
        assert!(
            Arrived::new(&headers, wrong.as_bytes()).unwrap().read::<PaymentCreated>().is_err(),
            "{wrong}"
        );
    }
    // Where the header is no text, the value has to say it.
    let headers = header("type", b"\xff");
    assert_eq!(Arrived::new(&headers, SAMPLE.as_bytes()).unwrap().fact_type(), "PaymentCreated");
}

#[test]
fn a_known_type_that_does_not_fit_is_invalid() {
    for (from, to) in [
        ("\"version\":1", "\"revision\":1"),
        ("\"timestamp\":1662883010408,", ""),
        ("\"timestamp\":1662883010408", "\"timestamp\":\"yesterday\""),
        ("\"id\":5", "\"id\":5.5"),
        ("\"id\":5", "\"id\":99999999999999999999"),
        ("\"id\":5", "\"id\":null"),
        ("\"id\":5", "\"id\":1,\"id\":2"),
        ("\"productName\":\"fold\"", "\"productName\":7"),
        ("\"productName\":\"fold\"", "\"productName\":[\"fold\"]"),
        ("\"price\":1300000", "\"price\":1e400"),
    ] {
        let json = SAMPLE.replace(from, to);
        assert_ne!(json, SAMPLE, "{from} is not in the sample");
        let Err(ReadError::Invalid { fact_type, .. }) = read(&json) else {
            panic!("{json} is not invalid");
        };
        assert_eq!(fact_type, "PaymentCreated");
    }
}

/// For every fact and each of its numbers: nobody believes what cannot be true.
#[test]
fn a_fact_that_cannot_be_true_is_invalid() {
    const COUNTS: [&str; 6] = ["id", "preReservationId", "paymentId", "userId", "productId", "price"];
    let samples =
        |producer| std::fs::read_dir(format!("{}/src/{producer}/samples/v1", env!("CARGO_MANIFEST_DIR")));
    let mut tried = 0;
    for file in ["prereservation", "payment", "receipt", "account"]
        .into_iter()
        .flat_map(|producer| samples(producer).unwrap())
    {
        let sample: Map<String, Value> =
            serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        let wrong = |field: &str, value: Value| {
            let mut fact = sample.clone();
            fact.insert(field.to_owned(), value.clone());
            match read_any(&serde_json::to_vec(&fact).unwrap()) {
                Err(ReadError::Invalid { reason, .. }) => {
                    assert!(reason.to_string().contains(field) || field == "productName")
                }
                other => panic!("{field} = {value} in {} is {other:?}", sample["eventType"]),
            }
        };
        for field in COUNTS.into_iter().filter(|field| sample.contains_key(*field)) {
            for value in [0, -1, i64::MIN, 1 << 53, i64::MAX] {
                wrong(field, value.into());
                tried += 1;
            }
        }
        for value in [0, -1, LARGEST_VERSION + 1, i64::MAX] {
            wrong("version", value.into());
        }
        for field in ["createdAt", "modifiedAt", "expectedDeliveryAt", "notBefore", "timestamp"] {
            if sample.contains_key(field) {
                wrong(field, (-1).into());
                wrong(field, 253_402_300_800_000_i64.into());
            }
        }
        for (field, value) in [("productName", Value::from("fo\0ld")), ("roles", vec!["customer\0"].into())] {
            if sample.contains_key(field) {
                wrong(field, value);
            }
        }
        for value in [Value::from("customer"), vec![1].into(), Value::Null] {
            if sample.contains_key("roles") {
                wrong("roles", value);
            }
        }
    }
    assert_eq!(tried, 5 * (2 * 4 + 2 * 5 + 2 * 6 + 4));
}

#[test]
fn an_error_repeats_no_card_number() {
    for (from, to) in [
        ("\"****-****-****-1234\"", "4000123412341234"),
        ("\"price\":1300000", "\"price\":\"4000123412341234 \u{0}\""),
        ("\"price\":1300000", "\"price\":4000123412341234.5"),
    ] {
        let error = read(&SAMPLE.replace(from, to)).unwrap_err();
        assert!(!error.to_string().contains("40001234"), "{error}");
        assert!(!format!("{error:?}").contains("40001234"), "{error:?}");
    }
}

#[test]
fn the_headers_name_the_fact() {
    let (fact, timestamp_ms) = read(SAMPLE).unwrap();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = Envelope::of(&fact, timestamp_ms).caused_by(Some(trace.to_owned())).headers();
    let text: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap())).collect();
    assert_eq!(
        text,
        [
            ("type", "PaymentCreated"),
            ("contentType", "application/json"),
            ("ce_id", "7.1"),
            ("ce_source", "payment"),
            ("ce_type", "PaymentCreated"),
            ("ce_time", "2022-09-11T07:56:50.408Z"),
            ("ce_specversion", "1.0"),
            ("traceparent", trace),
        ]
    );
    for beyond in [i64::MAX, i64::MIN] {
        assert!(Envelope::of(&fact, beyond).headers().iter().all(|(name, _)| name != "ce_time"));
    }
}
