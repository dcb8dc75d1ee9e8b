//! Where the keys come from.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, StatusCode, redirect, retry};
use settings::Invalid;
use url::Url;

use crate::jwk::JwkSet;

/// A page of keys is some hundred bytes.
const LARGEST: usize = 65_536;

/// Gives all keys that tokens may be signed with at the moment.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// # Errors
    /// It could not be asked. The keys that are known go on to hold.
    async fn keys(&self) -> Result<JwkSet, NoAnswer>;
}

/// Why there are no keys, in words for the log.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("no answer")]
    Http(#[from] reqwest::Error),
    #[error("the answer has the status {0}")]
    Status(StatusCode),
    #[error("the answer has more than {LARGEST} bytes")]
    TooLarge,
    #[error("the answer is no set of keys")]
    NotASet(#[from] serde_json::Error),
    /// A set without keys would have every token refused; it is taken for a fault of its publisher.
    #[error("the set has no key that tokens could be signed with")]
    NoKeys,
    #[error("{0}")]
    Other(String),
}

/// The page of account.
pub struct HttpKeys {
    client: Client,
    url: Url,
}

impl HttpKeys {
    /// # Errors
    /// The URL is none, or no client could be made.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, Invalid> {
        const KEY: &str = "auth.jwks_url";
        let client = Client::builder()
            .timeout(timeout)
            // It is asked every few minutes: a connection that is kept is one that has ended meanwhile.
            .pool_max_idle_per_host(0)
            // The keys are those of the address that was set, and of no other.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .build()
            .map_err(|error| Invalid::new(KEY, format!("no HTTP client could be made ({error})")))?;
        Ok(Self { client, url: settings::url(KEY, url, &["http"])? })
    }
}

#[async_trait]
impl KeySource for HttpKeys {
    async fn keys(&self) -> Result<JwkSet, NoAnswer> {
        let mut response = self.client.get(self.url.clone()).send().await?;
        if response.status() != StatusCode::OK {
            return Err(NoAnswer::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > LARGEST {
                return Err(NoAnswer::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(serde_json::from_slice(&body)?)
    }
}
