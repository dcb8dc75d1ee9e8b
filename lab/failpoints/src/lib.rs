//! What the woven sources call (`lab/faults/weave/`): the services themselves do not know this crate.
//!
//! The variable `FAILPOINTS` arms steps, in the language of the `fail` crate
//! (`payment.charge.before_provider=1*return(kill)`), and `SABOTAGE` names one mutation. What happens at a step: `error` is an
//! error of the kind that the function has, `panic` a panic, `kill` the end of the process by SIGKILL.

use std::fmt;
use std::io;
use std::sync::{LazyLock, Once};

use rustix::process::{Signal, getpid, kill_process};

/// The error of a step.
#[derive(Clone, Copy, Debug)]
pub struct Injected {
    step: &'static str,
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failpoint {}", self.step)
    }
}

impl std::error::Error for Injected {}

/// As a database that broke off.
impl From<Injected> for sqlx::Error {
    fn from(injected: Injected) -> Self {
        Self::Io(io::Error::other(injected))
    }
}

impl From<Injected> for storage::StoreError {
    fn from(injected: Injected) -> Self {
        sqlx::Error::from(injected).into()
    }
}

/// What is to happen at this step. Said on standard error, so that a test knows that it happened.
pub fn reach(step: &'static str) -> Option<Injected> {
    static ARMED: Once = Once::new();
    // The scenario lasts as long as the process.
    ARMED.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    let action = asked(step)?;
    eprintln!("failpoint {step}: {action}");
    match action.as_str() {
        "panic" => panic!("failpoint {step}"),
        "kill" => {
            // Before this returns the process is gone: no destructor, no flush.
            let _ = kill_process(getpid(), Signal::KILL);
            std::process::abort()
        }
        _ => Some(Injected { step }),
    }
}

fn asked(step: &str) -> Option<String> {
    fail::fail_point!(step, |action| action);
    None
}

/// Whether `SABOTAGE` names this mutation.
pub fn is_sabotaged(mutation: &str) -> bool {
    static CHOSEN: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("SABOTAGE").ok());
    CHOSEN.as_deref() == Some(mutation)
}
