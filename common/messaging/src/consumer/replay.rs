//! Replaying and discarding dead letters, inside the consumer that owns the partition, so that the order of a key
//! holds against the records that arrive meanwhile.
//!
//! A request is served in steps, one record and one transaction each. The step that removes a record hands the
//! request on to the next one of its key, so that whoever continues after a crash finds it there.

use storage::Tx;

use super::partition::Failed;
use super::reader::Reader;
use crate::dead_letters::{self, DeadLetter, DeadLetters};
use crate::handler::Handler;

/// What one step came to.
enum Step {
    /// Nothing is asked for any more.
    Idle,
    /// Done, and there may be more. Nothing of this key is set aside any more, if one is named.
    Done { freed: Option<String> },
    /// The record is at fault (again). The operator's request ends with it.
    Failed(Box<Failure>),
}

struct Failure {
    asked: DeadLetter,
    tried: DeadLetter,
    reason: String,
}

/// Serves what is asked for of our partitions, for as long as a batch may take. True: there is more.
pub(super) async fn serve_requests<H: Handler>(reader: &mut Reader<H>) -> bool {
    let letters = DeadLetters::new(reader.database().clone());
    let partitions = match letters.requested_partitions(&reader.consumer.topic).await {
        Ok(partitions) => partitions,
        Err(error) => {
            tracing::debug!(%error, "requests for dead letters not read; looking again");
            return false;
        }
    };
    let mut steps_left = reader.consumer.settings.batch;
    for partition in partitions {
        while reader.position(partition).is_some() && !reader.is_stopping() {
            if steps_left == 0 {
                return true;
            }
            steps_left -= 1;
            match step(reader, partition).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(partition, ?error, "dead letters not replayed; trying again");
                    break;
                }
            }
        }
    }
    false
}

/// False: nothing is asked for any more.
async fn step<H: Handler>(reader: &mut Reader<H>, partition: i32) -> Result<bool, Failed> {
    // Taken, and put back where the step is known to have ended: else they are read again. Reading them after each
    // step would cost the more the more there are.
    let mut blocked = reader.position(partition).and_then(|position| position.blocked.take());
    let served = serve(reader, partition).await?;
    if let (Step::Done { freed: Some(key) }, Some(blocked)) = (&served, &mut blocked) {
        blocked.remove(key);
    }
    if let Some(position) = reader.position(partition) {
        position.blocked = blocked;
    }
    match served {
        Step::Idle => Ok(false),
        Step::Done { .. } => Ok(true),
        Step::Failed(failure) => {
            let Failure { asked, tried, reason } = *failure;
            tracing::warn!(id = tried.id, %reason, "replay failed; the record stays a dead letter");
            let mut tx = reader.database().begin().await?;
            reader.guard(&mut tx, partition, None).await?;
            dead_letters::failed_again(&mut tx, tried.id, &reason).await?;
            if tried.id != asked.id {
                dead_letters::withdraw_request(&mut tx, asked.id).await?;
            }
            tx.commit().await?;
            Ok(true)
        }
    }
}

async fn serve<H: Handler>(reader: &mut Reader<H>, partition: i32) -> Result<Step, Failed> {
    let mut tx = reader.database().begin().await?;
    reader.guard(&mut tx, partition, None).await?;
    let Some(asked) = dead_letters::requested(&mut tx, &reader.consumer.topic, partition).await? else {
        return Ok(Step::Idle);
    };
    if asked.is_to_be_discarded() {
        dead_letters::remove(&mut tx, asked.id).await?;
        let first = dead_letters::first_of_key(&mut tx, &asked).await?;
        let freed = if first.is_none() { asked.key.clone() } else { None };
        if let Some(first) = first.filter(DeadLetter::is_waiting) {
            dead_letters::request_replay(&mut tx, first.id).await?;
        }
        tx.commit().await?;
        tracing::info!(id = asked.id, key = asked.key.as_deref(), "dead letter discarded");
        return Ok(Step::Done { freed });
    }
    let Some(tried) = dead_letters::first_of_key(&mut tx, &asked).await? else {
        return Ok(Step::Idle);
    };
    if tried.id != asked.id && tried.is_to_be_discarded() {
        // Not to be replayed: its own request, which is younger, comes first.
        dead_letters::remove(&mut tx, tried.id).await?;
        tx.commit().await?;
        return Ok(Step::Done { freed: None });
    }
    match reader.handle_one(&mut tx, &tried.received()).await {
        Ok(()) => {}
        Err(Failed::Unattributed(reason)) => {
            return Ok(Step::Failed(Box::new(Failure { asked, tried, reason })));
        }
        Err(Failed::Records(bad)) => {
            let reason = bad.into_iter().map(|(_, reason)| reason).collect::<Vec<_>>().join("; ");
            return Ok(Step::Failed(Box::new(Failure { asked, tried, reason })));
        }
        Err(error) => return Err(error),
    }
    let freed = hand_on(&mut tx, &asked, &tried).await?;
    tx.commit().await?;
    reader.consumer.handler.committed();
    tracing::info!(id = tried.id, key = tried.key.as_deref(), "dead letter replayed");
    Ok(Step::Done { freed })
}

/// The record goes; what waits behind it is next. The key, if nothing does.
async fn hand_on(tx: &mut Tx, asked: &DeadLetter, done: &DeadLetter) -> Result<Option<String>, Failed> {
    dead_letters::remove(tx, done.id).await?;
    if done.id != asked.id {
        return Ok(None);
    }
    match dead_letters::first_of_key(tx, done).await? {
        Some(next) => {
            dead_letters::request_replay(tx, next.id).await?;
            Ok(None)
        }
        None => Ok(done.key.clone()),
    }
}
