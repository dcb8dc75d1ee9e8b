//! The keys that sign tokens. A new key is published before it signs, so that every service knows it by then. The old one stays
//! published until its last token has expired.
//!
//! The numbers of the keys make replicas agree: of those that make the next key at once, one stores it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use identity::{JwkSet, Signer};
use storage::{StoreError, now_ms};
use telemetry::error_chain;
use tokio_util::sync::CancellationToken;

use super::ports::{KeyStore, StoredKey};
use super::random::random;
use crate::domain::Vault;

/// Milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From its publication until a key signs.
    pub publish_before: i64,
    /// How long a key signs; 0: until somebody rotates.
    pub rotate_after: i64,
    /// From the moment another key signs until a key is forgotten: the lifetime of a token, and by how much clocks differ.
    pub outlives: i64,
}

pub struct KeyRing {
    source: Source,
    times: Times,
    published: RwLock<Arc<Published>>,
    /// Hears of each change.
    listener: Box<dyn Fn(&JwkSet) + Send + Sync>,
}

enum Source {
    Stored {
        store: Arc<dyn KeyStore>,
        vault: Arc<Vault>,
    },
    /// Operators give the keys, and rotate them.
    Given,
}

#[derive(Default)]
struct Published {
    keys: Vec<Key>,
    set: JwkSet,
}

#[derive(Clone)]
struct Key {
    number: i64,
    signs_from: i64,
    signer: Arc<Signer>,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("keys.secret: signing key {0} in the database was encrypted with another secret")]
    Sealed(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The name of the new key, and from when on it signs.
    Next { kid: String, signs_from: i64 },
    /// A new key waits already, or another replica was faster.
    Waiting { kid: String, signs_from: i64 },
    /// `keys.private` is set.
    Given,
}

impl KeyRing {
    /// Keys of the database; the first one is made, if there is none.
    ///
    /// # Errors
    /// The store's, or the secret is another one.
    pub async fn open(
        store: Arc<dyn KeyStore>,
        vault: Arc<Vault>,
        times: Times,
        listener: impl Fn(&JwkSet) + Send + Sync + 'static,
    ) -> Result<Self, KeyError> {
        let source = Source::Stored { store, vault };
        let ring = Self { source, times, published: RwLock::default(), listener: Box::new(listener) };
        ring.look(now_ms()).await?;
        Ok(ring)
    }

    /// Keys of a Secret, of which there is one at least: the first one signs.
    #[must_use]
    pub fn given(
        signers: Vec<Signer>,
        times: Times,
        listener: impl Fn(&JwkSet) + Send + Sync + 'static,
    ) -> Self {
        let ring =
            Self { source: Source::Given, times, published: RwLock::default(), listener: Box::new(listener) };
        // `signer` takes the last one that may sign.
        let keys = signers.into_iter().rev().enumerate().map(|(place, signer)| Key {
            number: place as i64,
            signs_from: 0,
            signer: Arc::new(signer),
        });
        ring.publish(keys.collect());
        ring
    }

    /// What signs at this moment.
    ///
    /// # Panics
    /// There is no key. Both ways to make a ring end with one, and none takes away the last.
    #[must_use]
    pub fn signer(&self, now: i64) -> Arc<Signer> {
        let published = self.published();
        let signs = published.keys.iter().rev().find(|key| key.signs_from <= now);
        // A clock that is behind the one that made the first key.
        let signs = signs.or(published.keys.first());
        signs.expect("a ring has a key").signer.clone()
    }

    #[must_use]
    pub fn jwks(&self) -> JwkSet {
        self.published().set.clone()
    }

