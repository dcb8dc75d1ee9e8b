//! What a service that calls another sends with its requests to prove who it is.
//!
//! The gateway removes the header from what comes from outside.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use settings::Invalid;
use subtle::{Choice, ConstantTimeEq};

/// The header.
pub const HEADER: &str = "x-internal-token";

const KEY: &str = "internal.token";
const SHORTEST: usize = 16;
const LONGEST: usize = 256;
/// The one in use, and the one that comes or goes.
const MOST: usize = 2;

/// The section `[internal]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InternalSettings {
    /// `token`, or `token,other`: the first one is sent, both are accepted. So a token is rotated in steps (`old,new`,
    /// then `new,old`, then `new`), in each of which services may restart in any order.
    pub token: SecretString,
}

impl InternalSettings {
    /// # Errors
    /// A token that is too short, or no header could carry, or more than two of them.
    pub fn check(&self) -> Result<(), Invalid> {
        let tokens: Vec<&str> = self.tokens().collect();
        let wrong = |reason: String| Err(Invalid::new(KEY, reason));
        if tokens.len() > MOST {
            return wrong(format!("has {} tokens, at most {MOST} are accepted at once", tokens.len()));
        }
        if tokens.iter().any(|token| !(SHORTEST..=LONGEST).contains(&token.len())) {
            return wrong(format!("a token needs {SHORTEST} to {LONGEST} characters"));
        }
        if tokens.iter().any(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return wrong("a token may have visible ASCII characters only".to_owned());
        }
        Ok(())
    }

    /// As [`check`](Self::check), and a token is there.
    ///
    /// # Errors
    /// None is there: the key, and `why` it is needed.
    pub fn check_needed(&self, why: &str) -> Result<(), Invalid> {
        match self.is_empty() {
            true => Err(Invalid::new(KEY, format!("must not be empty, because {why}"))),
            false => self.check(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.token.expose_secret().is_empty()
    }

    /// The token to send.
    #[must_use]
    pub fn sent(&self) -> Option<&str> {
        self.tokens().next()
    }

    /// Whether what a request carries is one of the tokens. The time says nothing about how much of it was right.
    /// Without any token nobody is accepted.
    #[must_use]
    pub fn accepts(&self, given: Option<&[u8]>) -> bool {
        let Some(given) = given else { return false };
        let is_one = self.tokens().fold(Choice::from(0), |any, token| any | token.as_bytes().ct_eq(given));
        is_one.into()
    }

    fn tokens(&self) -> impl Iterator<Item = &str> {
        self.token.expose_secret().split(',').map(str::trim).filter(|_| !self.is_empty())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210";

    fn settings(token: &str) -> InternalSettings {
        InternalSettings { token: token.into() }
    }

    #[test]
    fn two_tokens_are_accepted_and_the_first_one_is_sent() {
        let both = settings(&format!("{ONE}, {OTHER}"));
        both.check_needed("it is tested").unwrap();
        assert_eq!(both.sent(), Some(ONE));
        for token in [ONE, OTHER] {
            assert!(both.accepts(Some(token.as_bytes())));
        }
        for wrong in ["", &ONE[1..], &format!("{ONE} "), &format!("{ONE}, {OTHER}"), ","] {
            assert!(!both.accepts(Some(wrong.as_bytes())), "{wrong:?}");
        }
        assert!(!both.accepts(None));
    }

    #[test]
    fn without_a_token_nobody_is_accepted() {
        let none = settings("");
        none.check().unwrap();
        assert_eq!(none.sent(), None);
        assert!(!none.accepts(Some(b"")) && !none.accepts(None));
        let error = none.check_needed("it is tested").unwrap_err().to_string();
        assert_eq!(error, "internal.token: must not be empty, because it is tested");
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_without_being_shown() {
        for wrong in [
            "short",
            ",",
            &format!("{ONE},"),
            &format!("{ONE},{OTHER},{ONE}"),
            &"x".repeat(257),
            &format!("{ONE}ä"),
        ] {
            let error = settings(wrong).check().unwrap_err().to_string();
            assert!(error.starts_with("internal.token: ") && !error.contains(wrong), "{error}");
        }
        assert!(!format!("{:?}", settings(ONE)).contains(ONE));
    }
}
