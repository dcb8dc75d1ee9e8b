//! What happened to a reservation, step by step.

use super::status::Status;

use super::{Cancellation, Facet, MyReservation, Outcome, Step, WaitingFor};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    pub reservation_id: i64,
    pub outcome: Outcome,
    /// When the reservation was asked for.
    pub started_at: i64,
    /// When the last step came, once the saga is finished.
    pub ended_at: Option<i64>,
    pub waiting_for: Vec<WaitingFor>,
    pub cancellation: Option<Cancellation>,
    pub steps: Vec<TimelineStep>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineStep {
    pub step: Step,
    /// Since the reservation was asked for.
    pub after_ms: i64,
    /// Since the step before.
    pub duration_ms: i64,
}

impl Timeline {
    pub fn of(view: &MyReservation, steps: Vec<Step>) -> Self {
        let started_at = view.purchase.created_at;
        let outcome = view.outcome();
        let mut before = started_at;
        let steps: Vec<TimelineStep> = in_order(steps)
            .into_iter()
            .map(|step| {
                // Each producer has its own clock: a step that seems to be earlier than the one before took no time.
                let duration_ms = step.at_ms.saturating_sub(before).max(0);
                let after_ms = step.at_ms.saturating_sub(started_at).max(0);
                before = before.max(step.at_ms);
                TimelineStep { step, after_ms, duration_ms }
            })
            .collect();
        Self {
            reservation_id: view.id,
            outcome,
            started_at,
            ended_at: outcome.is_finished().then_some(before),
            waiting_for: view.saga().waiting_for(),
            cancellation: view.reservation.as_ref().and_then(|facet| facet.cancellation.clone()),
            steps,
        }
    }
}

/// By time between producers; by version, whatever the clocks say, within one.
fn in_order(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort_by_key(|step| (step.facet(), step.version));
    let mut heads = Facet::ALL.map(|facet| {
        let of_facet: Vec<Step> = steps.iter().filter(|step| step.facet() == facet).cloned().collect();
        of_facet.into_iter().peekable()
    });
    std::iter::from_fn(|| {
        let earliest = heads
            .iter_mut()
            .filter_map(|head| {
                // Equal times: in the order in which a saga goes.
                let place = head.peek().map(|step| (step.at_ms, saga_order(step.status)))?;
                Some((place, head))
            })
            .min_by_key(|(place, _)| *place);
        earliest.and_then(|(_, head)| head.next())
    })
    .collect()
}

/// The charge is committed before the reservation is; a cancellation goes from the reservation outwards.
fn saga_order(status: Status) -> u8 {
    match status {
        Status::Paid => 0,
        Status::Reservated => 1,
        Status::ReceiptIssued => 2,
        Status::ReservationCancelled => 3,
        Status::PaymentCancelled => 4,
        Status::ReceiptCancelled => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::Status::*;

    use super::*;

    fn step(status: Status, version: i64, at_ms: i64) -> Step {
        Step { reservation_id: 7, version, status, at_ms, trace_id: None, attempts: None }
    }

    fn order(steps: &[Step]) -> Vec<Status> {
        in_order(steps.to_vec()).iter().map(|step| step.status).collect()
    }

    #[test]
    fn steps_stand_in_the_order_of_time() {
        let steps = [
            step(ReceiptIssued, 1, 30),
            step(ReservationCancelled, 2, 40),
            step(Reservated, 1, 20),
            step(PaymentCancelled, 2, 50),
            step(Paid, 1, 10),
        ];
        assert_eq!(order(&steps), [Paid, Reservated, ReceiptIssued, ReservationCancelled, PaymentCancelled]);
    }

    #[test]
    fn a_clock_that_jumped_back_cannot_turn_versions_around() {
        let steps = [step(ReservationCancelled, 2, 5), step(Reservated, 1, 20)];
        assert_eq!(order(&steps), [Reservated, ReservationCancelled]);
        assert_eq!(order(&[step(Reservated, 1, 20), step(Paid, 1, 20)]), [Paid, Reservated]);
    }
}
