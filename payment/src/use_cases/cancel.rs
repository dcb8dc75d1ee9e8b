use std::collections::HashMap;

use failpoints::{sabotaged, step};

use crate::domain::{Change, Order, Payment, Transition};
use crate::use_cases::ports::Cancellations;

/// Marks the payments of cancelled reservations for undoing, and leaves a tombstone where the cancellation came
/// before the charge. No money moves here: [`crate::use_cases::RefundWorker`] does that once this is committed.
///
/// # Errors
/// Those of the transaction; nothing of it may be committed then.
pub async fn cancel<C: Cancellations>(
    payments: &mut C,
    cancelled: Vec<Order>,
    now: i64,
) -> Result<(), C::Error> {
    // The same reservation may be in a batch twice.
    let mut open: HashMap<i64, Order> =
        cancelled.into_iter().map(|order| (order.reservation_id, order)).collect();
    // A round normally settles all of them. Where a charge was finished just between reading and writing, another
    // round sees its result; a payment changes at most a few times, so this ends.
    while !open.is_empty() {
        let mut ids: Vec<i64> = open.keys().copied().collect();
        ids.sort_unstable();
        step!("payment.cancel.before_read");
        let found = payments.of_reservations(&ids).await?;
        let changes = changes(&found, now);
        let saved = if changes.is_empty() {
            Vec::new()
        } else {
            step!("payment.cancel.before_save");
            payments.save(&changes).await?
        };

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
        if !without_payment.is_empty() && sabotaged!("no_tombstone_at_payment") {
            return Ok(());
        }
        if !without_payment.is_empty() {
            step!("payment.cancel.before_tombstones");
            payments.put_tombstones(&without_payment, now).await?;
            // Whose tombstone was not needed has a payment by now: the next round cancels that.
        }
    }
    step!("payment.cancel.after");
    Ok(())
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
