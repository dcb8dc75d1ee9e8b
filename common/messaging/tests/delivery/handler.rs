use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use messaging::{HandleError, Handler, Outbox, ReceivedRecord, Unreadable};
use storage::Tx;
use testkit::record;

pub(crate) const CAUSED: &str = "caused";

/// Before the payload of a fact that came again in another record, and changed nothing.
pub(crate) const REPEATED: &str = "again: ";

/// What a record does to whoever handles it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It can never be applied.
    Poison,
    Panic,
    /// A statement that it causes is wrong.
    BadStatement,
    /// The database goes away.
    Away,
    /// None: the record is no concern of this handler's.
    Foreign,
}

/// Writes one row and one caused record for each record, and does what it was told to with some.
pub(crate) struct TestHandler {
    pub(crate) outbox: Outbox,
    faults: Mutex<HashMap<String, Fault>>,
    /// How often each payload was tried.
    tries: Mutex<BTreeMap<String, usize>>,
    pub(crate) largest_batch: AtomicUsize,
    pub(crate) committed: AtomicUsize,
    /// How often it was given records.
    pub(crate) calls: AtomicUsize,
    /// Knows facts that were applied already, as a service does whose facts are numbered.
    skips_repeats: bool,
}

impl TestHandler {
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self {
            outbox,
            faults: Mutex::default(),
            tries: Mutex::default(),
            largest_batch: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            skips_repeats: false,
        }
    }

    pub(crate) fn skipping_repeats(mut self) -> Self {
        self.skips_repeats = true;
        self
    }

    pub(crate) fn set(&self, payload: impl ToString, fault: Fault) {
        self.faults().insert(payload.to_string(), fault);
    }

    pub(crate) fn heal(&self, payload: impl ToString) {
        self.faults().remove(&payload.to_string());
    }

    pub(crate) fn tries(&self, payload: impl ToString) -> usize {
        self.tries.lock().unwrap().get(&payload.to_string()).copied().unwrap_or(0)
    }

    fn tried(&self, payload: &str) {
        *self.tries.lock().unwrap().entry(payload.to_owned()).or_default() += 1;
    }

    fn faults(&self) -> MutexGuard<'_, HashMap<String, Fault>> {
        self.faults.lock().unwrap()
    }

    async fn is_known(
        &self,
        tx: &mut Tx,
        received: &ReceivedRecord,
        payload: &str,
    ) -> Result<bool, sqlx::Error> {
        let known: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM effect WHERE record_key = $1 AND payload = $2")
                .bind(received.record.key.clone())
                .bind(payload)
                .fetch_one(&mut **tx)
                .await?;
        Ok(known > 0)
    }

    async fn write(&self, tx: &mut Tx, received: &ReceivedRecord, payload: &str) -> Result<(), sqlx::Error> {
        let text = "SELECT owner FROM inbox_position WHERE topic = $1 AND log_partition = $2";
        let owner: String = sqlx::query_scalar(text)
            .bind(received.record.topic.clone())
            .bind(received.partition)
            .fetch_one(&mut **tx)
            .await?;
        let repeated = self.skips_repeats && self.is_known(tx, received, payload).await?;
        let payload = if repeated { format!("{REPEATED}{payload}") } else { payload.to_owned() };
        sqlx::query("INSERT INTO effect (log_offset, record_key, payload, owner) VALUES ($1, $2, $3, $4)")
            .bind(received.offset)
            .bind(received.record.key.as_ref().map(|key| key.replace('\0', "NUL")))
            .bind(payload.as_str())
            .bind(owner)
            .execute(&mut **tx)
            .await?;
        if repeated {
            return Ok(());
        }
        let key = received.record.key.clone().unwrap_or_default();
        self.outbox.append(tx, &[record(CAUSED, key, payload)]).await
    }
}

#[async_trait]
impl Handler for TestHandler {
    /// A record, its payload, and what it does.
    type Instruction = (ReceivedRecord, String, Option<Fault>);

    fn instruction(&self, received: &ReceivedRecord) -> Result<Option<Self::Instruction>, Unreadable> {
        let payload = str::from_utf8(&received.record.payload).map_err(|_| Unreadable("not\0text".into()))?;
        match self.faults().get(payload).copied() {
            Some(Fault::Poison) => {
                self.tried(payload);
                Err(Unreadable("poison".to_owned()))
            }
            Some(Fault::Foreign) => Ok(None),
            fault => Ok(Some((received.clone(), payload.to_owned(), fault))),
        }
    }

    async fn apply(&self, tx: &mut Tx, instructions: Vec<Self::Instruction>) -> Result<(), HandleError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.largest_batch.fetch_max(instructions.len(), Ordering::Relaxed);
        for (received, payload, fault) in &instructions {
            self.tried(payload);
            match fault {
                Some(Fault::Panic) => panic!("the test panics at {payload}"),
                Some(Fault::Away) => return Err(sqlx::Error::PoolTimedOut.into()),
                Some(Fault::BadStatement) => {
                    sqlx::query("SELECT id FROM no_such_table").execute(&mut **tx).await?;
                }
                _ => self.write(tx, received, payload).await?,
            }
        }
        Ok(())
    }

    fn committed(&self) {
        self.committed.fetch_add(1, Ordering::Relaxed);
    }
}
