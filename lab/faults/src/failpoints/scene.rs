//! What brings a system to a step, and what happens there.

use std::fmt;

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Action {
    /// The function returns an error of its kind.
    Error,
    Panic,
    /// SIGKILL, from inside.
    Kill,
}

impl Action {
    pub const ALL: [Self; 3] = [Self::Error, Self::Panic, Self::Kill];
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Kill => "kill",
        })
    }
}

/// The variable `FAILPOINTS` for the `round`th start: the step's first hit does it; of the steps that all services share
/// also later ones, so that it is not always the same service. What leads to the step errs beside it.
pub fn failpoints(step: &str, action: Action, round: usize) -> String {
    let passed = if is_shared(step) { round % 3 } else { 0 };
    let first = if passed == 0 { String::new() } else { format!("{passed}*off->") };
    let mut armed = format!("{step}={first}1*return({action})");
    for helper in helpers(step, round) {
        armed += &format!(";{helper}");
    }
    armed
}

fn is_shared(step: &str) -> bool {
    // Only payment has positions to store, once it has passed what is not its concern for a second.
    if step.ends_with("_storing_position") {
        return false;
    }
    ["messaging.outbox.", "messaging.relay.", "messaging.consumer."].iter().any(|kind| step.starts_with(kind))
}

/// A reservation is only taken over where nobody finished it, a charge only abandoned where nobody heard of it; and a
/// cancellation seldom finds a charge half-way unless that is slow.
fn helpers(step: &str, round: usize) -> &'static [&'static str] {
    const NEVER_PAID: &str = "prereservation.reserve.before_payment=9*return(error)";
    const PAID_AND_LOST: &str = "prereservation.reserve.before_save=9*return(error)";
    const CHARGED_AND_LOST: &str = "payment.charge.before_save=9*return(error)";
    if step.starts_with("prereservation.take_over.") {
        if round.is_multiple_of(2) { &[PAID_AND_LOST] } else { &[NEVER_PAID] }
    } else if step == "payment.cancel.before_tombstones" {
        &[NEVER_PAID]
    } else if ["payment.charge.before_find", "prereservation.reserve.before_find"].contains(&step) {
        &["payment.charge.before_save=9*sleep(150)"]
    } else if step.starts_with("payment.abandon.") && step != "payment.abandon.before_read" {
        &[CHARGED_AND_LOST, PAID_AND_LOST]
    } else {
        &[]
    }
}

/// Whether somebody has to put a record on the topic that nobody can read.
pub fn is_poisoned(step: &str) -> bool {
    step.starts_with("messaging.dead_letters.") || step.starts_with("messaging.replay.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_steps_are_passed_before_they_are_hit() {
        assert_eq!(
            failpoints("payment.refund.after_save", Action::Kill, 2),
            "payment.refund.after_save=1*return(kill)"
        );
        let shared = failpoints("messaging.relay.before_read", Action::Panic, 2);
        assert_eq!(shared, "messaging.relay.before_read=2*off->1*return(panic)");
        let helped = failpoints("prereservation.take_over.before_find", Action::Error, 0);
        assert_eq!(
            helped,
            "prereservation.take_over.before_find=1*return(error);prereservation.reserve.before_save=9*return(error)"
        );
    }
}
