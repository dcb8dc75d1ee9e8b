use std::sync::Arc;

use identity::{Caller, Role, Roles};
use storage::StoreError;

use super::ports::{By, Changed, Decide, UserStore};
use crate::domain::Transition;

/// What administrators do with users. Also in mode open nobody else does: whoever could make himself an administrator
/// would be one in every service.
pub struct Administer {
    pub users: Arc<dyn UserStore>,
    /// How far clocks may differ, in milliseconds.
    pub skew_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Administered {
    /// It is so now, by this request or before.
    Done,
    NoSuchUser,
    /// An administrator who takes the right from himself; then the last one could.
    Oneself,
    /// The user was changed too often.
    TooOften,
    /// Nobody said who asks.
    NotSignedIn,
    /// Also who was one when his token was made.
    NoAdministrator,
}

impl Administer {
    /// # Errors
    /// The store's.
    pub async fn change_roles(
        &self,
        caller: &Caller,
        id: i64,
        roles: Roles,
    ) -> Result<Administered, StoreError> {
        let takes_the_right = !roles.contains(Role::Admin);
        self.change(caller, id, takes_the_right, Box::new(move |user, now| user.change_roles(roles, now)))
            .await
    }

    /// # Errors
    /// The store's.
    pub async fn ban(
        &self,
        caller: &Caller,
        id: i64,
        reason: Option<String>,
    ) -> Result<Administered, StoreError> {
        let skew = self.skew_ms;
        self.change(caller, id, true, Box::new(move |user, now| user.ban(reason, skew, now))).await
    }

    /// # Errors
    /// The store's.
    pub async fn unban(&self, caller: &Caller, id: i64) -> Result<Administered, StoreError> {
        self.change(caller, id, false, Box::new(|user, now| user.unban(now))).await
    }

    async fn change(
        &self,
        caller: &Caller,
        id: i64,
        takes_the_right: bool,
        decide: Decide,
    ) -> Result<Administered, StoreError> {
        let by = match caller.user_id() {
            None => return Ok(Administered::NotSignedIn),
            Some(_) if !caller.is_admin() => return Ok(Administered::NoAdministrator),
            Some(own) if own == id && takes_the_right => return Ok(Administered::Oneself),
            Some(own) => By::Administrator(own),
        };
        // A token keeps its roles until it expires. The store asks again: else whoever has lost the right could give it
        // back to himself meanwhile.
        Ok(match self.users.change(by, id, decide).await? {
            Changed::NoSuchUser => Administered::NoSuchUser,
            Changed::NoAdministrator => Administered::NoAdministrator,
            Changed::To(Transition::Applied(_) | Transition::AlreadyApplied) => Administered::Done,
            Changed::To(Transition::Refused) => Administered::TooOften,
        })
    }
}
