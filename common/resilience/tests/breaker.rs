//! The breaker's life, and its trial calls when many threads ask at once.
#![allow(clippy::unwrap_used)]

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use failsafe::clock;
use http_common::actuator::{Breaker as _, BreakerUpdate};
use resilience::{Breaker, BreakerSettings};

const FAST: Duration = Duration::from_millis(1);
const SLOW: Duration = Duration::from_millis(600);
const TRIALS: usize = 3;

fn settings() -> BreakerSettings {
    BreakerSettings {
        sliding_window_size: 10,
        minimum_number_of_calls: 4,
        failure_rate_threshold: 50.0,
        slow_call_rate_threshold: 75.0,
        slow_call_duration_threshold_ms: 500,
        wait_duration_in_open_state_ms: 5_000,
        permitted_number_of_calls_in_half_open_state: TRIALS,
    }
}

fn breaker() -> Breaker {
    Breaker::new("test", "payment", &settings())
}

fn fail(breaker: &Breaker, times: usize) {
    for _ in 0..times {
        breaker.try_acquire().unwrap().failed(FAST);
    }
}

fn succeed(breaker: &Breaker, times: usize, elapsed: Duration) {
    for _ in 0..times {
        breaker.try_acquire().unwrap().succeeded(elapsed);
    }
}

#[test]
fn it_opens_by_failures_tries_and_closes() {
    clock::freeze(|time| {
        let breaker = breaker();
        succeed(&breaker, 2, FAST);
        fail(&breaker, 2);
        assert_eq!(breaker.snapshot().state, "OPEN");
        let refused = breaker.try_acquire().err().unwrap();
        assert_eq!(refused.retry_after, Duration::from_secs(5));

        time.advance(Duration::from_secs(3));
        let refused = breaker.try_acquire().err().unwrap();
        assert_eq!(refused.retry_after, Duration::from_secs(2));
        assert_eq!(breaker.snapshot().not_permitted_calls, 2);

        time.advance(Duration::from_secs(3));
        succeed(&breaker, TRIALS - 1, FAST);
        assert_eq!(breaker.snapshot().state, "HALF_OPEN");
        succeed(&breaker, 1, FAST);
        let closed = breaker.snapshot();
        assert_eq!((closed.state, closed.buffered_calls), ("CLOSED", 0));
    });
}

#[test]
fn it_opens_by_slow_successes() {
    let breaker = breaker();
    succeed(&breaker, 1, FAST);
    succeed(&breaker, 2, SLOW);
    assert_eq!(breaker.snapshot().state, "CLOSED");
    succeed(&breaker, 1, SLOW);
    let open = breaker.snapshot();
    assert_eq!((open.state, open.slow_calls, open.failed_calls), ("OPEN", 3, 0));
}

#[test]
fn a_success_that_makes_the_calls_enough_opens_it() {
    let breaker = breaker();
    fail(&breaker, 3);
    assert_eq!(breaker.snapshot().state, "CLOSED");
    succeed(&breaker, 1, FAST);
    assert_eq!(breaker.snapshot().state, "OPEN");
}

#[test]
fn bad_trials_open_it_again() {
    clock::freeze(|time| {
        let breaker = breaker();
        fail(&breaker, 4);
        time.advance(Duration::from_secs(6));
        fail(&breaker, TRIALS);
        assert_eq!(breaker.snapshot().state, "OPEN");
        assert!(breaker.try_acquire().is_err());
    });
}

#[test]
fn an_answer_from_before_is_not_heard() {
    clock::freeze(|time| {
        let breaker = breaker();
        let late: Vec<_> = (0..TRIALS).map(|_| breaker.try_acquire().unwrap()).collect();
        fail(&breaker, 4);
        time.advance(Duration::from_secs(6));
        let trial = breaker.try_acquire().unwrap();
        for late in late {
            late.succeeded(FAST);
        }
        assert_eq!(breaker.snapshot().state, "HALF_OPEN");
        assert_eq!(breaker.snapshot().buffered_calls, 0);
        drop(trial);
    });
}

