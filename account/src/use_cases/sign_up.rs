use std::sync::Arc;

use identity::Role;
use storage::{StoreError, now_ms};

use super::ports::{Busy, HashError, Passwords, UserStore};
use super::sessions::{Session, Sessions};
use super::throttle::{Client, Throttle, Wait};
use crate::domain::{Email, Password, User};

pub struct SignUp {
    pub users: Arc<dyn UserStore>,
    pub passwords: Arc<dyn Passwords>,
    pub throttle: Arc<Throttle>,
    pub sessions: Arc<Sessions>,
}

pub enum SignedUp {
    Done(Box<Session>),
    Taken,
    TooMany(Wait),
}

#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SignUp {
    /// # Errors
    /// Too busy, or the store's.
    pub async fn execute(
        &self,
        email: Email,
        name: Option<String>,
        password: Password,
        client: Client,
    ) -> Result<SignedUp, SignError> {
        if let Some(wait) = self.throttle.sign_up(client).await? {
            return Ok(SignedUp::TooMany(wait));
        }
        let turn = self.passwords.turn().await?;
        let (hash, turn) = self.passwords.hash(turn, password).await?;
        drop(turn);
        let now = now_ms();
        let user = User::new(email, name, hash, Role::Customer.into(), now);
        let (family, refresh) = self.sessions.family(0, now);
        let Some(user) = self.users.sign_up(user, Some(family)).await? else {
            return Ok(SignedUp::Taken);
        };
        let token = self.sessions.token(&user, now);
        Ok(SignedUp::Done(Box::new(Session { user, token, refresh: Some(refresh) })))
    }
}
