use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

const SHORTEST: usize = 8;
const LONGEST: usize = 128;

/// Lower case; where they come from and their licence lie beside them.
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords/list.txt").lines().collect());

/// A password as a user gave it, in the Unicode form NFC: keyboards differ in how they compose the same letter. Nothing is
/// trimmed.
pub struct Password(Zeroizing<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsuitable {
    #[error("must have {SHORTEST} to {LONGEST} characters")]
    Length,
    #[error("is one of the most common passwords")]
    Common,
}

impl Password {
    /// A password to be: long enough, and none that is guessed first.
    ///
    /// # Errors
    /// It is not.
    pub fn chosen(text: &str) -> Result<Self, Unsuitable> {
        let password = Self::given(text)?;
        if password.0.chars().count() < SHORTEST {
            return Err(Unsuitable::Length);
        }
        if COMMON.contains(Zeroizing::new(password.0.to_lowercase()).as_str()) {
            return Err(Unsuitable::Common);
        }
        Ok(password)
    }

    /// A password to be compared. A short one may be wrong, and is not said to be too short.
    ///
    /// # Errors
    /// It is longer than any can be.
    pub fn given(text: &str) -> Result<Self, Unsuitable> {
        // Before it is composed, which costs time for each byte. A character may come in some parts of up to 4 bytes.
        if text.len() > LONGEST * 16 {
            return Err(Unsuitable::Length);
        }
        let composed: Zeroizing<String> = Zeroizing::new(text.nfc().collect());
        match composed.chars().count() <= LONGEST {
            true => Ok(Self(composed)),
            false => Err(Unsuitable::Length),
        }
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn eight_to_128_characters_of_any_kind() {
        let longest = "x\u{1f600}".repeat(64);
        for right in
            ["        ", " leading and trailing ", "비밀번호비밀번호", "a\0b\tc\ndefgh", longest.as_str()]
        {
            assert_eq!(Password::chosen(right).unwrap().as_bytes(), right.as_bytes(), "{right:?}");
        }
        for wrong in ["", "1234567", "비밀번호", &"x".repeat(129), &"x".repeat(10_000_000)] {
            assert_eq!(Password::chosen(wrong).unwrap_err(), Unsuitable::Length, "{} bytes", wrong.len());
        }
        assert!(Password::given("short").is_ok() && Password::given(&"x".repeat(129)).is_err());
    }

    #[test]
    fn common_ones_are_refused_in_any_case() {
        assert_eq!(COMMON.len(), 8_354);
        for common in ["password", "PassWord", "1234567890", "qwertyuiop", "iloveyou"] {
            assert_eq!(Password::chosen(common).unwrap_err(), Unsuitable::Common, "{common}");
        }
        assert!(Password::chosen(" password ").is_ok(), "it is not trimmed");
    }

    #[test]
    fn one_password_has_one_form() {
        let [composed, decomposed] =
            ["caf\u{e9} au lait", "cafe\u{301} au lait"].map(|text| Password::chosen(text).unwrap());
        assert_eq!(composed.as_bytes(), decomposed.as_bytes());
    }

    #[test]
    fn nobody_prints_it() {
        assert!(!format!("{:?}", Password::chosen("a secret of mine").unwrap()).contains("secret"));
    }
}
