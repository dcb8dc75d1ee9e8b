use envelope::LARGEST_VERSION;
use events::{Envelope, RolesChanged, UserBanned, UserSignedUp, UserUnbanned};
use identity::{Role, Roles};

use super::email::Email;

/// Moments are epoch milliseconds.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// 0 until the store gave it one.
    pub id: i64,
    pub email: Email,
    pub name: Option<String>,
    pub password_hash: String,
    pub roles: Roles,
    pub ban: Option<Ban>,
    /// Counts the changes that facts tell of.
    pub version: i64,
    pub created_at: i64,
    pub modified_at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    pub at: i64,
    pub reason: Option<String>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    Applied(Box<Envelope>),
    /// It was so before.
    AlreadyApplied,
    /// It changed too often for anybody to follow.
    Refused,
}

impl User {
    #[must_use]
    pub fn new(email: Email, name: Option<String>, password_hash: String, roles: Roles, now: i64) -> Self {
        Self {
            id: 0,
            email,
            name,
            password_hash,
            roles,
            ban: None,
            version: 1,
            created_at: now,
            modified_at: now,
        }
    }

    /// The first fact about a user who has an id by now.
    #[must_use]
    pub fn signed_up(&self) -> Envelope {
        let fact = UserSignedUp { user_id: self.id, roles: names(self.roles), version: self.version };
        Envelope::of(&fact, self.created_at)
    }

    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.roles.contains(Role::Admin)
    }

    pub fn change_roles(&mut self, roles: Roles, now: i64) -> Transition {
        if self.roles == roles {
            return Transition::AlreadyApplied;
        }
        self.change(now, |user| {
            user.roles = roles;
            Envelope::of(
                &RolesChanged { user_id: user.id, roles: names(roles), version: user.version },
                user.modified_at,
            )
        })
    }

    /// `skew` milliseconds is how far the clock of the replica that signed a token may be ahead. A banned user gets no token,
    /// so that the ban may reach as far into the future without refusing a token that is right.
    pub fn ban(&mut self, reason: Option<String>, skew: i64, now: i64) -> Transition {
        if self.ban.is_some() {
            return Transition::AlreadyApplied;
        }
        self.change(now, |user| {
            user.ban = Some(Ban { at: now, reason });
            let not_before = now.saturating_add(skew);
            Envelope::of(
                &UserBanned { user_id: user.id, not_before, version: user.version },
                user.modified_at,
            )
        })
    }

    pub fn unban(&mut self, now: i64) -> Transition {
        if self.ban.is_none() {
            return Transition::AlreadyApplied;
        }
        self.change(now, |user| {
            user.ban = None;
            Envelope::of(&UserUnbanned { user_id: user.id, version: user.version }, user.modified_at)
        })
    }

    fn change(&mut self, now: i64, change: impl FnOnce(&mut Self) -> Envelope) -> Transition {
        // Nobody could read the fact.
        if self.version >= LARGEST_VERSION {
            return Transition::Refused;
        }
        self.version += 1;
        self.modified_at = now.max(self.modified_at);
        Transition::Applied(Box::new(change(self)))
    }
}

fn names(roles: Roles) -> Vec<String> {
    roles.iter().map(|role| role.name().to_owned()).collect()
}

/// Without address, name and hash: they are nothing for a log.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("email", &self.email)
            .field("roles", &self.roles)
            .field("ban", &self.ban)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn user() -> User {
        let email = Email::parse("kim@shop.example").unwrap();
        User { id: 7, ..User::new(email, None, "hash".into(), Role::Customer.into(), 1_000) }
    }

    #[test]
    fn each_change_is_told_once() {
        let mut user = user();
        assert_eq!(user.signed_up().fact_type, "UserSignedUp");
        let Transition::Applied(told) = user.ban(Some("fraud".into()), 30_000, 5_000) else { panic!() };
        let text = String::from_utf8(told.payload.clone()).unwrap();
        assert!(text.contains(r#""notBefore":35000"#) && !text.contains("fraud"), "{text}");
        assert_eq!(user.ban(None, 30_000, 6_000), Transition::AlreadyApplied);
        assert_eq!(user.ban.as_ref().unwrap().at, 5_000);
        assert!(matches!(user.unban(7_000), Transition::Applied(_)));
        assert_eq!(user.unban(8_000), Transition::AlreadyApplied);
        assert!(matches!(user.change_roles(Role::Merchant.into(), 9_000), Transition::Applied(_)));
        assert_eq!(user.change_roles(Role::Merchant.into(), 9_000), Transition::AlreadyApplied);
        assert_eq!((user.version, user.modified_at), (4, 9_000));
    }

    proptest! {
        #[test]
        fn versions_follow_each_other_and_end_before_nobody_can_read_them(bans in 0..1_100_i64) {
            let mut user = user();
            for round in 0..bans {
                let banned = user.ban.is_some();
                let transition = if banned { user.unban(round) } else { user.ban(None, 0, round) };
                prop_assert_eq!(transition == Transition::Refused, round + 2 > LARGEST_VERSION);
            }
            prop_assert_eq!(user.version, (bans + 1).min(LARGEST_VERSION));
        }
    }

    #[test]
    fn no_address_and_no_hash_in_a_log() {
        let text = format!("{:?}", user());
        assert!(!text.contains("kim@") && !text.contains("hash"), "{text}");
    }
}
