use std::sync::Arc;

use storage::{StoreError, now_ms};

use super::ports::{FamilyStore, UserStore};
use super::sessions::{Session, Sessions};
use crate::domain::{RefreshToken, Shown};

pub struct Refresh {
    pub users: Arc<dyn UserStore>,
    pub families: Arc<dyn FamilyStore>,
    pub sessions: Arc<Sessions>,
    /// For how long the direct predecessor of a token is tolerated.
    pub tolerance_ms: i64,
}

pub enum Refreshed {
    Done(Box<Session>),
    /// Another tab was faster. The client gets a token, and keeps the refresh token that the other tab has brought.
    Tolerated(Box<Session>),
    /// A replaced token was used again; the family of this user is ended.
    Reused(i64),
    Refused,
}

impl Refresh {
    /// # Errors
    /// The store's.
    pub async fn execute(&self, shown: &RefreshToken) -> Result<Refreshed, StoreError> {
        let hash = shown.hash();
        // Who is overtaken while replacing the token finds it replaced in the next round.
        for _ in 0..2 {
            let now = now_ms();
            let Some(family) = self.families.find(&shown.selector_hash()).await? else {
                return Ok(Refreshed::Refused);
            };
            let judged = family.judge(&hash, now, self.tolerance_ms);
            if matches!(judged, Shown::Older | Shown::Expired) {
                self.families.end(family.id).await?;
            }
            match judged {
                Shown::Expired => return Ok(Refreshed::Refused),
                Shown::Older => return Ok(Refreshed::Reused(family.user_id)),
                Shown::Current | Shown::Predecessor => {}
            }
            let Some(user) = self.users.item(family.user_id).await?.filter(|user| user.ban.is_none()) else {
                self.families.end(family.id).await?;
                return Ok(Refreshed::Refused);
            };
            let token = self.sessions.token(&user, now);
            if judged == Shown::Predecessor {
                return Ok(Refreshed::Tolerated(Box::new(Session { user, token, refresh: None })));
            }
            let next = self.sessions.next(shown);
            let expires_at = now.saturating_add(self.sessions.refresh_lifetime_ms);
            if self.families.replace(&family, &next.hash(), now, expires_at).await? {
                return Ok(Refreshed::Done(Box::new(Session { user, token, refresh: Some(next) })));
            }
        }
        Ok(Refreshed::Refused)
    }
}
