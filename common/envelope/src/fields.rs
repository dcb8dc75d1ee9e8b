//! The fields of a record's value, and the checks that they have to pass. A process that may write the topic can write any number.
//! Without these checks a reader would issue a receipt without a payment, or store a version that no later fact exceeds.
//!
//! Readers are lenient in form: they take numbers as text (`"1300000"`), as the Spring original's clients wrote them, treat
//! `null` as a missing field, and pass over fields that they do not know. Errors never repeat a value.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::field_error::FieldError;

/// The largest number that every JSON reader keeps exactly (RFC 8259, section 6); no front door takes a larger one.
const LARGEST_INTEGER: i64 = (1 << 53) - 1;

/// A version counts the changes of one thing, and each of them has a handful of states. A newer release may have more of
/// them. A larger number is no count, and would be newer than everything that follows.
pub const LARGEST_VERSION: i64 = 1_000;

/// The last moment of the year 9999: dates after it have no text (RFC 3339).
const LAST_MOMENT: i64 = 253_402_300_799_999;

/// Why a value has no fields.
#[derive(Debug, thiserror::Error)]
pub enum NoObject {
    #[error(transparent)]
    NotJson(#[from] serde_json::Error),
    #[error("another JSON value")]
    OtherValue,
}

/// A value's fields. Each is decoded when it is asked for.
#[derive(Debug)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// # Errors
    /// Why it is no JSON object.
    pub fn of(json: &'a [u8]) -> Result<Self, NoObject> {
        // serde would say that it expected a map, and show what it found.
        if json.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            serde_json::from_slice::<IgnoredAny>(json)?;
            return Err(NoObject::OtherValue);
        }
        Ok(serde_json::from_slice(json)?)
    }

    pub(crate) fn fact_type(&self) -> Option<Cow<'a, str>> {
        let raw = self.find("eventType").ok()??;
        serde_json::from_str::<Text>(raw.get()).ok().map(|Text(text)| text)
    }

    /// When the producer told the fact, in epoch milliseconds.
    ///
    /// # Errors
    /// It is missing, or no moment within 1970 and 9999.
    pub fn timestamp(&self) -> Result<i64, FieldError> {
        self.moment("timestamp")
    }

    /// An id, or a price.
    ///
    /// # Errors
    /// It is missing, or not within 1 and 2^53-1.
    pub fn count(&self, name: &'static str) -> Result<i64, FieldError> {
        let count = self.integer(name)?.ok_or(FieldError::Missing(name))?;
        match (1..=LARGEST_INTEGER).contains(&count) {
            true => Ok(count),
            false => Err(FieldError::OutOfRange { field: name, largest: LARGEST_INTEGER }),
        }
    }

    /// # Errors
    /// It is missing, or not within 1 and [`LARGEST_VERSION`].
    pub fn version(&self) -> Result<i64, FieldError> {
        let version = self.integer("version")?.ok_or(FieldError::Missing("version"))?;
        match (1..=LARGEST_VERSION).contains(&version) {
            true => Ok(version),
            false => Err(FieldError::OutOfRange { field: "version", largest: LARGEST_VERSION }),
        }
    }

    /// Epoch milliseconds.
    ///
    /// # Errors
    /// It is missing, or not within 1970 and 9999.
    pub fn moment(&self, name: &'static str) -> Result<i64, FieldError> {
        let moment = self.integer(name)?.ok_or(FieldError::Missing(name))?;
        match (0..=LAST_MOMENT).contains(&moment) {
            true => Ok(moment),
            false => Err(FieldError::NoMoment(name)),
        }
    }

    /// A moment that may be missing, or 0: then it is the one at which the fact was told.
    ///
    /// # Errors
    /// It is not within 1970 and 9999.
    pub fn moment_or_told(&self, name: &'static str) -> Result<i64, FieldError> {
        match self.integer(name)? {
            None | Some(0) => self.timestamp(),
            Some(_) => self.moment(name),
        }
    }

    /// # Errors
    /// It is missing, or no text that a database can store.
    pub fn text(&self, name: &'static str) -> Result<String, FieldError> {
        self.optional_text(name)?.ok_or(FieldError::Missing(name))
    }

    /// # Errors
    /// It is there, and no text that a database can store.
    pub fn optional_text(&self, name: &'static str) -> Result<Option<String>, FieldError> {
        let Some(raw) = self.find(name)? else { return Ok(None) };
        let Ok(text) = serde_json::from_str::<String>(raw.get()) else {
            return Err(FieldError::NotText(name));
        };
        if text.contains('\0') {
            return Err(FieldError::Nul(name));
        }
        Ok(Some(text))
    }

    /// # Errors
    /// It is missing, or no list of texts that a database can store.
    pub fn texts(&self, name: &'static str) -> Result<Vec<String>, FieldError> {
        let raw = self.find(name)?.ok_or(FieldError::Missing(name))?;
        let Ok(texts) = serde_json::from_str::<Vec<String>>(raw.get()) else {
            return Err(FieldError::NotTexts(name));
        };
        match texts.iter().any(|text| text.contains('\0')) {
            true => Err(FieldError::Nul(name)),
            false => Ok(texts),
        }
    }

    fn integer(&self, name: &'static str) -> Result<Option<i64>, FieldError> {
        let Some(raw) = self.find(name)? else { return Ok(None) };
        let text = raw.get();
        let number = match text.strip_prefix('"') {
            Some(_) => {
                serde_json::from_str::<Text>(text).ok().and_then(|Text(text)| text.trim().parse().ok())
            }
            None => text.parse().ok().or_else(|| whole(text.parse().ok()?)),
        };
        number.map(Some).ok_or(FieldError::NotWhole(name))
    }

    /// `None`: missing, or `null`.
    fn find(&self, name: &'static str) -> Result<Option<&'a RawValue>, FieldError> {
        let mut of_name = self.0.iter().filter(|(other, _)| other == name);
        let found = of_name.next();
        if of_name.next().is_some() {
            return Err(FieldError::Twice(name));
        }
        Ok(found.map(|(_, raw)| *raw).filter(|raw| raw.get() != "null"))
    }
}

/// Java's Double writes 1300000.0; beyond 2^53 a double no longer names one whole number.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// Borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &RawValue>()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}
