//! Users and their tokens.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use identity::{AuthSettings, Caller, Claims, JwkSet, Mode, Principal, Role, Signer};
use rights::{Denied, Owned, ReadError, Reading};
use storage::{ListQuery, Readable};

/// A caller with a token that was checked.
pub fn known(user_id: i64, roles: &[Role], mode: Mode) -> Caller {
    let principal = Principal {
        user_id,
        email: format!("user{user_id}@example.org"),
        roles: roles.iter().copied().collect(),
        issued_at: 0,
        token_id: "t".to_owned(),
    };
    Caller::Known(Arc::new(principal), mode)
}

/// Every kind of caller, as the user of this id where it is a user: with whether he may see and change what belongs to others,
/// and whether he may order.
pub fn callers(user_id: i64) -> Vec<(Caller, bool, bool)> {
    let mut callers = vec![(Caller::Anybody, true, true), (Caller::Service, true, true)];
    // Every set of roles.
    for set in 0..1_u8 << Role::ALL.len() {
        let roles: Vec<Role> = Role::ALL
            .into_iter()
            .enumerate()
            .filter_map(|(bit, role)| (set & 1 << bit != 0).then_some(role))
            .collect();
        let is_admin = roles.contains(&Role::Admin);
        let may_order = is_admin || roles.contains(&Role::Customer);
        callers.push((known(user_id, &roles, Mode::Open), true, true));
        callers.push((known(user_id, &roles, Mode::Required), is_admin, may_order));
    }
    callers
}

/// What every kind of caller may read, as WIRE 7 says it: `own` are the ids of what belongs to `user`, `others` those of all else
/// that is listed.
///
/// # Panics
/// Somebody sees what he may not, or does not see what he may.
pub async fn reads_by_rights<S>(reading: &Reading<S>, user: i64, own: &[i64], others: &[(i64, i64)])
where
    S: Readable<Item: Owned<Field = S::Field> + Debug, Field: PartialEq> + ?Sized,
{
    let owner = <S::Item as Owned>::OWNER;
    let ask = |filter| ListQuery { filter, limit: 1_000, ..ListQuery::default() };
    for (caller, sees_all, _) in callers(user) {
        for id in own {
            let item = reading.item(&caller, *id).await.expect("it is his own").expect("it is there");
            assert_eq!(item.owner(), user, "{caller:?}");
        }
        for (stranger, id) in others {
            match (reading.item(&caller, *id).await, sees_all) {
                (Ok(Some(item)), true) => assert_eq!(item.owner(), *stranger, "{caller:?}"),
                (Err(ReadError::Denied(Denied::NotOwn)), false) => {}
                (seen, _) => panic!("{caller:?} reads {seen:?}"),
            }
            match (reading.allowed(&caller, ask(Some((owner, *stranger)))), sees_all) {
                (Ok(_), true) | (Err(Denied::NotOwn), false) => {}
                (found, _) => panic!("{caller:?} finds those of {stranger}: {:?}", found.err()),
            }
        }
        for filter in [None, Some((owner, user))] {
            let allowed = reading.allowed(&caller, ask(filter)).expect("there is a part that he may see");
            let (items, total) = reading.list(&allowed).await.expect("the store answers");
            let of_others = if sees_all && filter.is_none() { others.len() } else { 0 };
            assert_eq!(
                items.iter().filter(|item| item.owner() != user).count(),
                of_others,
                "{caller:?} {items:?}"
            );
            assert_eq!(items.len(), own.len() + of_others, "{caller:?} {items:?}");
            assert_eq!(total, items.len() as i64, "{caller:?}");
        }
    }
}

/// account, as far as a service sees it: whoever knows its keys accepts its tokens.
pub struct TestUsers {
    signer: Signer,
}

impl Default for TestUsers {
    fn default() -> Self {
        Self { signer: Signer::generate() }
    }
}

impl TestUsers {
    pub fn keys(&self) -> JwkSet {
        JwkSet { keys: vec![self.signer.jwk().clone()] }
    }

    /// A token of now, for services with the settings that are the default.
    pub fn token(&self, user_id: i64, roles: &[Role]) -> String {
        let settings = AuthSettings::default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
        let now = i64::try_from(now).expect("no year is so far away");
        self.signer.sign(&Claims {
            sub: user_id,
            email: format!("user{user_id}@example.org"),
            roles: roles.iter().copied().collect(),
            iat: now,
            exp: now + settings.token_lifetime_s(),
            iss: settings.issuer,
            aud: settings.audience,
            jti: uuid::Uuid::new_v4().to_string(),
            nbf: None,
        })
    }

    /// The value of `Authorization`.
    pub fn bearer(&self, user_id: i64, roles: &[Role]) -> String {
        format!("Bearer {}", self.token(user_id, roles))
    }
}
