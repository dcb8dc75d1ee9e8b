//! What a service asks about a token.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use crate::bans::Bans;
use crate::caller::{Mode, Principal};
use crate::jwk::JwkSet;
use crate::keys::{Key, Keys};
use crate::refused::Refused;
use crate::token::{LARGEST, Rules};

/// Knows the keys, the bans and the tokens that were checked lately. A clone is the same one.
#[derive(Clone)]
pub struct Authenticator(Arc<Shared>);

struct Shared {
    mode: Mode,
    rules: Rules,
    keys: ArcSwap<Keys>,
    bans: Arc<Bans>,
    /// By the digest of a token, so that no token lies in memory longer than its request.
    checked: Cache<[u8; 32], Checked>,
}

#[derive(Clone)]
struct Checked {
    principal: Arc<Principal>,
    exp: i64,
    key: Arc<Key>,
}

impl Authenticator {
    /// Without keys: every token is refused until [`set_keys`](Self::set_keys).
    #[must_use]
    pub fn new(mode: Mode, rules: Rules, cached_tokens: usize) -> Self {
        Self(Arc::new(Shared {
            mode,
            rules,
            keys: ArcSwap::default(),
            bans: Arc::default(),
            checked: Cache::new(cached_tokens),
        }))
    }

    #[must_use]
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.0.rules
    }

    #[must_use]
    pub fn bans(&self) -> &Arc<Bans> {
        &self.0.bans
    }

    /// From now on these keys hold, and no others. account calls it with its own.
    pub fn set_keys(&self, set: &JwkSet) {
        self.0.keys.store(Arc::new(Keys::of(set)));
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// It does not hold.
    pub async fn check(&self, token: &str) -> Result<Arc<Principal>, Refused> {
        self.check_at(token, now())
    }

    /// As [`check`](Self::check), at a time of the caller, and with the keys that are known.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_at(&self, token: &str, now: i64) -> Result<Arc<Principal>, Refused> {
        let Shared { rules, keys, bans, checked, .. } = &*self.0;
        if token.len() > LARGEST {
            return Err(Refused::TooLarge);
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        let keys = keys.load();
        let known = checked.get(&digest).filter(|known| keys.has(&known.key));
        let principal = match known {
            Some(known) if rules.is_over(known.exp, now) => {
                checked.remove(&digest);
                return Err(Refused::Expired);
            }
            Some(known) => known.principal,
            None => {
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
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
