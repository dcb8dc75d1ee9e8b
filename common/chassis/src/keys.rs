//! Keys of tokens: without any, every token is answered 503.

use async_trait::async_trait;
use http_common::{Health, HealthCheck};
use identity::{Authenticator, Mode};

/// Whether tokens can be checked. In mode `required` a process that cannot is not ready: another replica may have the keys, and
/// account need not run for it. In mode `open` requests without a token are answered all the same.
pub(crate) struct KeysHealth(pub(crate) Authenticator);

#[async_trait]
impl HealthCheck for KeysHealth {
    fn name(&self) -> &'static str {
        "keys"
    }

    async fn check(&self) -> Health {
        self.stopped().map_or_else(Health::up, Health::down).with("known", self.0.has_keys())
    }

    fn stopped(&self) -> Option<String> {
        let waits = self.0.mode() == Mode::Required && !self.0.has_keys();
        waits.then(|| "the keys of tokens are not known yet".to_owned())
    }
}
