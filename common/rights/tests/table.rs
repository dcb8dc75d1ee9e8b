//! Who may see and change what: each kind of caller, his own and others'.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use identity::{Caller, Mode, Principal, Role, Roles};
use rights::{Denied, Owned, ReadError, Reading, acting_for};
use storage::{ListQuery, Readable, StoreError};

const OWN: i64 = 7;
const OTHER: i64 = 8;

/// Callers who are held to nothing, and those who are, with whether they have the role customer.
fn callers() -> (Vec<Caller>, Vec<(Caller, bool)>) {
    let known = |roles: &[Role], mode| {
        let roles: Roles = roles.iter().copied().collect();
        let principal = Principal {
            user_id: OWN,
            email: "a@b.example".into(),
            roles,
            issued_at: 0,
            token_id: "t".into(),
        };
        Caller::Known(Arc::new(principal), mode)
    };
    let mut free = vec![Caller::Anybody, Caller::Service];
    let mut held = Vec::new();
    // Every set of roles.
    for set in 0..1_u8 << Role::ALL.len() {
        let roles: Vec<Role> =
            (0..).zip(Role::ALL).filter_map(|(bit, role)| (set & 1 << bit != 0).then_some(role)).collect();
        free.push(known(&roles, Mode::Open));
        match roles.contains(&Role::Admin) {
            true => free.push(known(&roles, Mode::Required)),
            false => held.push((known(&roles, Mode::Required), roles.contains(&Role::Customer))),
        }
    }
    (free, held)
}

#[test]
fn who_is_held_to_nothing_acts_for_whom_he_names_and_else_for_himself() {
    let (free, _) = callers();
    for caller in free {
        for asked in [OWN, OTHER] {
            assert_eq!(acting_for(&caller, Role::Customer, Some(asked)), Ok(Some(asked)), "{caller:?}");
        }
        assert_eq!(acting_for(&caller, Role::Customer, None), Ok(caller.user_id()), "{caller:?}");
    }
}

#[test]
fn a_customer_acts_for_himself_and_other_roles_for_nobody() {
    let (_, held) = callers();
    for (caller, is_customer) in held {
        for (asked, as_customer) in
            [(None, Ok(Some(OWN))), (Some(OWN), Ok(Some(OWN))), (Some(OTHER), Err(Denied::NotOwn))]
        {
            let wanted = if is_customer { as_customer } else { Err(Denied::Role(Role::Customer)) };
            assert_eq!(acting_for(&caller, Role::Customer, asked), wanted, "{caller:?} {asked:?}");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Id,
    UserId,
}

#[derive(Debug, PartialEq, Eq)]
struct Thing {
    owner: i64,
}

impl Owned for Thing {
    type Field = Field;
    const OWNER: Field = Field::UserId;

    fn owner(&self) -> i64 {
        self.owner
    }
}

/// The thing of the id belongs to the user of the id; lists are of the user that the filter names.
struct Things;

#[async_trait]
impl Readable for Things {
    type Item = Thing;
    type Field = Field;

    async fn item(&self, id: i64) -> Result<Option<Thing>, StoreError> {
        Ok([OWN, OTHER].contains(&id).then_some(Thing { owner: id }))
    }

    async fn list(&self, query: &ListQuery<Field>) -> Result<(Vec<Thing>, i64), StoreError> {
        let owners = match query.filter {
            None => vec![OWN, OTHER],
            Some((Field::UserId, user)) => vec![user],
            Some((Field::Id, _)) => vec![],
        };
        Ok((owners.iter().map(|owner| Thing { owner: *owner }).collect(), owners.len() as i64))
    }
}

async fn listed(
    things: &Reading<Things>,
    caller: &Caller,
    filter: Option<(Field, i64)>,
) -> Result<Vec<i64>, Denied> {
    let allowed = things.allowed(caller, ListQuery { filter, ..ListQuery::default() })?;
    let (things, total) = things.list(&allowed).await.unwrap();
    assert_eq!(total, things.len() as i64);
    Ok(things.iter().map(|thing| thing.owner).collect())
}

#[tokio::test]
async fn who_is_held_to_nothing_sees_everything() {
    let things = Reading::of_owners(Arc::new(Things));
    for caller in callers().0 {
        for id in [OWN, OTHER] {
            assert_eq!(things.item(&caller, id).await.unwrap().unwrap().owner, id, "{caller:?}");
        }
        assert!(things.item(&caller, 9).await.unwrap().is_none());
        assert_eq!(listed(&things, &caller, None).await, Ok(vec![OWN, OTHER]), "{caller:?}");
        assert_eq!(listed(&things, &caller, Some((Field::UserId, OTHER))).await, Ok(vec![OTHER]));
    }
}

#[tokio::test]
async fn who_is_held_to_his_own_sees_nothing_else_whatever_he_is() {
    let things = Reading::of_owners(Arc::new(Things));
    for (caller, _) in callers().1 {
        assert_eq!(things.item(&caller, OWN).await.unwrap().unwrap().owner, OWN, "{caller:?}");
        let others = things.item(&caller, OTHER).await;
        assert!(matches!(others, Err(ReadError::Denied(Denied::NotOwn))), "{caller:?}");
        assert!(things.item(&caller, 9).await.unwrap().is_none());
        assert_eq!(listed(&things, &caller, None).await, Ok(vec![OWN]), "{caller:?}");
        assert_eq!(listed(&things, &caller, Some((Field::UserId, OWN))).await, Ok(vec![OWN]));
        for filter in [(Field::UserId, OTHER), (Field::Id, OWN)] {
            assert_eq!(listed(&things, &caller, Some(filter)).await, Err(Denied::NotOwn), "{caller:?}");
        }
    }
}

#[tokio::test]
async fn what_belongs_to_nobody_is_seen_by_everybody() {
    let things = Reading::of_all(Arc::new(Things));
    let (free, held) = callers();
    for caller in free.into_iter().chain(held.into_iter().map(|(caller, _)| caller)) {
        assert_eq!(things.item(&caller, OTHER).await.unwrap().unwrap().owner, OTHER);
        assert_eq!(listed(&things, &caller, None).await, Ok(vec![OWN, OTHER]));
    }
}
