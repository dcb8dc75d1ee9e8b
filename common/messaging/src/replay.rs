//! Replaying and discarding dead letters, inside the consumer that owns the partition, so that the order of a key
//! holds against the records that arrive meanwhile.

use crate::consumer::{Failed, Reader};
use crate::dead_letters::{self, DeadLetter, DeadLetters};

pub(crate) async fn serve_requests(reader: &Reader) {
    let letters = DeadLetters::new(reader.database().clone());
    let requested = match letters.requested().await {
        Ok(requested) => requested,
        Err(error) => {
            tracing::debug!(%error, "requests for dead letters not read; looking again");
            return;
        }
    };
    for letter in requested
        .into_iter()
        .filter(|letter| reader.owns(letter.partition))
    {
        if let Err(error) = serve(reader, &letters, &letter).await {
            tracing::warn!(
                id = letter.id,
                ?error,
                "dead letter not replayed; trying again"
            );
        }
    }
}

async fn serve(
    reader: &Reader,
    letters: &DeadLetters,
    requested: &DeadLetter,
) -> Result<(), Failed> {
    // An earlier request of this round may have taken it along with its key.
    let Some(requested) = letters.show(requested.id).await? else {
        return Ok(());
    };
    if requested.requested == "discard" {
        tracing::info!(
            id = requested.id,
            key = requested.key.as_deref(),
            "dead letter discarded"
        );
    }
    for letter in letters.of_key(&requested).await? {
        let discard = letter.id == requested.id && requested.requested == "discard";
        match settle(reader, &letter, discard).await {
            Ok(()) => {}
            Err(Failed::Record { reason, .. } | Failed::Unattributed(reason)) => {
                dead_letters::failed_again(reader.database(), letter.id, &reason).await?;
                if letter.id != requested.id {
                    dead_letters::withdraw_request(reader.database(), requested.id).await?;
                }
                tracing::warn!(id = letter.id, %reason, "replay failed; the record stays a dead letter");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One record and its row, in one transaction. The row leaves last, so the key stays blocked until the end.
async fn settle(reader: &Reader, letter: &DeadLetter, discard: bool) -> Result<(), Failed> {
    let mut tx = reader.database().begin().await?;
    reader.guard(&mut tx, letter.partition, None).await?;
    if !discard {
        reader.handle(&mut tx, &[letter.received()]).await?;
    }
    dead_letters::remove(&mut tx, letter.id).await?;
    reader.consumer.outbox.commit(tx).await?;
    reader.consumer.handler.committed();
    Ok(())
}
