//! Places at which a test makes the process err, panic or die, and switches that break a promise on purpose.
//!
//! ```text
//! failpoints::step!("payment.charge.before_provider");       // a place between two effects
//! if failpoints::sabotaged!("no_tombstone") { return Ok(()) }
//! ```
//!
//! Neither is in a program that is built without the feature `failpoints`: [`step!`] expands to nothing, [`sabotaged!`] to
//! `false`. In a test build the variable `FAILPOINTS` arms steps, in the language of the `fail` crate
//! (`payment.charge.before_provider=1*return(kill)`), and `SABOTAGE` names one switch. What happens then:
//! `error` is an error of the kind that the function has, `panic` a panic, `kill` the end of the process by SIGKILL.

#[cfg(feature = "armed")]
mod armed;

#[cfg(feature = "armed")]
pub use armed::{Fails, Injected, is_sabotaged, reach};

/// What a port's error has to be made of where a step may err: nothing but `From<Injected>`, in test builds.
#[cfg(not(feature = "armed"))]
pub trait Fails {}
#[cfg(not(feature = "armed"))]
impl<T> Fails for T {}

/// Here the test may make the surrounding function fail.
#[cfg(feature = "armed")]
#[macro_export]
macro_rules! step {
    ($name:literal) => {
        if let Some(injected) = $crate::reach($name) {
            return Err(::core::convert::From::from(injected));
        }
    };
}

/// Here a test build may make the surrounding function fail.
#[cfg(not(feature = "armed"))]
#[macro_export]
macro_rules! step {
    ($name:literal) => {};
}

/// Whether the promise of this name is to be broken.
#[cfg(feature = "armed")]
#[macro_export]
macro_rules! sabotaged {
    ($name:literal) => {
        $crate::is_sabotaged($name)
    };
}

/// Whether the promise of this name is to be broken: in test builds only.
#[cfg(not(feature = "armed"))]
#[macro_export]
macro_rules! sabotaged {
    ($name:literal) => {
        false
    };
}
