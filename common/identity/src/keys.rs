//! The keys that a service knows at the moment.

use std::sync::Arc;

use ed25519_dalek::{Signature, VerifyingKey};

use crate::jwk::{Jwk, JwkSet};

/// account publishes one or two. A longer list is cut: it is searched for each token.
const MOST: usize = 16;

#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Arc<Key>>);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    id: String,
    key: VerifyingKey,
}

impl Keys {
    /// Those of the set that can sign tokens.
    #[must_use]
    pub fn of(set: &JwkSet) -> Self {
        let key = |jwk: &Jwk| {
            let key = jwk.verifying_key()?;
            Some(Arc::new(Key { id: jwk.kid.clone(), key }))
        };
        Self(set.keys.iter().filter_map(key).take(MOST).collect())
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Arc<Key>> {
        self.0.iter().find(|key| key.id == id)
    }

    pub(crate) fn has(&self, key: &Arc<Key>) -> bool {
        self.0.iter().any(|known| Arc::ptr_eq(known, key) || known == key)
    }
}

impl Key {
    /// Strict: no other signature fits the same message, so that no byte of a token can be changed.
    pub(crate) fn signed(&self, message: &[u8], signature: &Signature) -> bool {
        self.key.verify_strict(message, signature).is_ok()
    }
}