#[test]
fn a_dropped_trial_gives_its_place_back() {
    clock::freeze(|time| {
        let breaker = breaker();
        fail(&breaker, 4);
        time.advance(Duration::from_secs(6));
        for _ in 0..10 {
            let trials: Vec<_> = (0..TRIALS).map(|_| breaker.try_acquire().unwrap()).collect();
            assert!(breaker.try_acquire().is_err());
            drop(trials);
        }
        assert_eq!(breaker.snapshot().buffered_calls, 0);
        succeed(&breaker, TRIALS, FAST);
        assert_eq!(breaker.snapshot().state, "CLOSED");
    });
}

#[test]
fn forced_states_hold_until_closed() {
    clock::freeze(|time| {
        let breaker = breaker();
        breaker.update(BreakerUpdate::ForceOpen);
        time.advance(Duration::from_secs(3_600));
        assert!(breaker.try_acquire().is_err());
        assert_eq!(breaker.snapshot().state, "FORCED_OPEN");

        breaker.update(BreakerUpdate::Disable);
        fail(&breaker, 20);
        let disabled = breaker.snapshot();
        assert_eq!((disabled.state, disabled.buffered_calls), ("DISABLED", 0));

        breaker.update(BreakerUpdate::Close);
        fail(&breaker, 4);
        assert_eq!(breaker.snapshot().state, "OPEN");
        breaker.update(BreakerUpdate::Close);
        let closed = breaker.snapshot();
        assert_eq!((closed.state, closed.buffered_calls), ("CLOSED", 0));
        succeed(&breaker, 1, FAST);
    });
}

/// Half-open as soon as it is asked.
fn half_open() -> Breaker {
    let settings = BreakerSettings { wait_duration_in_open_state_ms: 0, ..settings() };
    let breaker = Breaker::new("test", "payment", &settings);
    fail(&breaker, 4);
    while breaker.try_acquire().is_err() {}
    assert_eq!(breaker.snapshot().state, "HALF_OPEN");
    breaker
}

#[test]
fn threads_never_hold_more_trials_than_are_permitted() {
    const THREADS: usize = 8;
    let breaker = half_open();
    let held = AtomicUsize::new(0);
    let most = AtomicUsize::new(0);
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..5_000 {
                    if let Ok(permit) = breaker.try_acquire() {
                        most.fetch_max(1 + held.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                        std::thread::yield_now();
                        held.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                }
            });
        }
    });
    assert!(most.into_inner() <= TRIALS);
    let left: Vec<_> = (0..TRIALS).map(|_| breaker.try_acquire().unwrap()).collect();
    assert!(breaker.try_acquire().is_err());
    drop(left);
}

/// In one half-open period at most [`TRIALS`] calls are made, however many threads ask while
/// others answer. The period ends at the first answer that completes the trial: all fail, so it
/// opens, for as long as this test lasts.
#[test]
fn one_period_makes_no_more_calls_than_are_permitted() {
    for _ in 0..50 {
        let made = AtomicUsize::new(0);
        let start = Barrier::new(4);
        let breaker = half_open_once();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..50 {
                        if let Ok(permit) = breaker.try_acquire() {
                            made.fetch_add(1, Ordering::SeqCst);
                            permit.failed(FAST);
                        }
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), TRIALS);
        assert_eq!(breaker.snapshot().state, "OPEN");
    }
}

/// Half-open; opened again, it stays so for a minute.
fn half_open_once() -> Breaker {
    let settings = BreakerSettings { wait_duration_in_open_state_ms: 60_000, ..settings() };
    let breaker = Breaker::new("test", "payment", &settings);
    fail(&breaker, 4);
    clock::freeze(|time| {
        time.advance(Duration::from_secs(120));
        drop(breaker.try_acquire().unwrap());
    });
    assert_eq!(breaker.snapshot().state, "HALF_OPEN");
    breaker
}