    /// Publishes what other replicas have made, and forgets what has outlived its tokens.
    ///
    /// # Errors
    /// The store's, or the secret is another one. What was published stays.
    pub async fn look(&self, now: i64) -> Result<(), KeyError> {
        let Source::Stored { store, vault } = &self.source else { return Ok(()) };
        let mut stored = store.all().await?;
        if stored.is_empty() {
            store.add(&sealed(vault, 1, now)).await?;
            stored = store.all().await?;
        }
        let known = self.published();
        let mut keys = Vec::with_capacity(stored.len());
        for (place, key) in stored.iter().enumerate() {
            if let Some(next) = stored.get(place + 1)
                && now >= next.signs_from.saturating_add(self.times.outlives)
            {
                store.remove(key.number).await?;
                tracing::info!(kid = key.kid, "a signing key has outlived its last token");
                continue;
            }
            let same = known.keys.iter().find(|known| known.signer.kid() == key.kid);
            let signer = match same {
                Some(same) => same.signer.clone(),
                None => {
                    let seed = vault.open(&key.kid, &key.sealed).ok_or(KeyError::Sealed(key.number))?;
                    Arc::new(Signer::of_seed(&seed))
                }
            };
            keys.push(Key { number: key.number, signs_from: key.signs_from, signer });
        }
        // By name and not by number: whoever deletes a stolen key gets another one of the same number.
        let is_same = |(one, other): (&Key, &Key)| {
            one.signer.kid() == other.signer.kid() && one.signs_from == other.signs_from
        };
        if keys.len() != known.keys.len() || !keys.iter().zip(&known.keys).all(is_same) {
            self.publish(keys);
        }
        Ok(())
    }

    /// Makes the next key.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub async fn rotate(&self, now: i64) -> Result<Rotated, KeyError> {
        let Source::Stored { store, vault } = &self.source else { return Ok(Rotated::Given) };
        self.look(now).await?;
        let newest = self.published().keys.last().cloned();
        if let Some(newest) = newest.as_ref().filter(|newest| newest.signs_from > now) {
            return Ok(Rotated::Waiting {
                kid: newest.signer.kid().to_owned(),
                signs_from: newest.signs_from,
            });
        }
        let number = newest.map_or(1, |newest| newest.number + 1);
        let key = sealed(vault, number, now.saturating_add(self.times.publish_before));
        let added = store.add(&key).await?;
        self.look(now).await?;
        Ok(match added {
            true => Rotated::Next { kid: key.kid, signs_from: key.signs_from },
            false => {
                let signer = self.signer(i64::MAX);
                Rotated::Waiting { kid: signer.kid().to_owned(), signs_from: self.newest_signs_from() }
            }
        })
    }

    /// Looks again and again, and rotates a key that has signed long enough. No lease: two replicas that rotate at once make one
    /// key, and to forget one twice is harmless.
    pub async fn keep(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let now = now_ms();
            let due = self.times.rotate_after > 0
                && now >= self.newest_signs_from().saturating_add(self.times.rotate_after);
            let looked = match due {
                true => self.rotate(now).await.map(|rotated| match rotated {
                    Rotated::Next { kid, signs_from } => {
                        tracing::info!(kid, signs_from, "a new signing key is published");
                    }
                    Rotated::Waiting { .. } | Rotated::Given => {}
                }),
                false => self.look(now).await,
            };
            if let Err(error) = looked {
                tracing::warn!(
                    error = error_chain(&error),
                    "the signing keys could not be read; those known go on"
                );
            }
        }
    }

    fn newest_signs_from(&self) -> i64 {
        self.published().keys.last().map_or(i64::MAX, |newest| newest.signs_from)
    }

    fn published(&self) -> Arc<Published> {
        // Replaced as a whole, so never half written.
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, keys: Vec<Key>) {
        let set = JwkSet { keys: keys.iter().map(|key| key.signer.jwk().clone()).collect() };
        (self.listener)(&set);
        let published = Arc::new(Published { keys, set });
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = published;
    }
}

fn sealed(vault: &Vault, number: i64, signs_from: i64) -> StoredKey {
    let signer = Signer::generate();
    let kid = signer.kid().to_owned();
    let sealed = vault.seal(&kid, &signer.seed(), random());
    StoredKey { number, kid, sealed, signs_from }
}
