use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::AnyConnection;
use tokio::sync::Notify;

use crate::connections::{Lent, State};
use crate::dialect::Dialect;

/// A write transaction. Dropping it rolls back.
pub struct Tx {
    connection: Lent,
    /// What is one statement needs neither `BEGIN` nor `COMMIT`.
    begun: bool,
    ended: bool,
    woken_by_commit: Vec<Arc<Notify>>,
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tx")
    }
}

impl Tx {
    pub(crate) fn of_one_statement(connection: Lent) -> Self {
        Self { connection, begun: false, ended: false, woken_by_commit: Vec::new() }
    }

    pub(crate) async fn begin(mut connection: Lent) -> Result<Self, sqlx::Error> {
        let begin = match Dialect::of(&connection) {
            // Takes the write lock at once, so that it cannot fail half-way because another process was faster.
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        // Before: a `begin` that is dropped may have begun.
        connection.comes_back(State::InTransaction);
        let begun = sqlx::query(begin).execute(&mut *connection).await;
        begun.inspect_err(|error| said(&connection, error))?;
        Ok(Self { connection, begun: true, ended: false, woken_by_commit: Vec::new() })
    }

    /// Whoever waits there goes on once this transaction has committed. (Spring's `TransactionSynchronization.afterCommit`.)
    pub fn wakes(&mut self, waiting: &Arc<Notify>) {
        if !self.woken_by_commit.iter().any(|known| Arc::ptr_eq(known, waiting)) {
            self.woken_by_commit.push(Arc::clone(waiting));
        }
    }

    /// # Errors
    /// The database's; whether it was committed is then not known, unless the database itself refused.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        let woken = std::mem::take(&mut self.woken_by_commit);
        let ended = self.end("COMMIT").await;
        ended.inspect_err(|error| said(&self.connection, error))?;
        if let Some(writes) = self.connection.writes() {
            writes.committed()?;
        }
        for waiting in woken {
            waiting.notify_one();
        }
        Ok(())
    }

    /// # Errors
    /// The database's.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.end("ROLLBACK").await
    }

    async fn end(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        if self.begun {
            sqlx::query(statement).execute(&mut *self.connection).await?;
        }
        self.connection.comes_back(State::Clean);
        self.ended = true;
        Ok(())
    }
}

fn said(connection: &Lent, error: &sqlx::Error) {
    if let Some(writes) = connection.writes() {
        writes.work.failed(error);
    }
}

impl Drop for Tx {
    /// A statement failed, most likely; whoever has the error may say it, or not.
    fn drop(&mut self) {
        if !self.ended
            && let Some(writes) = self.connection.writes()
        {
            writes.gave_up();
        }
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}
