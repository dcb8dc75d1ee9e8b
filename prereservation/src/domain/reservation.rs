use events::{Envelope, Purchase, ReservationCancelled, ReservationCreated, reason};

/// What a customer orders. The card is known by its mask only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReservation {
    pub user_id: i64,
    pub user_address: String,
    pub product_id: i64,
    pub product_name: String,
    /// In the smallest unit of the currency.
    pub price: i64,
    pub masked_card: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// On disk, waits for its payment.
    Pending,
    /// Paid for.
    Reservated,
    Cancelled,
}

impl Status {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Reservated, Self::Cancelled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Reservated => "reservated",
            Self::Cancelled => "reservation_cancelled",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// The bank said no.
    Declined,
    /// payment was not reached, or did not take the request.
    NotSent,
    /// payment does not charge for this reservation.
    Refused,
    /// payment was asked and no answer came.
    Unknown,
    /// The process that took the reservation died in the middle.
    Abandoned,
    ByCustomer,
}

impl CancelReason {
    pub const ALL: [Self; 6] =
        [Self::Declined, Self::NotSent, Self::Refused, Self::Unknown, Self::Abandoned, Self::ByCustomer];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declined => reason::PAYMENT_DECLINED,
            Self::NotSent => reason::PAYMENT_NOT_SENT,
            Self::Refused => reason::PAYMENT_REFUSED,
            Self::Unknown => reason::PAYMENT_UNKNOWN,
            Self::Abandoned => reason::ABANDONED,
            Self::ByCustomer => reason::CANCELLED_BY_CUSTOMER,
        }
    }
}

/// A reservation. Its version counts the facts told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    pub id: i64,
    pub details: NewReservation,
    pub status: Status,
    pub version: i64,
    /// Epoch milliseconds.
    pub created_at: i64,
    pub modified_at: i64,
    pub cancel_reason: Option<CancelReason>,
    pub cancel_detail: Option<String>,
}

/// What a command did to the aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Changed; this is to be told.
    Applied(Envelope),
    /// It was so before; a repeated command is no error.
    AlreadyApplied,
    /// Not possible from where the aggregate stands.
    Refused,
}

impl Reservation {
    pub fn pending(id: i64, details: NewReservation, now: i64) -> Self {
        Self {
            id,
            details,
            status: Status::Pending,
            version: 0,
            created_at: now,
            modified_at: now,
            cancel_reason: None,
            cancel_detail: None,
        }
    }

    /// The payment came about.
    pub fn confirm(&mut self, now: i64) -> Transition {
        match self.status {
            Status::Pending => {
                self.status = Status::Reservated;
                self.touch(now);
                Transition::Applied(self.created_fact())
            }
            Status::Reservated => Transition::AlreadyApplied,
            Status::Cancelled => Transition::Refused,
        }
    }

    pub fn cancel(&mut self, why: CancelReason, detail: Option<String>, now: i64) -> Transition {
        match self.status {
            Status::Pending | Status::Reservated => {
                self.status = Status::Cancelled;
                self.cancel_reason = Some(why);
                self.cancel_detail = detail;
                self.touch(now);
                Transition::Applied(self.cancelled_fact(why))
            }
            Status::Cancelled => Transition::AlreadyApplied,
        }
    }

    fn touch(&mut self, now: i64) {
        self.version += 1;
        // A clock that was set back must not make a reservation younger than its creation.
        self.modified_at = now.max(self.modified_at);
    }

    fn created_fact(&self) -> Envelope {
        Envelope::of(&ReservationCreated(self.told()), self.modified_at)
    }

    fn cancelled_fact(&self, why: CancelReason) -> Envelope {
        let cancelled = ReservationCancelled {
            reservation: self.told(),
            reason: why.as_str().to_owned(),
            detail: self.cancel_detail.clone(),
        };
        Envelope::of(&cancelled, self.modified_at)
    }

    /// As facts tell of it.
    fn told(&self) -> events::Reservation {
        let NewReservation { user_id, user_address, product_id, product_name, price, masked_card } =
            self.details.clone();
        events::Reservation {
            id: self.id,
            purchase: Purchase { user_id, product_id, product_name, price },
            user_address,
            card_no: masked_card,
            created_at: self.created_at,
            modified_at: self.modified_at,
            version: self.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order() -> NewReservation {
        NewReservation {
            user_id: 1,
            user_address: "seoul".into(),
            product_id: 1,
            product_name: "fold".into(),
            price: 1_300_000,
            masked_card: "****-****-****-1234".into(),
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Command {
        Confirm,
        Cancel(CancelReason),
    }

    fn command() -> impl Strategy<Value = Command> {
        prop_oneof![
            Just(Command::Confirm),
            proptest::sample::select(CancelReason::ALL.to_vec()).prop_map(Command::Cancel),
        ]
    }

    proptest! {
        #[test]
        fn a_cancelled_reservation_stays_cancelled_for_its_first_reason(
            commands in proptest::collection::vec((command(), -5i64..5), 0..12)
        ) {
            let mut reservation = Reservation::pending(7, order(), 1_000);
            let mut told = Vec::new();
            let mut first_cancel = None;
            for (command, drift) in commands {
                let before = reservation.clone();
                let transition = match command {
                    Command::Confirm => reservation.confirm(1_000 + drift),
                    Command::Cancel(why) => {
                        first_cancel.get_or_insert(why);
                        reservation.cancel(why, None, 1_000 + drift)
                    }
                };
                match transition {
                    Transition::Applied(fact) => {
                        prop_assert_eq!(fact.version, before.version + 1);
                        told.push(fact);
                    }
                    Transition::AlreadyApplied | Transition::Refused => {
                        prop_assert_eq!(&reservation, &before);
                    }
                }
                prop_assert!(reservation.modified_at >= reservation.created_at);
            }
            prop_assert_eq!(reservation.cancel_reason, first_cancel);
            prop_assert_eq!(reservation.version, told.len() as i64);
            let names: Vec<_> = told.iter().map(|fact| fact.fact_type).collect();
            prop_assert!(
                [&[][..], &["ReservationCreated"], &["ReservationCancelled"],
                 &["ReservationCreated", "ReservationCancelled"]].contains(&names.as_slice())
            );
        }
    }

    #[test]
    fn a_payment_that_comes_after_the_cancellation_is_refused() {
        let mut reservation = Reservation::pending(7, order(), 0);
        reservation.cancel(CancelReason::Abandoned, None, 1);
        assert_eq!(reservation.confirm(2), Transition::Refused);
    }
}
