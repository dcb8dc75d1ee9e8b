//! How far a reservation's saga has come, from the three statuses alone.

use super::status::Status;

/// What each of the three has become, as far as it is known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saga {
    pub reservation: Option<Status>,
    pub payment: Option<Status>,
    pub receipt: Option<Status>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Reserved, paid, and the receipt issued.
    Completed,
    /// Over, and nothing of it stands any more.
    Cancelled,
    /// Something is cancelled and something else still stands.
    Compensating,
    /// On its way.
    Open,
}

/// What an unfinished saga waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    Reservation,
    Payment,
    Receipt,
    ReservationCancelled,
    PaymentCancelled,
    ReceiptCancelled,
}

impl Outcome {
    pub const ALL: [Self; 4] = [Self::Completed, Self::Cancelled, Self::Compensating, Self::Open];

    /// As it stands in the database, the metrics and the timeline.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Compensating => "compensating",
            Self::Open => "open",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }

    pub fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

impl WaitingFor {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reservation => "ReservationCreated",
            Self::Payment => "PaymentCreated",
            Self::Receipt => "ReceiptCreated",
            Self::ReservationCancelled => "ReservationCancelled",
            Self::PaymentCancelled => "PaymentCancelled",
            Self::ReceiptCancelled => "ReceiptCancelled",
        }
    }
}

impl Saga {
    /// The one status for those who want one: what is cancelled is never undone, so any cancellation wins, the
    /// reservation's first; else the farthest step. `None` where nothing is known.
    pub fn status(&self) -> Option<Status> {
        let cancelled = |status: Option<Status>| status.filter(|status| is_cancelled(*status));
        cancelled(self.reservation)
            .or(cancelled(self.payment))
            .or(cancelled(self.receipt))
            .or(self.receipt)
            .or(self.payment)
            .or(self.reservation)
    }

    pub fn outcome(&self) -> Outcome {
        match (self.any_cancelled(), self.waiting_for().is_empty()) {
            (false, true) => Outcome::Completed,
            (false, false) => Outcome::Open,
            (true, true) => Outcome::Cancelled,
            (true, false) => Outcome::Compensating,
        }
    }

    /// The facts that have to come until the saga is finished.
    pub fn waiting_for(&self) -> Vec<WaitingFor> {
        let mut missing = Vec::new();
        if self.any_cancelled() {
            if self.reservation != Some(Status::ReservationCancelled) {
                missing.push(WaitingFor::ReservationCancelled);
            }
            if self.payment == Some(Status::Paid) {
                missing.push(WaitingFor::PaymentCancelled);
            }
            if self.receipt == Some(Status::ReceiptIssued) {
                missing.push(WaitingFor::ReceiptCancelled);
            }
        } else {
            for (known, fact) in [
                (self.reservation, WaitingFor::Reservation),
                (self.payment, WaitingFor::Payment),
                (self.receipt, WaitingFor::Receipt),
            ] {
                if known.is_none() {
                    missing.push(fact);
                }
            }
        }
        missing
    }

    fn any_cancelled(&self) -> bool {
        [self.reservation, self.payment, self.receipt].into_iter().flatten().any(is_cancelled)
    }
}

fn is_cancelled(status: Status) -> bool {
    match status {
        Status::ReservationCancelled | Status::PaymentCancelled | Status::ReceiptCancelled => true,
        Status::Reservated | Status::Paid | Status::ReceiptIssued => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Status::*;

    use super::*;

    fn saga(reservation: Option<Status>, payment: Option<Status>, receipt: Option<Status>) -> Saga {
        Saga { reservation, payment, receipt }
    }

    #[test]
    fn the_farthest_step_is_the_status_unless_something_is_cancelled() {
        for (saga, status) in [
            (saga(None, None, None), None),
            (saga(Some(Reservated), None, None), Some(Reservated)),
            (saga(None, Some(Paid), None), Some(Paid)),
            (saga(Some(Reservated), Some(Paid), None), Some(Paid)),
            (saga(Some(Reservated), Some(Paid), Some(ReceiptIssued)), Some(ReceiptIssued)),
            (saga(Some(ReservationCancelled), Some(Paid), Some(ReceiptIssued)), Some(ReservationCancelled)),
            (saga(Some(Reservated), Some(PaymentCancelled), Some(ReceiptIssued)), Some(PaymentCancelled)),
            (saga(Some(Reservated), Some(Paid), Some(ReceiptCancelled)), Some(ReceiptCancelled)),
        ] {
            assert_eq!(saga.status(), status, "{saga:?}");
        }
    }

    #[test]
    fn outcomes() {
        for (saga, outcome) in [
            (saga(Some(Reservated), None, None), Outcome::Open),
            (saga(None, Some(Paid), Some(ReceiptIssued)), Outcome::Open),
            (saga(Some(Reservated), Some(Paid), Some(ReceiptIssued)), Outcome::Completed),
            (saga(Some(ReservationCancelled), None, None), Outcome::Cancelled),
            (saga(Some(ReservationCancelled), Some(Paid), None), Outcome::Compensating),
            (
                saga(Some(ReservationCancelled), Some(PaymentCancelled), Some(ReceiptIssued)),
                Outcome::Compensating,
            ),
            (
                saga(Some(ReservationCancelled), Some(PaymentCancelled), Some(ReceiptCancelled)),
                Outcome::Cancelled,
            ),
            (saga(None, Some(PaymentCancelled), None), Outcome::Compensating),
        ] {
            assert_eq!(saga.outcome(), outcome, "{saga:?}");
        }
    }
}
