//! What a service asks about a token.

use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use metrics::Counter;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use crate::bans::Bans;
use crate::caller::{Mode, Principal};
use crate::fetching::Fetching;
use crate::jwk::JwkSet;
use crate::keys::{Key, Keys};
use crate::refused::Refused;
use crate::settings::AuthSettings;
use crate::source::KeySource;
use crate::token::{LARGEST, Rules};

/// Knows the keys, the bans and the tokens that were checked lately. A clone is the same one.
#[derive(Clone)]
pub struct Authenticator(Arc<Shared>);

struct Shared {
    application: &'static str,
    settings: AuthSettings,
    rules: Rules,
    keys: ArcSwap<Keys>,
    source: OnceLock<Fetching>,
    bans: Arc<Bans>,
    /// By the digest of a token, so that no token lies in memory longer than its request.
    checked: Cache<[u8; 32], Checked>,
    hits: Counter,
    misses: Counter,
}

#[derive(Clone)]
struct Checked {
    principal: Arc<Principal>,
    exp: i64,
    key: Arc<Key>,
}

impl Authenticator {
    /// Without keys: every token is refused until there are some, by [`set_keys`](Self::set_keys) or by a source.
    #[must_use]
    pub fn new(application: &'static str, settings: &AuthSettings) -> Self {
        let checks = |cache: &'static str| metrics::counter!("auth_token_checks_total", "application" => application, "cache" => cache);
        // Shown from the start: that there are none is what an alert asks about.
        metrics::gauge!("auth_keys", "application" => application).set(0.0);
        Self(Arc::new(Shared {
            application,
            rules: settings.rules(),
            keys: ArcSwap::default(),
            source: OnceLock::new(),
            bans: Arc::default(),
            checked: Cache::new(settings.cached_tokens),
            settings: settings.clone(),
            hits: checks("hit"),
            misses: checks("miss"),
        }))
    }

    #[must_use]
    pub fn mode(&self) -> Mode {
        self.0.settings.mode
    }

    #[must_use]
    pub fn settings(&self) -> &AuthSettings {
        &self.0.settings
    }

    #[must_use]
    pub fn bans(&self) -> &Arc<Bans> {
        &self.0.bans
    }

    /// From now on these keys hold, and no others.
    pub fn set_keys(&self, set: &JwkSet) {
        self.take(Keys::of(set));
    }

    /// Whether any token can be checked.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.0.keys.load().is_empty()
    }

    /// Where keys are asked for. The first source that is named stays.
    ///
    /// Returns whether it is this one.
    pub fn set_source(&self, source: Arc<dyn KeySource>) -> bool {
        self.0.source.set(Fetching::new(self.0.application, source, &self.0.settings)).is_ok()
    }

    #[must_use]
    pub fn has_source(&self) -> bool {
        self.0.source.get().is_some()
    }

    /// Whose token it is. A key that is not known is asked for, if that was not tried just now.
    ///
    /// # Errors
    /// It does not hold.
    pub async fn check(&self, token: &str) -> Result<Arc<Principal>, Refused> {
        match self.check_known(token) {
            Some(result) => result,
            None => {
                self.look_for_keys().await;
                self.counted(self.judge(token, now()))
            }
        }
    }

    /// As [`check`](Self::check), for as long as nobody has to be asked: `None`.
    pub fn check_known(&self, token: &str) -> Option<Result<Arc<Principal>, Refused>> {
        let result = self.judge(token, now());
        let may_ask =
            || self.0.source.get().is_some_and(|source| source.may_ask(self.0.keys.load().is_empty()));
        match result {
            Err(Refused::UnknownKey | Refused::NoKeys) if may_ask() => None,
            result => Some(self.counted(result)),
        }
    }

    /// At a time of the caller, and with the keys that are known.
    ///
    /// # Errors
    /// It does not hold.
    pub fn check_at(&self, token: &str, now: i64) -> Result<Arc<Principal>, Refused> {
        self.counted(self.judge(token, now))
    }

    /// Counts a refusal that was decided before the token was looked at.
    pub fn count(&self, refused: Refused) {
        let reason = refused.reason();
        metrics::counter!("auth_tokens_refused_total", "application" => self.0.application, "reason" => reason)
            .increment(1);
        tracing::debug!(reason, "a token was refused");
    }

    /// Fetches the keys at once, and then again whenever they are old; drops bans that no longer matter. To be run as long as
    /// the service runs.
    pub async fn keep_keys(&self) {
        loop {
            self.0.bans.forget(now());
            let Some(source) = self.0.source.get() else {
                tokio::time::sleep(self.0.settings.jwks_refresh()).await;
                continue;
            };
            source.fetch(|keys| self.take(keys)).await;
            tokio::time::sleep(source.pause()).await;
        }
    }

    async fn look_for_keys(&self) {
        if let Some(source) = self.0.source.get() {
            source.fetch_for_unknown(|| self.0.keys.load().is_empty(), |keys| self.take(keys)).await;
        }
    }

    fn take(&self, keys: Keys) {
        metrics::gauge!("auth_keys", "application" => self.0.application).set(keys.len() as f64);
        self.0.keys.store(Arc::new(keys));
    }

    fn judge(&self, token: &str, now: i64) -> Result<Arc<Principal>, Refused> {
        let Shared { rules, keys, bans, checked, .. } = &*self.0;
        if token.len() > LARGEST {
            return Err(Refused::TooLarge);
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        let keys = keys.load();
        // A key that is published no more proves nothing any more.
        let known = checked.get(&digest).filter(|known| keys.has(&known.key));
        let principal = match known {
            Some(known) if rules.is_over(known.exp, now) => {
                checked.remove(&digest);
                return Err(Refused::Expired);
            }
            Some(known) => {
                self.0.hits.increment(1);
                known.principal
            }
            None => {
                self.0.misses.increment(1);
                let proved = rules.prove(token, &keys, now).map_err(|refused| match refused {
                    Refused::UnknownKey if keys.is_empty() => Refused::NoKeys,
                    refused => refused,
                })?;
                let exp = proved.claims.exp;
                let principal = Arc::new(Principal::from(proved.claims));
                checked.insert(digest, Checked { principal: principal.clone(), exp, key: proved.key });
                principal
            }
        };
        match bans.refuses(&principal, now) {
            true => Err(Refused::Banned),
            false => Ok(principal),
        }
    }

    fn counted(&self, result: Result<Arc<Principal>, Refused>) -> Result<Arc<Principal>, Refused> {
        result.inspect_err(|refused| self.count(*refused))
    }
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
