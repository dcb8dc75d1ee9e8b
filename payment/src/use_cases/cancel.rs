use storage::{FoldError, Tx, fold};

use crate::domain::{Order, Payment, Transition};
use crate::use_cases::ports::Cancellations;

/// Marks the payments of cancelled reservations for undoing, and leaves a tombstone where the cancellation came
/// before the charge. No money moves here: [`crate::use_cases::RefundWorker`] does that once this is committed.
///
/// # Errors
/// The store's. [`FoldError::Unsettled`] if another transaction changes a payment in every round. An operator has to look at that
/// payment; the transaction ends, so that it does not block the others.
pub async fn cancel(
    tx: &mut Tx,
    payments: &Cancellations,
    cancelled: &[Order],
    now: i64,
) -> Result<(), FoldError> {
    let key = |order: &Order| order.reservation_id;
    fold(tx, payments, cancelled, key, |payment, order| match payment {
        None => {
            *payment = Some(Payment::tombstone(order.clone(), now));
            None
        }
        Some(known) => match known.cancel(now) {
            Transition::Applied(change) => {
                *known = change.after().clone();
                Some(change)
            }
            Transition::AlreadyApplied | Transition::Refused(_) => None,
        },
    })
    .await
}
