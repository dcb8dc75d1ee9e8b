//! Records that cannot be applied are set aside, and later ones of their keys with them.

use storage::{Tx, sql};

use super::partition::Failed;
use super::reader::Reader;
use crate::dead_letters::{self, Aside};
use crate::handler::Handler;
use crate::set_aside::dead_letter_record;

/// How many records one statement sets aside.
const LARGEST_GROUP: usize = 64;
/// Of one batch, how many bad records the log names. All of them are in the table.
const LOGGED: usize = 10;

impl<H: Handler> Reader<H> {
    /// Few statements, whatever the number of records.
    pub(super) async fn set_aside(&self, tx: &mut Tx, aside: &[Aside<'_>]) -> Result<(), Failed> {
        let mut logged = 0;
        for group in sql::chunks(aside, LARGEST_GROUP) {
            let mut copies = Vec::new();
            for Aside { received, verdict } in group {
                let Some(verdict) = verdict else { continue };
                logged += 1;
                if logged <= LOGGED {
                    tracing::warn!(
                        partition = received.partition,
                        offset = received.offset,
                        key = received.record.key.as_deref(),
                        reason = %verdict.reason,
                        attempts = verdict.attempts,
                        "record set aside as a dead letter"
                    );
                }
                copies.push(dead_letter_record(
                    received,
                    self.consumer.group,
                    &verdict.reason,
                    verdict.attempts,
                ));
            }
            dead_letters::set_aside(tx, group).await?;
            self.consumer.outbox.append(tx, &copies).await?;
        }
        if logged > LOGGED {
            tracing::warn!(records = logged, "records set aside as dead letters; only the first were named");
        }
        Ok(())
    }
}
