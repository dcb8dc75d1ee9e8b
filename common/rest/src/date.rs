//! Instants as epoch milliseconds in the code, as `2021-09-07T01:02:03.456+00:00` on the wire.
//!
//! Use it on a DTO's field: `#[serde(with = "rest::date")] created_at: i64`, or
//! `#[serde(with = "rest::date::option")]` where the field may be empty.

use std::fmt;

use serde::{Deserializer, Serializer, de};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// `0000-01-01T00:00:00.000` and `9999-12-31T23:59:59.999`: what four digits of a year can say.
const EARLIEST_MS: i64 = -62_167_219_200_000;
const LATEST_MS: i64 = 253_402_300_799_999;

const MS_PER_DAY: i64 = 86_400_000;

/// A formatted instant, on the stack: a page of 20 items renders 40 and more of them.
#[derive(Clone, Copy)]
pub struct DateText([u8; 29]);

impl DateText {
    /// The text of an instant. What lies outside of the years 0 to 9999 becomes the nearest instant inside.
    #[must_use]
    pub fn new(epoch_ms: i64) -> Self {
        let ms = epoch_ms.clamp(EARLIEST_MS, LATEST_MS);
        let (year, month, day) = civil_from_days(ms.div_euclid(MS_PER_DAY));
        let of_day = ms.rem_euclid(MS_PER_DAY);
        let mut text = *b"0000-00-00T00:00:00.000+00:00";
        put(&mut text[0..4], year);
        put(&mut text[5..7], month);
        put(&mut text[8..10], day);
        put(&mut text[11..13], of_day / 3_600_000);
        put(&mut text[14..16], of_day / 60_000 % 60);
        put(&mut text[17..19], of_day / 1000 % 60);
        put(&mut text[20..23], of_day % 1000);
        Self(text)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits and punctuation are ASCII")
    }
}

impl fmt::Display for DateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn put(digits: &mut [u8], mut value: i64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Days since 1970-01-01 to year, month, day in the proleptic Gregorian calendar
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Epoch milliseconds of an RFC 3339 text (`...+00:00` and `...Z` alike).
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// For `#[serde(with = "rest::date")]`.
pub fn serialize<S: Serializer>(epoch_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(DateText::new(*epoch_ms).as_str())
}

/// For `#[serde(with = "rest::date")]`: an RFC 3339 text, or epoch milliseconds as a number.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    deserializer.deserialize_any(InstantVisitor)
}

struct InstantVisitor;

impl de::Visitor<'_> for InstantVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an RFC 3339 date or epoch milliseconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
        parse(text).ok_or_else(|| E::custom("not an RFC 3339 date"))
    }

    fn visit_i64<E: de::Error>(self, epoch_ms: i64) -> Result<i64, E> {
        Ok(epoch_ms)
    }

    fn visit_u64<E: de::Error>(self, epoch_ms: u64) -> Result<i64, E> {
        i64::try_from(epoch_ms).map_err(|_| E::custom("a date beyond what can be stored"))
    }
}

/// For `#[serde(with = "rest::date::option")]`.
pub mod option {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    /// `null` for what has not happened.
    pub fn serialize<S: Serializer>(epoch_ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        match epoch_ms {
            Some(epoch_ms) => super::serialize(epoch_ms, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// `null`, or what `rest::date` accepts.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        struct OptionVisitor;

        impl<'de> de::Visitor<'de> for OptionVisitor {
            type Value = Option<i64>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("null, an RFC 3339 date or epoch milliseconds")
            }

            fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                super::deserialize(deserializer).map(Some)
            }
        }

        deserializer.deserialize_option(OptionVisitor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Dates {
        #[serde(with = "super")]
        at: i64,
        #[serde(with = "super::option")]
        maybe: Option<i64>,
    }

    #[test]
    fn renders_as_the_wire_says() {
        let dates = Dates { at: 1_630_976_523_456, maybe: None };
        let json = serde_json::to_string(&dates).unwrap();
        assert_eq!(json, r#"{"at":"2021-09-07T01:02:03.456+00:00","maybe":null}"#);
        assert_eq!(serde_json::from_str::<Dates>(&json).unwrap(), dates);
    }

    #[test]
    fn reads_numbers_and_zulu_time() {
        let dates: Dates = serde_json::from_str(r#"{"at":5,"maybe":"1970-01-01T00:00:00.007Z"}"#).unwrap();
        assert_eq!(dates, Dates { at: 5, maybe: Some(7) });
    }

    #[test]
    fn what_no_year_can_say_is_clamped() {
        assert_eq!(DateText::new(i64::MIN).as_str(), "0000-01-01T00:00:00.000+00:00");
        assert_eq!(DateText::new(i64::MAX).as_str(), "9999-12-31T23:59:59.999+00:00");
    }

    proptest! {
        #[test]
        fn agrees_with_the_time_crate(ms in EARLIEST_MS..=LATEST_MS) {
            let text = DateText::new(ms);
            prop_assert_eq!(parse(text.as_str()), Some(ms));
        }
    }
}
