//! How often keys are asked for: by age, and for a token whose key is not known, but then only now and then, however many
//! such tokens come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use resilience::Backoff;

use crate::keys::Keys;
use crate::settings::AuthSettings;
use crate::source::{KeySource, NoAnswer};

/// While there are no keys at all: account may be starting beside this service, and users wait.
const COOLDOWN_WITHOUT_KEYS: Duration = Duration::from_millis(250);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(crate) struct Fetching {
    application: &'static str,
    source: Arc<dyn KeySource>,
    refresh: Duration,
    cooldown: Duration,
    warns: bool,
    /// One asks, and who comes meanwhile waits for that answer.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// Answers so far, whatever they said.
    answers: AtomicU64,
}

struct State {
    last_begun: Option<Instant>,
    backoff: Backoff,
    /// Until the next fetch by age.
    pause: Duration,
}

impl Fetching {
    pub(crate) fn new(
        application: &'static str,
        source: Arc<dyn KeySource>,
        settings: &AuthSettings,
    ) -> Self {
        Self {
            application,
            source,
            refresh: settings.jwks_refresh(),
            cooldown: settings.jwks_cooldown(),
            warns: settings.mode == crate::caller::Mode::Required,
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                last_begun: None,
                backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE.min(settings.jwks_refresh())),
                pause: settings.jwks_refresh(),
            }),
            answers: AtomicU64::new(0),
        }
    }

    /// Whether a token with an unknown key is a reason to ask, or somebody is asking already.
    pub(crate) fn may_ask(&self, without_keys: bool) -> bool {
        self.turn.try_lock().is_err() || self.is_due(without_keys)
    }

    /// By age. `take` is given what was fetched.
    pub(crate) async fn fetch(&self, take: impl FnOnce(Keys)) {
        let _turn = self.turn.lock().await;
        self.ask(take).await;
    }

    /// For a token with an unknown key. Does nothing where another request has just seen to it.
    pub(crate) async fn fetch_for_unknown(&self, without_keys: impl Fn() -> bool, take: impl FnOnce(Keys)) {
        let before = self.answers.load(Ordering::Acquire);
        let _turn = self.turn.lock().await;
        if self.answers.load(Ordering::Acquire) == before && self.is_due(without_keys()) {
            self.ask(take).await;
        }
    }

    /// Until the next fetch by age: soon after a failure, and then less and less often.
    pub(crate) fn pause(&self) -> Duration {
        self.state().pause
    }

    fn is_due(&self, without_keys: bool) -> bool {
        let cooldown = if without_keys { self.cooldown.min(COOLDOWN_WITHOUT_KEYS) } else { self.cooldown };
        self.state().last_begun.is_none_or(|begun| begun.elapsed() >= cooldown)
    }

    async fn ask(&self, take: impl FnOnce(Keys)) {
        // Before the answer: who goes away while it is awaited does not give the next one a reason to ask again.
        self.state().last_begun = Some(Instant::now());
        let answer = self.source.keys().await.and_then(|set| {
            let keys = Keys::of(&set);
            if keys.is_empty() { Err(NoAnswer::NoKeys) } else { Ok(keys) }
        });
        let outcome = if answer.is_ok() { "success" } else { "failure" };
        metrics::counter!("auth_key_fetches_total", "application" => self.application, "outcome" => outcome)
            .increment(1);
        self.note(&answer);
        if let Ok(keys) = answer {
            take(keys);
        }
        // Last: who was waiting finds the keys.
        self.answers.fetch_add(1, Ordering::Release);
    }

    fn note(&self, answer: &Result<Keys, NoAnswer>) {
        let mut state = self.state();
        match answer {
            Ok(keys) => {
                if state.backoff.failures() > 0 {
                    tracing::info!(keys = keys.len(), "the keys of tokens were fetched");
                }
                state.backoff.succeeded();
                state.pause = self.refresh;
            }
            Err(error) => {
                let error = telemetry::error_chain(error);
                // Once: it is tried again and again, and a service in mode open may never need it.
                match state.backoff.failures() {
                    0 if self.warns => {
                        tracing::warn!(
                            error,
                            "the keys of tokens could not be fetched; known keys go on to hold"
                        );
                    }
                    0 => tracing::info!(error, "the keys of tokens could not be fetched; trying again"),
                    _ => tracing::debug!(error, "the keys of tokens could not be fetched; trying again"),
                }
                state.pause = state.backoff.next_pause();
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
