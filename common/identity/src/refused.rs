//! Why a token does not hold.

/// The reasons. A client is told that its token is not valid, never more; the reason is for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    #[error("the token is larger than any that account makes")]
    TooLarge,
    #[error("the token is no JWT as account makes it")]
    Malformed,
    #[error("the token names another algorithm than EdDSA")]
    Algorithm,
    #[error("the token is signed with a key that account does not publish")]
    UnknownKey,
    #[error("the signature is not that of the key")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token lives longer than any may")]
    LivesTooLong,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the user is banned, or the token older than its withdrawal")]
    Banned,
    /// A cookie and a header that differ, two cookies of the name, two headers.
    #[error("the request carries two tokens")]
    TwoTokens,
    /// account could not be asked since the start. It says nothing about the token.
    #[error("no key of account is known yet")]
    NoKeys,
}

impl Refused {
    /// For a label of a metric.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown-key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::LivesTooLong => "lives-too-long",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Banned => "banned",
            Self::TwoTokens => "two-tokens",
            Self::NoKeys => "no-keys",
        }
    }
}
