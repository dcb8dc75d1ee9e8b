//! Somebody has to be the first administrator: by the command line, or by settings at the start.

use std::sync::Arc;

use identity::{Role, Roles};
use storage::now_ms;

use super::ports::{Passwords, UserStore};
use super::sign_up::SignError;
use crate::domain::{Email, Password, User};

pub struct FirstAdministrator {
    pub users: Arc<dyn UserStore>,
    pub passwords: Arc<dyn Passwords>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    New(i64),
    /// He is one. His password is not changed.
    WasThere(i64),
    /// The address is a user's who is none. Whoever signed up with it knows its password, so the right is not given by this
    /// way.
    AnotherUser(i64),
}

impl Made {
    /// For who started the service.
    pub fn log(self) {
        match self {
            Self::New(user_id) => tracing::info!(target: "audit", what = "first administrator", user_id),
            Self::WasThere(_) => {}
            Self::AnotherUser(user_id) => tracing::error!(
                user_id,
                "admin.email: the address is that of a user who is no administrator; nothing was changed"
            ),
        }
    }
}

impl FirstAdministrator {
    /// Several replicas may try at once.
    ///
    /// # Errors
    /// Too busy, or the store's.
    pub async fn execute(&self, email: Email, password: Password) -> Result<Made, SignError> {
        if let Some(made) = self.there(&email).await? {
            return Ok(made);
        }
        let turn = self.passwords.turn().await?;
        let (hash, _) = self.passwords.hash(turn, password).await?;
        let roles = Roles::from_iter([Role::Customer, Role::Admin]);
        let user = User::new(email.clone(), None, hash, roles, now_ms());
        match self.users.sign_up(user, None).await? {
            Some(user) => Ok(Made::New(user.id)),
            // Another replica was faster.
            None => Ok(self.there(&email).await?.unwrap_or(Made::AnotherUser(0))),
        }
    }

    async fn there(&self, email: &Email) -> Result<Option<Made>, SignError> {
        let user = self.users.by_email(email).await?;
        Ok(user.map(|user| match user.is_admin() {
            true => Made::WasThere(user.id),
            false => Made::AnotherUser(user.id),
        }))
    }
}
