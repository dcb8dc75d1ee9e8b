//! Refresh tokens. Those that follow each other from one sign-in are a family, of which only the newest token lives.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const SELECTOR: usize = 16;
const SECRET: usize = 32;
pub const TOKEN: usize = SELECTOR + SECRET;

/// The selector names the family, and is as hard to guess as the rest: whoever shows it with another secret has had a token of
/// the family in his hands.
#[derive(Clone)]
pub struct RefreshToken(Zeroizing<[u8; TOKEN]>);

impl RefreshToken {
    #[must_use]
    pub fn of(bytes: [u8; TOKEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The next token of the same family.
    #[must_use]
    pub fn followed_by(&self, random: [u8; TOKEN]) -> Self {
        let mut next = Self::of(random);
        next.0[..SELECTOR].copy_from_slice(&self.0[..SELECTOR]);
        next
    }

    /// `None`: no text of such a token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TOKEN / 3 * 4 {
            return None;
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        Some(Self::of(bytes.as_slice().try_into().ok()?))
    }

    /// For the cookie alone.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.as_slice())
    }

    #[must_use]
    pub fn selector_hash(&self) -> String {
        hash(&self.0[..SELECTOR])
    }

    #[must_use]
    pub fn hash(&self) -> String {
        hash(self.0.as_slice())
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(..)")
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As the store has it. Moments are epoch milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    pub id: i64,
    pub selector_hash: String,
    pub user_id: i64,
    /// Of the token that lives.
    pub current_hash: String,
    /// Of its direct predecessor; empty before the first rotation.
    pub previous_hash: String,
    pub rotated_at: i64,
    pub expires_at: i64,
}

/// What a token of a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The one that lives: it is replaced.
    Current,
    /// Another tab was faster, a moment ago. Its answer brought the cookie that both tabs share.
    Predecessor,
    /// Replaced before, or made up: two parties have tokens of this family, and nobody knows which of them is the thief.
    Older,
    Expired,
}

impl Family {
    /// The family of a new sign-in.
    #[must_use]
    pub fn begin(token: &RefreshToken, user_id: i64, now: i64, lifetime_ms: i64) -> Self {
        Self {
            id: 0,
            selector_hash: token.selector_hash(),
            user_id,
            current_hash: token.hash(),
            previous_hash: String::new(),
            rotated_at: now,
            expires_at: now.saturating_add(lifetime_ms),
        }
    }

    /// `tolerance_ms` is for how long the direct predecessor is tolerated.
    #[must_use]
    pub fn judge(&self, token_hash: &str, now: i64, tolerance_ms: i64) -> Shown {
        if now >= self.expires_at {
            Shown::Expired
        } else if token_hash == self.current_hash {
            Shown::Current
        } else if token_hash == self.previous_hash && now.saturating_sub(self.rotated_at) <= tolerance_ms {
            Shown::Predecessor
        } else {
            Shown::Older
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_token_has_one_text() {
        let token = RefreshToken::of([7; TOKEN]);
        let text = token.reveal();
        assert_eq!(RefreshToken::parse(&text).unwrap().hash(), token.hash());
        let next = token.followed_by([9; TOKEN]);
        assert_eq!(next.selector_hash(), token.selector_hash());
        assert_ne!(next.hash(), token.hash());
        for wrong in ["", &text[1..], &format!("{text}="), &format!("{}+", &text[1..]), &text.repeat(2)] {
            assert!(RefreshToken::parse(wrong).is_none(), "{wrong}");
        }
        assert!(!format!("{token:?}").contains(&text));
    }

    #[test]
    fn only_the_newest_lives_and_its_predecessor_is_tolerated_for_a_moment() {
        let [first, second, third] =
            [1, 2, 3].map(|n| RefreshToken::of([0; TOKEN]).followed_by([n; TOKEN]).hash());
        let family = Family {
            id: 1,
            selector_hash: String::new(),
            user_id: 7,
            current_hash: third.clone(),
            previous_hash: second.clone(),
            rotated_at: 1_000,
            expires_at: 100_000,
        };
        for (hash, now, shown) in [
            (&third, 1_000, Shown::Current),
            (&third, 99_999, Shown::Current),
            (&third, 100_000, Shown::Expired),
            (&second, 11_000, Shown::Predecessor),
            // The clock of another replica may be behind.
            (&second, 900, Shown::Predecessor),
            (&second, 11_001, Shown::Older),
            (&first, 1_000, Shown::Older),
        ] {
            assert_eq!(family.judge(hash, now, 10_000), shown, "{now}");
        }
    }
}
