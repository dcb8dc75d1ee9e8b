//! Users whose older tokens are refused.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::caller::Principal;

/// Each has a lock of its own, so that a ban stops the readers of few users, and those for a moment.
const SHARDS: usize = 64;

/// Times are seconds since 1970. A ban says from when on tokens are refused, and when the last of them has expired: then it
/// is forgotten.
#[derive(Debug)]
pub struct Bans {
    shards: [RwLock<HashMap<i64, Ban>>; SHARDS],
    /// All entries. Most of the time there are none, and nobody looks further.
    count: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
struct Ban {
    not_before: i64,
    forget_after: i64,
}

impl Default for Bans {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| RwLock::default()), count: AtomicUsize::new(0) }
    }
}

impl Bans {
    /// Whether the token was issued at or before the moment of a ban. Tokens count in whole seconds, so that one of the same
    /// second may be the older one.
    #[must_use]
    pub fn refuses(&self, principal: &Principal, now: i64) -> bool {
        // Acquire: whoever learns that a ban was recorded, in whatever way, sees it here.
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let ban = self.read(principal.user_id).get(&principal.user_id).copied();
        ban.is_some_and(|ban| principal.issued_at <= ban.not_before && now <= ban.forget_after)
    }

    /// Refuses tokens of the user that were issued at or before `not_before`, until `forget_after`. Of two bans of a user the
    /// later times hold, in whatever order they come.
    pub fn ban(&self, user_id: i64, not_before: i64, forget_after: i64) {
        let mut shard = self.write(user_id);
        let before = shard.len();
        let ban = shard.entry(user_id).or_insert(Ban { not_before, forget_after });
        ban.not_before = ban.not_before.max(not_before);
        ban.forget_after = ban.forget_after.max(forget_after);
        self.count.fetch_add(shard.len() - before, Ordering::Release);
    }

    pub fn unban(&self, user_id: i64) {
        let mut shard = self.write(user_id);
        if shard.remove(&user_id).is_some() {
            self.count.fetch_sub(1, Ordering::Release);
        }
    }

    /// Drops what no longer matters. To be called from time to time.
    pub fn forget(&self, now: i64) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let before = shard.len();
            shard.retain(|_, ban| now <= ban.forget_after);
            if shard.capacity() > 4 * shard.len() {
                shard.shrink_to_fit();
            }
            self.count.fetch_sub(before - shard.len(), Ordering::Release);
        }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self, user_id: i64) -> RwLockReadGuard<'_, HashMap<i64, Ban>> {
        // No entry is ever half written, whoever panics.
        self.shard(user_id).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, user_id: i64) -> RwLockWriteGuard<'_, HashMap<i64, Ban>> {
        self.shard(user_id).write().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, user_id: i64) -> &RwLock<HashMap<i64, Ban>> {
        // Ids are counted up, so that they spread by themselves.
        &self.shards[user_id.rem_euclid(SHARDS as i64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Roles;

    fn token(user_id: i64, issued_at: i64) -> Principal {
        Principal {
            user_id,
            email: String::new(),
            roles: Roles::default(),
            issued_at,
            token_id: String::new(),
        }
    }

    #[test]
    fn older_tokens_of_the_user_are_refused_until_it_is_forgotten() {
        let bans = Bans::default();
        bans.ban(7, 100, 1_000);
        for (user, issued, now, refused) in [
            (7, 99, 100, true),
            (7, 100, 100, true),
            (7, 101, 102, false),
            (7 + SHARDS as i64, 99, 100, false),
            (7, 99, 1_000, true),
            (7, 99, 1_001, false),
        ] {
            assert_eq!(bans.refuses(&token(user, issued), now), refused, "{user} {issued} {now}");
        }
        bans.forget(1_000);
        assert_eq!(bans.len(), 1);
        bans.forget(1_001);
        assert!(bans.is_empty());
    }

    #[test]
    fn the_later_ban_holds_in_any_order() {
        let bans = Bans::default();
        bans.ban(-7, 100, 1_000);
        bans.ban(-7, 50, 950);
        assert!(bans.refuses(&token(-7, 100), 1_000));
        assert_eq!(bans.len(), 1);
        bans.unban(-7);
        bans.unban(-7);
        assert!(!bans.refuses(&token(-7, 100), 200) && bans.is_empty());
    }
}
