use std::borrow::Cow;

use crate::fact::Fact;
use crate::field_error::FieldError;
use crate::fields::{Fields, NoObject};

/// A fact as it came from the event log. [`read`](Self::read) decodes its value. A reader that looks at the type first decodes
/// only the facts that concern it.
#[derive(Debug)]
pub struct Arrived<'a> {
    fact_type: Cow<'a, str>,
    headers: &'a [(String, Vec<u8>)],
    payload: &'a [u8],
    /// Where the headers do not name the type, the value had to.
    fields: Option<Fields<'a>>,
}

/// Why a record is no fact.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not a JSON object.
    #[error("the record is not a JSON object: {0}")]
    NotJson(#[from] NoObject),
    /// No header names the type, nor does an `eventType` that is text.
    #[error("the record has no eventType")]
    NoType,
    /// The type is known, and the fields do not fit it or cannot be true.
    #[error("{fact_type} cannot be read: {reason}")]
    Invalid { fact_type: &'static str, reason: FieldError },
    /// The headers name a type, and the value another one, or none.
    #[error("{fact_type} cannot be read: its eventType is another one")]
    OtherType { fact_type: &'static str },
}

impl<'a> Arrived<'a> {
    /// # Errors
    /// [`ReadError::NotJson`], [`ReadError::NoType`].
    pub fn new(headers: &'a [(String, Vec<u8>)], payload: &'a [u8]) -> Result<Self, ReadError> {
        let named = ["type", "ce_type"].into_iter().find_map(|name| header(headers, name));
        if let Some(fact_type) = named.and_then(|value| std::str::from_utf8(value).ok()) {
            return Ok(Self { fact_type: Cow::Borrowed(fact_type), headers, payload, fields: None });
        }
        let fields = Fields::of(payload)?;
        let fact_type = fields.fact_type().ok_or(ReadError::NoType)?;
        Ok(Self { fact_type, headers, payload, fields: Some(fields) })
    }

    pub(crate) fn known(fact_type: &'a str, payload: &'a [u8]) -> Self {
        Self { fact_type: Cow::Borrowed(fact_type), headers: &[], payload, fields: None }
    }

    /// The name of its type, which this release may not know: a newer producer's.
    pub fn fact_type(&self) -> &str {
        &self.fact_type
    }

    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        header(self.headers, name)
    }

    /// # Errors
    /// [`ReadError::NotJson`], [`ReadError::OtherType`], [`ReadError::Invalid`].
    pub fn read<F: Fact>(&self) -> Result<F, ReadError> {
        self.read_told().map(|(fact, _)| fact)
    }

    /// With the moment at which its producer told it, in epoch milliseconds.
    ///
    /// # Errors
    /// [`ReadError::NotJson`], [`ReadError::OtherType`], [`ReadError::Invalid`].
    pub fn read_told<F: Fact>(&self) -> Result<(F, i64), ReadError> {
        match &self.fields {
            Some(fields) => read(fields),
            None => read(&Fields::of(self.payload)?),
        }
    }
}

fn header<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    let (_, value) = headers.iter().find(|(other, _)| other == name)?;
    Some(value)
}

fn read<F: Fact>(fields: &Fields<'_>) -> Result<(F, i64), ReadError> {
    let invalid = |reason: FieldError| ReadError::Invalid { fact_type: F::TYPE, reason };
    if fields.fact_type().as_deref() != Some(F::TYPE) {
        return Err(ReadError::OtherType { fact_type: F::TYPE });
    }
    let timestamp_ms = fields.timestamp().map_err(invalid)?;
    let fact = F::read(fields).map_err(invalid)?;
    Ok((fact, timestamp_ms))
}
