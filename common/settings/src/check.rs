//! Checks that more than one service needs. What they find becomes [`SettingsError::Invalid`](crate::SettingsError).

use std::fmt::Display;
use std::ops::RangeInclusive;

/// An objection to the value of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Invalid {
    /// Dotted, as in the defaults.
    pub key: String,
    /// Completes "server.port: ...".
    pub reason: String,
}

impl Invalid {
    pub fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Invalid { key: key.into(), reason: reason.into() }
    }
}

/// The value lies in the range.
///
/// # Errors
/// It does not.
pub fn in_range<N: PartialOrd + Display>(
    key: &str,
    value: N,
    range: RangeInclusive<N>,
) -> Result<(), Invalid> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = range.into_inner();
    Err(Invalid::new(key, format!("{value} is not between {low} and {high}")))
}

/// The value is more than white space.
///
/// # Errors
/// It is not.
pub fn non_empty(key: &str, value: &str) -> Result<(), Invalid> {
    match value.trim().is_empty() {
        true => Err(Invalid::new(key, "must not be empty")),
        false => Ok(()),
    }
}

/// Whether a host, of an address or a URL, is this machine and nobody else's.
pub fn is_loopback(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The value is an absolute URL with one of the schemes. The value is not repeated: URLs carry passwords.
///
/// # Errors
/// It is not.
pub fn url(key: &str, value: &str, schemes: &[&str]) -> Result<url::Url, Invalid> {
    let expected = || schemes.join("://, ") + "://";
    let url = url::Url::parse(value)
        .map_err(|error| Invalid::new(key, format!("is no URL ({error}); expected {}", expected())))?;
    match schemes.contains(&url.scheme()) {
        true => Ok(url),
        false => Err(Invalid::new(key, format!("has the scheme {}, expected {}", url.scheme(), expected()))),
    }
}
