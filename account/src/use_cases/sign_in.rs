use std::sync::Arc;

use storage::now_ms;

use super::ports::{Passwords, UserStore, Verdict};
use super::sessions::{Session, Sessions};
use super::sign_up::SignError;
use super::throttle::{Client, Throttle, Wait};
use crate::domain::{Email, Password};

pub struct SignIn {
    pub users: Arc<dyn UserStore>,
    pub passwords: Arc<dyn Passwords>,
    pub throttle: Arc<Throttle>,
    pub sessions: Arc<Sessions>,
}

/// The client learns of [`Unknown`](Self::Unknown), [`Wrong`](Self::Wrong) and [`Banned`](Self::Banned) by one answer.
pub enum SignedIn {
    Done(Box<Session>),
    Unknown,
    Wrong,
    Banned(i64),
    TooMany(Wait),
}

impl SignIn {
    /// Whatever is wrong, the same work is done: the time says nothing about the address.
    ///
    /// # Errors
    /// Too busy, or the store's.
    pub async fn execute(
        &self,
        email: Email,
        password: Password,
        client: Client,
    ) -> Result<SignedIn, SignError> {
        if let Some(wait) = self.throttle.sign_in(&email, client).await? {
            return Ok(SignedIn::TooMany(wait));
        }
        let turn = self.passwords.turn().await?;
        // Once more: those who had a turn meanwhile may have failed. So a burst gets at most as many guesses on top as there
        // are turns.
        if let Some(wait) = self.throttle.sign_in(&email, client).await? {
            return Ok(SignedIn::TooMany(wait));
        }
        let user = self.users.by_email(&email).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let (verdict, password, turn) = self.passwords.verify(turn, password, hash).await?;
        let refused = match &user {
            None => Some(SignedIn::Unknown),
            Some(_) if verdict == Verdict::Wrong => Some(SignedIn::Wrong),
            Some(user) if user.ban.is_some() => Some(SignedIn::Banned(user.id)),
            Some(_) => None,
        };
        let (None, Some(user)) = (&refused, user) else {
            // Before the turn is over, see above.
            self.throttle.failed(&email, client).await?;
            return Ok(refused.unwrap_or(SignedIn::Unknown));
        };
        let (new_hash, turn) = match verdict {
            Verdict::RightAndOutdated => {
                let (hash, turn) = self.passwords.hash(turn, password).await?;
                (Some(hash), turn)
            }
            Verdict::Right | Verdict::Wrong => (None, turn),
        };
        drop(turn);
        let now = now_ms();
        let (family, refresh) = self.sessions.family(user.id, now);
        if !self.users.sign_in(&user, new_hash, family).await? {
            self.throttle.failed(&email, client).await?;
            return Ok(SignedIn::Banned(user.id));
        }
        self.throttle.succeeded(&email).await?;
        let token = self.sessions.token(&user, now);
        Ok(SignedIn::Done(Box::new(Session { user, token, refresh: Some(refresh) })))
    }
}
