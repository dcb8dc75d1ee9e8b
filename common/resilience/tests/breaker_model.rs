//! The breaker against a model written from Resilience4j's documentation, without `failsafe`:
//! whatever happens in whatever order, both permit the same calls and stand in the same state.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use failsafe::clock;
use http_common::actuator::{Breaker as _, BreakerUpdate};
use proptest::prelude::*;
use resilience::{Breaker, BreakerSettings, Permit};

#[derive(Clone, Debug)]
enum Step {
    Ask,
    /// The call of the n-th permit given out ends.
    End {
        permit: prop::sample::Index,
        failed: bool,
        slow: bool,
    },
    /// Its caller goes away.
    Drop {
        permit: prop::sample::Index,
    },
    Wait {
        ms: u64,
    },
    Update(BreakerUpdate),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => Just(Step::Ask),
        30 => (any::<prop::sample::Index>(), any::<bool>(), any::<bool>())
            .prop_map(|(permit, failed, slow)| Step::End { permit, failed, slow }),
        4 => any::<prop::sample::Index>().prop_map(|permit| Step::Drop { permit }),
        8 => (1_u64..150).prop_map(|ms| Step::Wait { ms }),
        1 => prop_oneof![
            2 => Just(BreakerUpdate::Close),
            1 => Just(BreakerUpdate::ForceOpen),
            1 => Just(BreakerUpdate::Disable),
        ]
        .prop_map(Step::Update),
    ]
}

fn settings() -> impl Strategy<Value = BreakerSettings> {
    (1_usize..8, 1_usize..10, 1_u32..=100, 1_u32..=100, 1_usize..5).prop_map(
        |(size, minimum, failure, slow, trials)| BreakerSettings {
            sliding_window_size: size,
            minimum_number_of_calls: minimum,
            failure_rate_threshold: f64::from(failure),
            slow_call_rate_threshold: f64::from(slow),
            slow_call_duration_threshold_ms: 100,
            wait_duration_in_open_state_ms: 100,
            permitted_number_of_calls_in_half_open_state: trials,
        },
    )
}

/// Slow and not slow: the threshold itself is not slow.
fn duration(slow: bool) -> Duration {
    Duration::from_millis(if slow { 101 } else { 100 })
}

struct Model {
    settings: BreakerSettings,
    state: &'static str,
    era: u64,
    now_ms: u64,
    opened_at_ms: u64,
    trials: usize,
    calls: Vec<(bool, bool)>,
    not_permitted: u64,
}

impl Model {
    fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: "CLOSED",
            era: 0,
            now_ms: 0,
            opened_at_ms: 0,
            trials: 0,
            calls: Vec::new(),
            not_permitted: 0,
        }
    }

    fn enter(&mut self, state: &'static str) {
        self.era += 1;
        self.state = state;
        match state {
            "CLOSED" => {
                self.calls.clear();
                self.not_permitted = 0;
            }
            "OPEN" => self.opened_at_ms = self.now_ms,
            "HALF_OPEN" => {
                self.calls.clear();
                self.trials = 0;
            }
            _ => {}
        }
    }

    fn ask(&mut self) -> bool {
        let wait = self.settings.wait_duration_in_open_state_ms;
        if self.state == "OPEN" && self.now_ms > self.opened_at_ms + wait {
            self.enter("HALF_OPEN");
        }
        let permitted = match self.state {
            "CLOSED" | "DISABLED" => true,
            "HALF_OPEN" => self.trials < self.settings.permitted_number_of_calls_in_half_open_state,
            _ => false,
        };
        self.trials += usize::from(permitted && self.state == "HALF_OPEN");
        self.not_permitted += u64::from(!permitted);
        permitted
    }

    fn end(&mut self, era: u64, failed: bool, slow: bool) {
        if era != self.era || self.state == "DISABLED" {
            return;
        }
        let (size, minimum) = match self.state {
            "HALF_OPEN" => {
                let trials = self.settings.permitted_number_of_calls_in_half_open_state;
                (trials, trials)
            }
            _ => {
                let size = self.settings.sliding_window_size;
                (size, self.settings.minimum_number_of_calls.min(size))
            }
        };
        self.calls.push((failed, slow));
        if self.calls.len() > size {
            self.calls.remove(0);
        }
        if self.calls.len() < minimum {
            return;
        }
        let percent = |count: usize| count as f64 * 100.0 / self.calls.len() as f64;
        let failures = percent(self.calls.iter().filter(|(failed, _)| *failed).count());
        let slows = percent(self.calls.iter().filter(|(_, slow)| *slow).count());
        let bad = failures >= self.settings.failure_rate_threshold
            || slows >= self.settings.slow_call_rate_threshold;
        match (bad, self.state) {
            (true, _) => self.enter("OPEN"),
            (false, "HALF_OPEN") => self.enter("CLOSED"),
            (false, _) => {}
        }
    }

    fn drop_permit(&mut self, era: u64) {
        if era == self.era && self.state == "HALF_OPEN" {
            self.trials -= 1;
        }
    }
}

fn agree(settings: BreakerSettings, steps: Vec<Step>) -> Result<(), TestCaseError> {
    clock::freeze(|time| {
        let breaker = Breaker::new("test", "model", &settings);
        let mut model = Model::new(settings);
        let mut permits: Vec<(u64, Permit<'_>)> = Vec::new();
        for step in steps {
            match step {
                Step::Ask => {
                    let permit = breaker.try_acquire();
                    prop_assert_eq!(permit.is_ok(), model.ask(), "permitted");
                    match permit {
                        Ok(permit) => permits.push((model.era, permit)),
                        Err(refused) => prop_assert!(
                            refused.retry_after <= Duration::from_millis(100),
                            "told to wait longer than the breaker stays open"
                        ),
                    }
                }
                Step::End { permit, failed, slow } if !permits.is_empty() => {
                    let (era, permit) = permits.swap_remove(permit.index(permits.len()));
                    match failed {
                        true => permit.failed(duration(slow)),
                        false => permit.succeeded(duration(slow)),
                    }
                    model.end(era, failed, slow);
                }
                Step::Drop { permit } if !permits.is_empty() => {
                    let (era, permit) = permits.swap_remove(permit.index(permits.len()));
                    drop(permit);
                    model.drop_permit(era);
                }
                Step::End { .. } | Step::Drop { .. } => {}
                Step::Wait { ms } => {
                    time.advance(Duration::from_millis(ms));
                    model.now_ms += ms;
                }
                Step::Update(update) => {
                    breaker.update(update);
                    model.enter(match update {
                        BreakerUpdate::Close => "CLOSED",
                        BreakerUpdate::ForceOpen => "FORCED_OPEN",
                        BreakerUpdate::Disable => "DISABLED",
                    });
                }
            }
            let seen = breaker.snapshot();
            let count =
                |of: fn(&(bool, bool)) -> bool| model.calls.iter().filter(|call| of(call)).count() as u64;
            prop_assert_eq!(seen.state, model.state);
            prop_assert_eq!(seen.buffered_calls, model.calls.len() as u64);
            prop_assert_eq!(seen.failed_calls, count(|(failed, _)| *failed));
            prop_assert_eq!(seen.slow_calls, count(|(_, slow)| *slow));
            prop_assert_eq!(seen.slow_failed_calls, count(|(failed, slow)| *failed && *slow));
            prop_assert_eq!(seen.not_permitted_calls, model.not_permitted);
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_breaker_is_the_model(
        settings in settings(),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        agree(settings, steps)?;
    }
}
