//! The fields of a request, read one by one, with every error collected: a client learns at once all that is wrong.

use std::{borrow::Cow, fmt::Display, ops::RangeInclusive};

use super::scalar::{Object, Scalar};
use http_common::{FieldError, Problem};
use zeroize::Zeroizing;

const POSITIVE: RangeInclusive<i64> = 1..=(1 << 53) - 1;

/// The fields of one JSON object or query string. A getter notes what is wrong and returns a stand-in; [`Fields::finish`]
/// refuses the request when anything was noted. Fields that nobody asks for are ignored.
#[derive(Debug)]
pub struct Fields<'a> {
    entries: Vec<(Cow<'a, str>, Scalar<'a>)>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// # Errors
    /// 400 when this is not one JSON object.
    pub fn from_json(json: &'a [u8]) -> Result<Self, Problem> {
        Ok(Self { entries: Object::read(json)?.0, errors: Vec::new() })
    }

    #[must_use]
    pub fn from_query(query: &'a str) -> Self {
        Self {
            entries: form_urlencoded::parse(query.as_bytes())
                .map(|(name, value)| (name, Scalar::Text(value)))
                .collect(),
            errors: Vec::new(),
        }
    }

    /// As it came; `None` when absent. Of a name that is there twice the last one counts.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Scalar<'a>> {
        self.entries.iter().rev().find(|(candidate, _)| candidate == name).map(|(_, value)| value)
    }

    /// A whole number that has to be there: `1` and `"1"` alike. 0 stands in for what was refused.
    pub fn integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> i64 {
        self.optional_integer(name, range).unwrap_or_else(|| self.required(name))
    }

    /// A whole number from 1 to the largest that every JSON reader keeps exactly (RFC 8259, section 6), and that has to be there.
    pub fn positive(&mut self, name: &'static str) -> i64 {
        self.positive_or(name, None)
    }

    /// As [`positive`](Self::positive); `default`, if there is one, stands for a number that is absent.
    pub fn positive_or(&mut self, name: &'static str, default: Option<i64>) -> i64 {
        self.optional_integer(name, POSITIVE).or(default).unwrap_or_else(|| self.required(name))
    }

    /// A whole number, unless it is absent, null or an empty text.
    fn optional_integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let number = match self.get(name)? {
            Scalar::Null => return None,
            Scalar::Text(text) if text.trim().is_empty() => return None,
            Scalar::Integer(number) => Some(*number),
            Scalar::Text(text) => text.trim().parse().ok(),
            Scalar::Number(number) => {
                // Jackson reads 1.0 as 1, and so do we; beyond 2^53 a float no longer says which number it is.
                let whole = number.fract() == 0.0 && number.abs() < 9e15;
                whole.then_some(*number as i64)
            }
            Scalar::Bool(_) | Scalar::Compound => {
                self.reject(name, "must be a whole number");
                return None;
            }
        };
        match number {
            Some(number) if range.contains(&number) => Some(number),
            None if !self.is_numeric(name) => {
                self.reject(name, "must be a whole number");
                None
            }
            _ => {
                self.reject(
                    name,
                    format!("must be a whole number from {} to {}", range.start(), range.end()),
                );
                None
            }
        }
    }

    /// A text that has to be there and not be blank. An empty text stands in for what was refused.
    pub fn text(&mut self, name: &'static str, max_chars: usize) -> String {
        self.optional_text(name, max_chars).unwrap_or_else(|| {
            self.require(name);
            String::new()
        })
    }

    /// A text, unless it is absent, null or blank.
    pub fn optional_text(&mut self, name: &'static str, max_chars: usize) -> Option<String> {
        let refused = match self.get(name)? {
            Scalar::Null => return None,
            Scalar::Text(text) if text.trim().is_empty() => return None,
            Scalar::Text(text) if text.chars().any(char::is_control) => {
                "must not contain control characters".into()
            }
            // Bytes are never fewer than characters, so that counting is for the long ones only.
            Scalar::Text(text) if text.len() > max_chars && text.chars().count() > max_chars => {
                format!("must not be longer than {max_chars} characters")
            }
            Scalar::Text(text) => return Some(text.clone().into_owned()),
            _ => "must be a text".into(),
        };
        self.reject(name, refused);
        None
    }

    /// What `parse` makes of a text that has to be there and that nobody may find in memory later. A client that sends
    /// digits as a number means the same. `None` stands in for what was refused.
    pub fn secret<T, E: Display>(
        &mut self,
        name: &'static str,
        max_chars: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = match self.get(name) {
            Some(Scalar::Integer(number)) => Zeroizing::new(number.to_string()),
            _ => Zeroizing::new(self.text(name, max_chars)),
        };
        if text.is_empty() {
            return None;
        }
        parse(&text).map_err(|error| self.reject(name, error.to_string())).ok()
    }

    /// As [`secret`](Self::secret), with every character as it came: white space and control characters are part of it. Whether
    /// the text is too long, `parse` says.
    pub fn verbatim_secret<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = match self.get(name) {
            None | Some(Scalar::Null) => {
                self.require(name);
                return None;
            }
            Some(Scalar::Integer(number)) => Zeroizing::new(number.to_string()),
            Some(Scalar::Text(text)) => Zeroizing::new(text.clone().into_owned()),
            Some(_) => {
                self.reject(name, "must be a text");
                return None;
            }
        };
        parse(&text).map_err(|error| self.reject(name, error.to_string())).ok()
    }

    /// Notes an error that the caller found.
    pub fn reject(&mut self, field: &'static str, message: impl Into<Cow<'static, str>>) {
        self.errors.push(FieldError::new(field, message));
    }

    /// # Errors
    /// 400 with every field that was refused.
    pub fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::validation(self.errors)) }
    }

    /// 0, for a number that is missing.
    fn required(&mut self, name: &'static str) -> i64 {
        self.require(name);
        0
    }

    /// Notes that a field is missing, unless something else was wrong with it.
    fn require(&mut self, name: &'static str) {
        if self.errors.iter().any(|error| error.field == name) {
            return;
        }
        let message = match self.get(name) {
            Some(Scalar::Text(_)) => "must not be empty",
            _ => "is required",
        };
        self.reject(name, message);
    }

    /// Whether a value looks like a number, only not like one that fits.
    fn is_numeric(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Scalar::Number(number)) => number.fract() == 0.0,
            Some(Scalar::Text(text)) => {
                let text = text.trim();
                let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn errors(json: &str, read: impl FnOnce(&mut Fields)) -> Vec<(String, String)> {
        let mut fields = Fields::from_json(json.as_bytes()).unwrap();
        read(&mut fields);
        match fields.finish() {
            Ok(()) => Vec::new(),
            Err(problem) => problem
                .errors
                .iter()
                .map(|error| (error.field.to_string(), error.message.to_string()))
                .collect(),
        }
    }

    #[test]
    fn numbers_are_read_leniently() {
        for json in [r#"{"n":"7"}"#, r#"{"n":7}"#, r#"{"n":" 7 "}"#, r#"{"n":7.0}"#, r#"{"n":1,"n":7}"#] {
            let mut fields = Fields::from_json(json.as_bytes()).unwrap();
            assert_eq!(fields.integer("n", 1..=i64::MAX), 7, "{json}");
            assert!(fields.finish().is_ok(), "{json}");
        }
    }

    #[test]
    fn a_default_stands_for_what_is_absent_and_for_nothing_that_is_wrong() {
        let read = |json: &str| {
            let mut fields = Fields::from_json(json.as_bytes()).unwrap();
            let number = fields.positive_or("n", Some(7));
            fields.finish().is_ok().then_some(number)
        };
        for (json, wanted) in [
            (r#"{}"#, Some(7)),
            (r#"{"n":null}"#, Some(7)),
            (r#"{"n":" "}"#, Some(7)),
            (r#"{"n":"8"}"#, Some(8)),
            (r#"{"n":0}"#, None),
            (r#"{"n":"x"}"#, None),
            (r#"{"n":[7]}"#, None),
        ] {
            assert_eq!(read(json), wanted, "{json}");
        }
        assert_eq!(
            errors("{}", |fields| _ = fields.positive_or("n", None)),
            [("n".into(), "is required".into())]
        );
    }

    #[test]
    fn a_secret_may_come_as_a_number_and_is_refused_by_its_parser() {
        let even = |text: &str| match text.len() % 2 {
            0 => Ok(text.len()),
            _ => Err("must have an even length"),
        };
        for (json, read) in [(r#"{"s":"1-23"}"#, 4), (r#"{"s":42}"#, 2)] {
            let mut fields = Fields::from_json(json.as_bytes()).unwrap();
            assert_eq!(fields.secret("s", 8, even), Some(read), "{json}");
            assert!(fields.finish().is_ok(), "{json}");
        }
        for (json, message) in [
            (r#"{"s":"odd"}"#, "must have an even length"),
            (r#"{"s":"far too long"}"#, "must not be longer than 8 characters"),
            (r#"{"s":true}"#, "must be a text"),
            (r#"{"s":" "}"#, "must not be empty"),
            ("{}", "is required"),
        ] {
            let found = errors(json, |fields| assert_eq!(fields.secret("s", 8, even), None));
            assert_eq!(found, [("s".to_owned(), message.to_owned())], "{json}");
        }
    }

    #[test]
    fn a_verbatim_secret_is_neither_trimmed_nor_cleaned() {
        let keep = |text: &str| if text.is_empty() { Err("too short") } else { Ok(text.to_owned()) };
        for (json, read) in
            [(r#"{"s":" "}"#, " "), (r#"{"s":"\u0000a\n "}"#, "\0a\n "), (r#"{"s":12}"#, "12")]
        {
            let mut fields = Fields::from_json(json.as_bytes()).unwrap();
            assert_eq!(fields.verbatim_secret("s", keep).as_deref(), Some(read), "{json}");
            assert!(fields.finish().is_ok(), "{json}");
        }
        for (json, message) in [
            (r#"{"s":""}"#, "too short"),
            (r#"{"s":["a"]}"#, "must be a text"),
            (r#"{"s":null}"#, "is required"),
            ("{}", "is required"),
        ] {
            let found = errors(json, |fields| assert_eq!(fields.verbatim_secret("s", keep), None));
            assert_eq!(found, [("s".to_owned(), message.to_owned())], "{json}");
        }
    }

    #[test]
    fn what_is_no_number_is_named() {
        for (value, message) in [
            (r#""x""#, "must be a whole number"),
            ("true", "must be a whole number"),
            ("[1]", "must be a whole number"),
            ("{\"a\":1}", "must be a whole number"),
            ("1.5", "must be a whole number"),
            ("0", "must be a whole number from 1 to 9223372036854775807"),
            ("-3", "must be a whole number from 1 to 9223372036854775807"),
            ("9223372036854775808", "must be a whole number from 1 to 9223372036854775807"),
            ("\"9223372036854775808\"", "must be a whole number from 1 to 9223372036854775807"),
            ("1e300", "must be a whole number from 1 to 9223372036854775807"),
            ("null", "is required"),
            ("\"\"", "must not be empty"),
        ] {
            let found = errors(&format!(r#"{{"n":{value}}}"#), |fields| {
                fields.integer("n", 1..=i64::MAX);
            });
            assert_eq!(found, [("n".to_owned(), message.to_owned())], "{value}");
        }
    }

    #[test]
    fn texts_are_checked() {
        for (value, message) in [
            (r#""\u0000""#, "must not contain control characters"),
            (r#""a\nb""#, "must not contain control characters"),
            (r#""abcdef""#, "must not be longer than 5 characters"),
            (r#""   ""#, "must not be empty"),
            ("5", "must be a text"),
            ("[]", "must be a text"),
        ] {
            let found = errors(&format!(r#"{{"t":{value}}}"#), |fields| {
                fields.text("t", 5);
            });
            assert_eq!(found, [("t".to_owned(), message.to_owned())], "{value}");
        }
        assert!(
            errors(r#"{"t":"서울서울서"}"#, |fields| assert_eq!(fields.text("t", 5), "서울서울서"))
                .is_empty()
        );
    }

    #[test]
    fn all_errors_come_together() {
        let found = errors("{}", |fields| {
            fields.integer("userId", 1..=9);
            fields.text("userAddress", 9);
            assert_eq!(fields.optional_text("status", 9), None);
        });
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in [
            "",
            "  ",
            "[]",
            "1",
            "\"a\"",
            "null",
            "{",
            "{\"a\"}",
            "{}x",
            "{\"a\":1e999}",
            "{\"a\":\"\\ud800\"}",
            "\u{feff}{}",
        ] {
            let problem = Fields::from_json(body.as_bytes()).unwrap_err();
            assert_eq!(problem.status, 400, "{body}");
        }
        assert_eq!(Fields::from_json(b"{\"a\":\"\xff\"}").unwrap_err().status, 400);
        let deep = "[".repeat(100_000);
        assert_eq!(Fields::from_json(format!("{{\"a\":{deep}").as_bytes()).unwrap_err().status, 400);
    }

    #[test]
    fn errors_never_repeat_a_value() {
        let problem = Fields::from_json(br#"{"cardNo":"4242424242424242"#).unwrap_err();
        assert!(!problem.to_string().contains("4242"));
    }

    proptest! {
        #[test]
        fn never_panics(json in ".{0,100}", number in any::<f64>()) {
            let _ = Fields::from_json(json.as_bytes());
            let text = format!(r#"{{"n":{number}}}"#);
            if let Ok(mut fields) = Fields::from_json(text.as_bytes()) {
                fields.integer("n", i64::MIN..=i64::MAX);
                fields.text("n", 3);
            }
        }
    }
}
