//! argon2id on the pool of threads that may block, a few at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use settings::{Invalid, in_range};
use tokio::sync::Semaphore;

use crate::domain::Password;
use crate::settings::PasswordSettings;
use crate::use_cases::ports::{Busy, HashError, Passwords, Turn, Verdict};
use crate::use_cases::random::random;

const SALT: usize = 16;

pub struct ArgonPasswords {
    params: Params,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    /// For an address that nobody has: a hash of today's parameters, of a password that nobody knows.
    nobodys: String,
}

impl PasswordSettings {
    /// # Errors
    /// Parameters that argon2 does not take, or that are too weak.
    pub fn check(&self) -> Result<(), Invalid> {
        in_range("passwords.memory_kib", self.memory_kib, 8..=4_194_304)?;
        in_range("passwords.passes", self.passes, 1..=100)?;
        in_range("passwords.lanes", self.lanes, 1..=64)?;
        in_range("passwords.at_once", self.at_once, 0..=1_024)?;
        in_range("passwords.waiting", self.waiting, 1..=100_000)?;
        self.params().map(drop)
    }

    fn params(&self) -> Result<Params, Invalid> {
        Params::new(self.memory_kib, self.passes, self.lanes, None).map_err(|error| {
            Invalid::new("passwords.memory_kib", format!("argon2 does not take it: {error}"))
        })
    }
}

impl ArgonPasswords {
    /// # Errors
    /// Parameters that argon2 does not take.
    pub fn new(settings: &PasswordSettings) -> Result<Self, Invalid> {
        let params = settings.params()?;
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = if settings.at_once == 0 { processors() } else { settings.at_once };
        let nobodys = hash(&params, &random::<32>())
            .map_err(|error| Invalid::new("passwords.memory_kib", error.to_string()))?;
        Ok(Self {
            params,
            turns: Arc::new(Semaphore::new(at_once)),
            waiting: AtomicUsize::new(0),
            most_waiting: settings.waiting,
            nobodys,
        })
    }
}

fn hash(params: &Params, password: &[u8]) -> Result<String, HashError> {
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let hashed: Result<PasswordHash, _> = argon.hash_password_with_salt(password, &random::<SALT>());
    hashed.map(|hash| hash.to_string()).map_err(|error| HashError(error.to_string()))
}

/// The parameters are those of the hash.
fn verify(params: &Params, password: &[u8], stored: &str) -> Result<Verdict, HashError> {
    let parsed = PasswordHash::new(stored).map_err(|error| HashError(error.to_string()))?;
    match Argon2::default().verify_password(password, &parsed) {
        Ok(()) => {}
        Err(argon2::password_hash::Error::PasswordInvalid) => return Ok(Verdict::Wrong),
        Err(error) => return Err(HashError(error.to_string())),
    }
    let made_with = Params::try_from(&parsed).map_err(|error| HashError(error.to_string()))?;
    let of = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
    let as_today = of(&made_with) == of(params) && parsed.algorithm.as_str() == Algorithm::Argon2id.as_str();
    Ok(if as_today { Verdict::Right } else { Verdict::RightAndOutdated })
}

/// On a thread that may block. Also when nobody waits for it any more, what `work` holds is held to its end.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
) -> Result<T, HashError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| HashError(error.to_string()))?
}

/// Counts one who waits, also if he goes away.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Passwords for ArgonPasswords {
    async fn turn(&self) -> Result<Turn, Busy> {
        if let Ok(permit) = self.turns.clone().try_acquire_owned() {
            return Ok(Turn(permit));
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.most_waiting {
            return Err(Busy);
        }
        // It is never closed.
        self.turns.clone().acquire_owned().await.map(Turn).map_err(|_| Busy)
    }

    async fn hash(&self, turn: Turn, password: Password) -> Result<(String, Turn), HashError> {
        let params = self.params.clone();
        blocking(move || Ok((hash(&params, password.as_bytes())?, turn))).await
    }

    async fn verify(
        &self,
        turn: Turn,
        password: Password,
        stored: Option<String>,
    ) -> Result<(Verdict, Password, Turn), HashError> {
        let params = self.params.clone();
        let nobodys = self.nobodys.clone();
        blocking(move || {
            let verdict = match stored {
                Some(stored) => verify(&params, password.as_bytes(), &stored)?,
                None => {
                    verify(&params, password.as_bytes(), &nobodys)?;
                    Verdict::Wrong
                }
            };
            Ok((verdict, password, turn))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SETTINGS: PasswordSettings =
        PasswordSettings { memory_kib: 64, passes: 1, lanes: 1, at_once: 1, waiting: 1 };

    fn password(text: &str) -> Password {
        Password::given(text).unwrap()
    }

    #[tokio::test]
    async fn a_hash_knows_its_password_and_its_parameters() {
        let passwords = ArgonPasswords::new(&SETTINGS).unwrap();
        let (stored, turn) =
            passwords.hash(passwords.turn().await.unwrap(), password("my own")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        let (again, turn) = passwords.hash(turn, password("my own")).await.unwrap();
        assert_ne!(stored, again, "each has a salt of its own");
        let mut turn = Some(turn);
        for (given, stored, wanted) in [
            ("my own", Some(&stored), Verdict::Right),
            ("my owm", Some(&stored), Verdict::Wrong),
            ("my own", None, Verdict::Wrong),
        ] {
            let verified = passwords.verify(turn.take().unwrap(), password(given), stored.cloned()).await;
            let (verdict, _, back) = verified.unwrap();
            assert_eq!(verdict, wanted, "{given}");
            turn = Some(back);
        }
        let stronger = ArgonPasswords::new(&PasswordSettings { passes: 2, ..SETTINGS }).unwrap();
        let (verdict, ..) =
            stronger.verify(turn.take().unwrap(), password("my own"), Some(stored)).await.unwrap();
        assert_eq!(verdict, Verdict::RightAndOutdated);
    }

    #[tokio::test]
    async fn a_hash_that_is_none_is_an_error_and_no_answer() {
        let passwords = ArgonPasswords::new(&SETTINGS).unwrap();
        for broken in ["", "secret", "$2b$12$abc", "$argon2id$v=19$m=64,t=1,p=1$"] {
            let turn = passwords.turn().await.unwrap();
            let verified = passwords.verify(turn, password("my own"), Some(broken.into())).await;
            assert!(verified.map(|(verdict, ..)| verdict).unwrap_or(Verdict::Wrong) == Verdict::Wrong);
        }
    }

    #[tokio::test]
    async fn beyond_those_who_may_wait_everybody_is_sent_away() {
        let passwords = Arc::new(ArgonPasswords::new(&SETTINGS).unwrap());
        let first = passwords.turn().await.unwrap();
        let mut second = Box::pin(passwords.turn());
        assert!(futures::poll!(&mut second).is_pending());
        assert!(passwords.turn().await.is_err());
        drop(first);
        let second = second.await.unwrap();
        let gone = Box::pin(passwords.turn());
        drop(gone);
        let mut third = Box::pin(passwords.turn());
        assert!(futures::poll!(&mut third).is_pending());
        drop(second);
        assert!(third.await.is_ok());
    }
}
