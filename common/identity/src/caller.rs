//! Who asks, as use cases get it.

use std::sync::Arc;

use serde::Deserialize;

use crate::role::{Role, Roles};

/// Whether a request needs a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Mode {
    /// Who sends no token may do everything. Who sends one is known, and held to nothing.
    #[default]
    Open,
    Required,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected open or required")]
pub struct UnknownMode;

impl TryFrom<String> for Mode {
    type Error = UnknownMode;

    fn try_from(text: String) -> Result<Self, UnknownMode> {
        match text.as_str() {
            "open" => Ok(Self::Open),
            "required" => Ok(Self::Required),
            _ => Err(UnknownMode),
        }
    }
}

/// A user whose token was checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal {
    pub user_id: i64,
    pub email: String,
    pub roles: Roles,
    /// Seconds since 1970.
    pub issued_at: i64,
    pub token_id: String,
}

/// Without the address: it is nothing for a log.
impl std::fmt::Debug for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Principal")
            .field("user_id", &self.user_id)
            .field("roles", &self.roles)
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}

impl Principal {
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(role)
    }
}

/// Who asks. `Anybody` and `Service` may do whatever a use case does not forbid them by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Mode open, and no token.
    Anybody,
    /// With a valid token. The mode says whether this user is held to what is his own.
    Known(Arc<Principal>, Mode),
    /// Another service, proved by the internal token.
    Service,
}

impl Caller {
    #[must_use]
    pub fn principal(&self) -> Option<&Arc<Principal>> {
        match self {
            Self::Known(principal, _) => Some(principal),
            Self::Anybody | Self::Service => None,
        }
    }

    #[must_use]
    pub fn user_id(&self) -> Option<i64> {
        self.principal().map(|principal| principal.user_id)
    }

    /// Has the role by a token. Never true of `Anybody` and `Service`.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.principal().is_some_and(|principal| principal.has(role))
    }

    /// As [`has`](Self::has).
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.has(Role::Admin)
    }

    /// The user to whose own things this caller is held: somebody with a token in mode required who is no administrator.
    /// `None` may see and do everything.
    #[must_use]
    pub fn held_to(&self) -> Option<i64> {
        match self {
            Self::Known(principal, Mode::Required) if !principal.has(Role::Admin) => Some(principal.user_id),
            Self::Known(..) | Self::Anybody | Self::Service => None,
        }
    }

    /// Whether this caller may see or change what belongs to the user. What belongs to nobody is for those who are held
    /// to nothing.
    #[must_use]
    pub fn owns(&self, owner: Option<i64>) -> bool {
        self.held_to().is_none_or(|user| owner == Some(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(roles: Roles, mode: Mode) -> Caller {
        let principal =
            Principal { user_id: 7, email: "a@b.example".into(), roles, issued_at: 0, token_id: "x".into() };
        Caller::Known(Arc::new(principal), mode)
    }

    #[test]
    fn only_a_user_in_mode_required_is_held_to_his_own() {
        let customer = Roles::from(Role::Customer);
        for (caller, own, other, nobodys) in [
            (Caller::Anybody, true, true, true),
            (Caller::Service, true, true, true),
            (known(customer, Mode::Open), true, true, true),
            (known(customer, Mode::Required), true, false, false),
            (known(Roles::default(), Mode::Required), true, false, false),
            (known(Role::Merchant.into(), Mode::Required), true, false, false),
            (known(customer.with(Role::Admin), Mode::Required), true, true, true),
        ] {
            let owns = (caller.owns(Some(7)), caller.owns(Some(8)), caller.owns(None));
            assert_eq!(owns, (own, other, nobodys), "{caller:?}");
        }
    }

    #[test]
    fn no_address_in_a_log() {
        assert!(!format!("{:?}", known(Roles::default(), Mode::Open)).contains("b.example"));
    }
}
