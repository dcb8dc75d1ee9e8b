//! Record headers as JSON, without loss: text as text, other bytes as an array of numbers.

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value<'a> {
    #[serde(borrow)]
    Text(std::borrow::Cow<'a, str>),
    Bytes(Vec<u8>),
}

pub(crate) fn encode(headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    let values: Vec<(&str, Value)> = headers
        .iter()
        .map(|(name, value)| {
            let value = match std::str::from_utf8(value) {
                Ok(text) => Value::Text(text.into()),
                Err(_) => Value::Bytes(value.clone()),
            };
            (name.as_str(), value)
        })
        .collect();
    // Strings and numbers only: serialising them to memory cannot fail.
    serde_json::to_vec(&values).unwrap_or_default()
}

/// Headers that this module did not write are left out: a record without them is worth more than none.
pub(crate) fn decode(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    serde_json::from_slice::<Vec<(String, Value)>>(text)
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| match value {
            Value::Text(text) => (name, text.into_owned().into_bytes()),
            Value::Bytes(bytes) => (name, bytes),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_whatever_their_bytes_are() {
        let headers = vec![
            ("type".to_owned(), b"PaymentCreated".to_vec()),
            ("quote".to_owned(), "\"\\ \u{7}é".as_bytes().to_vec()),
            ("binary".to_owned(), vec![0, 255, 128]),
            ("empty".to_owned(), vec![]),
        ];
        assert_eq!(decode(&encode(&headers)), headers);
    }
}
