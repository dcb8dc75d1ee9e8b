//! What an operator says when the log that was read will not come back: read the one that is there, from its beginning.
//!
//! Effects are keyed by what a fact is about, so facts that are told again change nothing.

use storage::Database;

use crate::inbox::read_place;
use crate::log::{EventLog, EventLogError};
use crate::mark::{NotOurLog, Place, Verdict};

/// Subtracted from the offsets of a former log's dead letters: they keep their order, and make room for the new log's.
const FORMER: i64 = 1 << 62;

/// No replica has this name, so each reader claims its partition again.
const OWNER: &str = "begin-anew";

/// What was found of a partition, and done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub partition: i32,
    pub read_up_to: i64,
    /// Where reading begins anew; `None`: this is the log that was read, and it is read on.
    pub begins_at: Option<i64>,
    /// Why this is not the log that was read.
    pub because: Option<NotOurLog>,
    /// The log has no such partition any more.
    pub gone: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum BeginAnewError {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the event log failed")]
    Log(#[from] EventLogError),
}

/// Sets the positions of a service to where the log begins: of the partitions whose log is not the one that was read, or
/// of all. The service may run meanwhile; it goes on by itself.
///
/// # Errors
/// Database or log cannot be asked. Nothing is changed then.
pub async fn begin_anew(
    database: &Database,
    log: &dyn EventLog,
    topic: &str,
    all: bool,
) -> Result<Vec<Partition>, BeginAnewError> {
    let rows: Vec<(i32, i64, Option<String>, Option<String>)> = sqlx::query_as(
        "SELECT log_partition, next_offset, mark, anchor FROM inbox_position WHERE topic = $1 ORDER BY log_partition",
    )
    .bind(topic.to_owned())
    .fetch_all(database.reader())
    .await?;
    let places: Vec<(i32, Place)> = rows
        .into_iter()
        .map(|(partition, next_offset, mark, anchor)| (partition, read_place((next_offset, mark, anchor))))
        .collect();
    if places.is_empty() {
        return Ok(Vec::new());
    }
    // A group of its own: the service's group is not disturbed.
    let group = format!("begin-anew.{}", uuid::Uuid::new_v4());
    let mut subscription = log.subscribe(topic, &group).await?;
    let at = places.iter().map(|(partition, place)| (*partition, place.offsets())).collect();
    let views = subscription.look(at).await?;

    let mut tx = database.begin().await?;
    let mut done = Vec::with_capacity(places.len());
    for (partition, place) in places {
        let view = views.iter().find(|view| view.partition == partition);
        let verdict = view.map(|view| place.judge(view));
        let is_same = matches!(verdict, Some(Verdict::Same { proven: true, .. }));
        let because = match verdict {
            Some(Verdict::Other(why)) => Some(why),
            _ => None,
        };
        let anew = all || because.is_some() || view.is_none();
        let begins_at = view.filter(|_| anew).map(|view| view.begin);
        if anew && !is_same && !matches!(because, Some(NotOurLog::BeginsBehind { .. })) {
            // They are another log's records, also where the offsets are the same.
            sqlx::query(
                "UPDATE dead_letter SET log_offset = log_offset - $1 \
                 WHERE topic = $2 AND log_partition = $3 AND log_offset >= 0",
            )
            .bind(FORMER)
            .bind(topic.to_owned())
            .bind(partition)
            .execute(&mut *tx)
            .await?;
        }
        if let Some(begin) = begins_at {
            sqlx::query(
                "UPDATE inbox_position SET owner = $1, next_offset = $2, mark = NULL, anchor = NULL \
                 WHERE topic = $3 AND log_partition = $4",
            )
            .bind(OWNER)
            .bind(begin)
            .bind(topic.to_owned())
            .bind(partition)
            .execute(&mut *tx)
            .await?;
        } else if view.is_none() {
            sqlx::query("DELETE FROM inbox_position WHERE topic = $1 AND log_partition = $2")
                .bind(topic.to_owned())
                .bind(partition)
                .execute(&mut *tx)
                .await?;
        }
        let (read_up_to, gone) = (place.next_offset, view.is_none());
        done.push(Partition { partition, read_up_to, begins_at, because, gone });
    }
    tx.commit().await?;
    Ok(done)
}
