//! `1` and `"1"` alike, for types that are read by serde's derive.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, Visitor},
};

/// For `#[serde(deserialize_with = "rest::input::lenient_i64")]`.
pub fn lenient_i64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    lenient_option_i64(deserializer)?.ok_or_else(|| de::Error::custom("a whole number is required"))
}

/// For `#[serde(default, deserialize_with = "rest::input::lenient_option_i64")]`: null and an empty text are `None`.
pub fn lenient_option_i64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    deserializer.deserialize_any(NumberVisitor)
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        i64::try_from(value).map(Some).map_err(|_| E::custom("a number beyond 64 bits"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        whole_number(text).map(Some).ok_or_else(|| E::custom("not a whole number"))
    }
}

pub(super) fn whole_number(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Numbers {
        #[serde(deserialize_with = "lenient_i64")]
        needed: i64,
        #[serde(default, deserialize_with = "lenient_option_i64")]
        maybe: Option<i64>,
    }

    #[test]
    fn texts_and_numbers() {
        let read = |json| serde_json::from_str::<Numbers>(json).ok();
        assert_eq!(read(r#"{"needed":"1","maybe":2}"#), Some(Numbers { needed: 1, maybe: Some(2) }));
        assert_eq!(read(r#"{"needed":-1}"#), Some(Numbers { needed: -1, maybe: None }));
        assert_eq!(read(r#"{"needed":1,"maybe":""}"#), Some(Numbers { needed: 1, maybe: None }));
        assert_eq!(read(r#"{"needed":null}"#), None);
        assert_eq!(read(r#"{"needed":"x"}"#), None);
    }
}
