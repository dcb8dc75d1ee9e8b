//! What a reader takes from others, and how it tells their mistakes apart.
#![allow(clippy::unwrap_used)]

use events::{Event, LARGEST_VERSION, ReadError, headers};
use serde_json::{Map, Value};

const SAMPLE: &str = r#"{"eventType":"PaymentCreated","timestamp":1662883010408,"id":5,
    "preReservationId":7,"userId":1,"productId":1,"productName":"fold","price":1300000,
    "cardNo":"****-****-****-1234","createdAt":1662883010000,"modifiedAt":1662883010000,
    "status":"paid","version":1}"#;

fn read(json: &str) -> Result<events::Fact, ReadError> {
    Event::from_json(json.as_bytes())
}

#[test]
fn numbers_may_be_text_and_unknown_fields_any() {
    let plain = read(SAMPLE).unwrap();
    let text = SAMPLE
        .replace("1662883010408", "\"1662883010408\"")
        .replace("1300000", "\" 1300000 \"")
        .replace("\"id\":5", "\"id\":5.0,\"more\":{\"id\":[1,null]}");
    assert_eq!(plain, read(&text).unwrap());
}

#[test]
fn optional_fields_may_be_missing_or_null() {
    let fact = read(
        r#"{"eventType":"ReservationCancelled","timestamp":9,"id":7,"userId":1,"productId":1,
            "productName":"fold","price":1,"userAddress":null,"version":2}"#,
    )
    .unwrap();
    let Event::ReservationCancelled(cancelled) = fact.event else {
        panic!("another event");
    };
    assert_eq!(cancelled.user_address, "");
    assert_eq!(cancelled.card_no, "");
    assert_eq!(cancelled.reason, "unspecified");
    assert_eq!(cancelled.detail, None);
    assert_eq!((cancelled.created_at, cancelled.modified_at), (9, 9));
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
    assert!(matches!(Event::from_json(b"\xff\xfe"), Err(ReadError::NotJson(_))));
    for text in ["{}", "{\"eventType\":null}", "{\"eventType\":1,\"id\":2}"] {
        assert!(matches!(read(text), Err(ReadError::NoType)), "{text}");
    }
}

#[test]
fn an_unknown_type_is_named_and_not_at_length() {
    let Err(ReadError::UnknownType(name)) = read(r#"{"eventType":"PaymentHeld"}"#) else {
        panic!("not an unknown type");
    };
    assert_eq!(name, "PaymentHeld");
    let long = format!(r#"{{"eventType":"{}"}}"#, "é".repeat(100_000));
    let Err(ReadError::UnknownType(name)) = read(&long) else {
        panic!("not an unknown type");
    };
    assert_eq!(name.chars().count(), 100);
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
    ] {
        let json = SAMPLE.replace(from, to);
        assert_ne!(json, SAMPLE, "{from} is not in the sample");
        let Err(ReadError::Invalid { event_type, .. }) = read(&json) else {
            panic!("{json} is not invalid");
        };
        assert_eq!(event_type, "PaymentCreated");
    }
}

/// For every fact and each of its numbers: nobody believes what cannot be true.
#[test]
fn a_fact_that_cannot_be_true_is_invalid() {
    const COUNTS: [&str; 6] = ["id", "preReservationId", "paymentId", "userId", "productId", "price"];
    let samples =
        |producer| std::fs::read_dir(format!("{}/src/{producer}/samples/v1", env!("CARGO_MANIFEST_DIR")));
    let mut tried = 0;
    for file in
        ["prereservation", "payment", "receipt"].into_iter().flat_map(|producer| samples(producer).unwrap())
    {
        let sample: Map<String, Value> =
            serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        let wrong = |field: &str, value: Value| {
            let mut fact = sample.clone();
            fact.insert(field.to_owned(), value.clone());
            match Event::from_json(&serde_json::to_vec(&fact).unwrap()) {
                Err(ReadError::Invalid { reason, .. }) => {
                    assert!(reason.contains(field) || field == "productName")
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
        for field in ["createdAt", "modifiedAt", "expectedDeliveryAt", "timestamp"] {
            if sample.contains_key(field) {
                wrong(field, (-1).into());
                wrong(field, 253_402_300_800_000_i64.into());
            }
        }
        wrong("productName", "fo\0ld".into());
    }
    assert_eq!(tried, 5 * (2 * 4 + 2 * 5 + 2 * 6));
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
    let fact = read(SAMPLE).unwrap();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = headers(&fact.event, "payment", "5-1", fact.timestamp_ms, Some(trace));
    let text: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap())).collect();
    assert_eq!(
        text,
        [
            ("type", "PaymentCreated"),
            ("contentType", "application/json"),
            ("ce_id", "5-1"),
            ("ce_source", "payment"),
            ("ce_type", "PaymentCreated"),
            ("ce_time", "2022-09-11T07:56:50.408Z"),
            ("ce_specversion", "1.0"),
            ("traceparent", trace),
        ]
    );
    for beyond in [i64::MAX, i64::MIN] {
        let headers = events::headers(&fact.event, "payment", "5-1", beyond, None);
        assert!(headers.iter().all(|(name, _)| name != "ce_time"));
    }
}
