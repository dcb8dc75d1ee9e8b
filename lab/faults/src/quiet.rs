//! When to ask: once everything is at rest, or 60 s after everything runs again.

use std::time::{Duration, Instant};

use crate::audit::{Violation, audit};
use crate::customers::Shop;
use crate::snapshot::Snapshot;
use harness::{Error, Ground};

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What was found, and what lay there then.
pub struct Verdict {
    pub violations: Vec<Violation>,
    pub snapshot: Snapshot,
    /// How long it took until nothing was open.
    pub quiet_after: Duration,
}

/// Audits until nothing is found twice in a row, or until the deadline: what is found then is what is wrong.
///
/// # Errors
/// Something cannot be read.
pub async fn verdict(
    ground: &Ground,
    shop: &Shop,
    running_since: Instant,
    deadline: Instant,
) -> Result<Verdict, Error> {
    let mut clean_before = None;
    loop {
        let started = Instant::now();
        let snapshot = Snapshot::take(ground).await?;
        let violations = audit(&shop.book.pages(), &snapshot);
        if violations.is_empty() {
            match clean_before {
                // What comes late comes after the first look.
                Some(quiet_after) => return finish(ground, shop, snapshot, quiet_after).await,
                None => clean_before = Some(started - running_since),
            }
        } else {
            clean_before = None;
            if Instant::now() > deadline {
                return finish(ground, shop, snapshot, running_since.elapsed()).await;
            }
        }
        tokio::time::sleep(LOOK_EVERY.max(2 * started.elapsed())).await;
    }
}

async fn finish(
    ground: &Ground,
    shop: &Shop,
    mut snapshot: Snapshot,
    quiet_after: Duration,
) -> Result<Verdict, Error> {
    snapshot.look_for_cards(ground).await?;
    let violations = audit(&shop.book.pages(), &snapshot);
    Ok(Verdict { violations, snapshot, quiet_after })
}
