use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// An instant as clients see it: epoch milliseconds here, `2021-09-07T01:02:03.456+00:00` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct Date(pub i64);

/// `0000-01-01T00:00:00.000` and `9999-12-31T23:59:59.999`: what four digits of a year can say.
const EARLIEST_MS: i64 = -62_167_219_200_000;
const LATEST_MS: i64 = 253_402_300_799_999;

/// The text of an instant, on the stack: a page of 20 items renders 40 and more of them. What lies outside of the years 0 to
/// 9999 becomes the nearest instant inside.
fn text_of(epoch_ms: i64) -> [u8; 29] {
    let ms = epoch_ms.clamp(EARLIEST_MS, LATEST_MS);
    // Every second of these years is one that `time` knows.
    let instant =
        OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = instant.to_calendar_date();
    let (hour, minute, second) = instant.to_hms();
    let mut text = *b"0000-00-00T00:00:00.000+00:00";
    put(&mut text[0..4], year.unsigned_abs());
    put(&mut text[5..7], u8::from(month).into());
    put(&mut text[8..10], day.into());
    put(&mut text[11..13], hour.into());
    put(&mut text[14..16], minute.into());
    put(&mut text[17..19], second.into());
    put(&mut text[20..23], ms.rem_euclid(1000) as u32);
    text
}

fn put(digits: &mut [u8], mut value: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = text_of(self.0);
        serializer.serialize_str(std::str::from_utf8(&text).expect("digits and punctuation are ASCII"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use time::format_description::well_known::Rfc3339;

    use super::*;

    #[derive(Serialize)]
    struct Dates {
        at: Date,
        maybe: Option<Date>,
    }

    #[test]
    fn renders_as_the_wire_says() {
        let json = serde_json::to_string(&Dates { at: Date(1_630_976_523_456), maybe: None }).unwrap();
        assert_eq!(json, r#"{"at":"2021-09-07T01:02:03.456+00:00","maybe":null}"#);
    }

    #[test]
    fn what_no_year_can_say_is_clamped() {
        assert_eq!(&text_of(i64::MIN), b"0000-01-01T00:00:00.000+00:00");
        assert_eq!(&text_of(i64::MAX), b"9999-12-31T23:59:59.999+00:00");
    }

    proptest! {
        #[test]
        fn is_read_back_as_the_same_instant(ms in EARLIEST_MS..=LATEST_MS) {
            let text = text_of(ms);
            let read = OffsetDateTime::parse(std::str::from_utf8(&text).unwrap(), &Rfc3339).unwrap();
            prop_assert_eq!(read.unix_timestamp_nanos(), i128::from(ms) * 1_000_000);
        }
    }
}
