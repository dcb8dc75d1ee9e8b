//! What an operator asks for: of one letter, or of many at once. The running service does it, a record at a time.

use serde::Deserialize;
use storage::Dialect;

use super::reason::legible;
use super::{DEAD, DISCARD, DeadLetters, REPLAY};
use crate::key_text;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Process the record and what waits behind it, in order; what is set aside before it of its key comes first.
    Replay,
    /// Forget the record, and process what waits behind it if nothing dead is left before that.
    Discard,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The service does it within a second or two.
    Noted,
    /// There is no such record.
    NotThere,
    /// Nothing is wrong with this record: it waits behind another one, and whoever discards it loses its effect, a
    /// refund for instance. Nothing is asked for unless it is forced.
    OnlyWaiting,
}

/// Which letters are meant: those for which everything holds that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The reason contains this text.
    pub reason: Option<String>,
    pub key: Option<String>,
    /// The record was written at this moment or later, in epoch milliseconds.
    pub from_ms: Option<i64>,
    /// The record was written before this moment.
    pub until_ms: Option<i64>,
}

impl Request {
    fn as_str(self) -> &'static str {
        match self {
            Self::Replay => REPLAY,
            Self::Discard => DISCARD,
        }
    }
}

impl DeadLetters {
    /// Asks the running service to replay or discard; it does so within a second or two, in order with the
    /// records that arrive meanwhile. A record that only waits is discarded where `forced`.
    ///
    /// # Errors
    /// The database's.
    pub async fn request(&self, id: i64, request: Request, forced: bool) -> Result<Asked, sqlx::Error> {
        let of_any_status = forced || request == Request::Replay;
        let marked =
            sqlx::query("UPDATE dead_letter SET requested = $1 WHERE id = $2 AND (status = $3 OR 1 = $4)")
                .bind(request.as_str())
                .bind(id)
                .bind(DEAD)
                .bind(i32::from(of_any_status))
                .execute(self.database.writer().await?)
                .await?;
        if marked.rows_affected() == 1 {
            return Ok(Asked::Noted);
        }
        let there: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM dead_letter WHERE id = $1")
            .bind(id)
            .fetch_one(self.database.reader())
            .await?;
        Ok(if there == 0 { Asked::NotThere } else { Asked::OnlyWaiting })
    }

    /// The same for all dead ones that are selected; what waits behind them follows. One statement. How many they are.
    ///
    /// # Errors
    /// The database's.
    pub async fn request_all(&self, request: Request, of: &Selection) -> Result<u64, sqlx::Error> {
        let find = match self.database.dialect() {
            Dialect::Sqlite => "instr",
            Dialect::Postgres => "strpos",
        };
        // A parameter that is not given is one that always holds: one text for all selections.
        let text = format!(
            "UPDATE dead_letter SET requested = $1 WHERE status = $2 AND {find}(reason, $3) > 0 \
             AND (1 = $4 OR (substr(record_key, 1, 64) = substr($5, 1, 64) AND record_key = $5)) \
             AND timestamp_ms >= $6 AND timestamp_ms < $7"
        );
        let key = of.key.as_deref().map(key_text::encode);
        let marked = sqlx::query(sqlx::AssertSqlSafe(text))
            .bind(request.as_str())
            .bind(DEAD)
            .bind(legible(of.reason.as_deref().unwrap_or_default()))
            .bind(i32::from(key.is_none()))
            .bind(key.unwrap_or_default())
            .bind(of.from_ms.unwrap_or(i64::MIN))
            .bind(of.until_ms.unwrap_or(i64::MAX))
            .execute(self.database.writer().await?)
            .await?;
        Ok(marked.rows_affected())
    }
}
