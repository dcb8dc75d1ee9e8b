use std::collections::HashMap;

use crate::domain::{Change, Order, Payment, Transition};
use crate::use_cases::ports::Cancellations;

/// Retry limit of the optimistic lock. A payment changes at most a few times, so more conflicts are a bug.
const MOST_ROUNDS: u32 = 16;

/// Marks the payments of cancelled reservations for undoing, and leaves a tombstone where the cancellation came
/// before the charge. No money moves here: [`crate::use_cases::RefundWorker`] does that once this is committed.
///
/// Says whose payment would not change whatever was tried: something is wrong with it that only a person can mend. It must
/// not be tried for ever, the transaction keeps everybody else waiting.
///
/// # Errors
/// Those of the transaction; nothing of it may be committed then, nor where a reservation was not settled.
pub async fn cancel<C: Cancellations>(
    payments: &mut C,
    cancelled: Vec<Order>,
    now: i64,
) -> Result<Vec<i64>, C::Error> {
    // The same reservation may be in a batch twice.
    let mut open: HashMap<i64, Order> =
        cancelled.into_iter().map(|order| (order.reservation_id, order)).collect();
    // A round normally settles all of them. Where a charge was finished just between reading and writing, another
    // round sees its result; a payment changes at most a few times.
    for _ in 0..MOST_ROUNDS {
        if open.is_empty() {
            break;
        }
        let mut ids: Vec<i64> = open.keys().copied().collect();
        ids.sort_unstable();
        let found = payments.of_reservations(&ids).await?;
        let changes = changes(&found, now);
        let saved = if changes.is_empty() { Vec::new() } else { payments.save(&changes).await? };

        let overtaken: Vec<i64> = changes
            .iter()
            .zip(saved)
            .filter(|(_, saved)| !saved)
            .map(|(change, _)| change.after().order.reservation_id)
            .collect();
        for payment in &found {
            if !overtaken.contains(&payment.order.reservation_id) {
                open.remove(&payment.order.reservation_id);
            }
        }
        let without_payment: Vec<Order> =
            open.values().filter(|order| !overtaken.contains(&order.reservation_id)).cloned().collect();
        if !without_payment.is_empty() {
            payments.put_tombstones(&without_payment, now).await?;
            // Whose tombstone was not needed has a payment by now: the next round cancels that.
        }
    }
    let mut unsettled: Vec<i64> = open.into_keys().collect();
    unsettled.sort_unstable();
    Ok(unsettled)
}

fn changes(found: &[Payment], now: i64) -> Vec<Change> {
    found
        .iter()
        .filter_map(|payment| match payment.cancel(now) {
            Transition::Applied(change) => Some(change),
            Transition::AlreadyApplied | Transition::Refused(_) => None,
        })
        .collect()
}
