//! Group commit: what is asked for while a transaction is under way shares the next one.
//!
//! One request alone does not wait. Many requests at once cost little more than one. Source: DeWitt
//! et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984, section 5.2.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use crate::database::Database;
use crate::health::Writes;
use crate::pace::Pace;
use crate::store_error::StoreError;

/// Most requests of one transaction.
const LARGEST: usize = 64;

/// A transaction that can serve several requests at once.
pub trait Transact: Send + Sync + 'static {
    type Request: Send + Sync + 'static;
    type Answer: Send + 'static;

    /// Does everything or nothing of it, durably, and answers in the order of the requests.
    ///
    /// # Errors
    /// The database's.
    fn transact(
        &self,
        requests: &[Self::Request],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, StoreError>> + Send;
}

type Answered<T> = Result<<T as Transact>::Answer, StoreError>;

/// Cheap to clone; clones share the transactions, which begin at a [`Pace`].
pub struct GroupCommit<T: Transact> {
    shared: Arc<Shared<T>>,
}

impl<T: Transact> Clone for GroupCommit<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<T: Transact> {
    transaction: T,
    queue: Mutex<Queue<T>>,
    /// Of whoever is busy.
    pace: AsyncMutex<Pace>,
    /// Told of what fails.
    writes: Arc<Writes>,
    runtime: Handle,
}

struct Queue<T: Transact> {
    waiting: VecDeque<(T::Request, oneshot::Sender<Answered<T>>)>,
    /// Somebody works off what waits.
    busy: bool,
}

impl<T: Transact> GroupCommit<T> {
    /// Transactions run on the runtime on which this is called: a request whose own runtime ends takes nobody else's
    /// answer with it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(transaction: T, database: &Database) -> Self {
        let writes = Arc::clone(database.writes());
        let pace = Pace::new(database.commit_delay());
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), busy: false });
        let pace = AsyncMutex::new(pace);
        Self { shared: Arc::new(Shared { transaction, queue, pace, writes, runtime: Handle::current() }) }
    }

    /// Durable when it returns. Dropping the future does not withdraw the request.
    ///
    /// # Errors
    /// The database's. A request that the database refuses fails alone; one of a transaction whose end is not known has an
    /// unknown end, as the others of it.
    pub async fn submit(&self, request: T::Request) -> Answered<T> {
        let (answer, answered) = oneshot::channel();
        let idle = {
            let mut queue = self.shared.queue();
            queue.waiting.push_back((request, answer));
            !std::mem::replace(&mut queue.busy, true)
        };
        if idle {
            self.shared.runtime.spawn(Shared::work_off(Arc::clone(&self.shared)));
        }
        // The sender is dropped without an answer where the transaction panicked.
        answered.await.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
    }
}

impl<T: Transact> Shared<T> {
    fn queue(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work_off(self: Arc<Self>) {
        let succession = Succession(&self);
        let mut pace = self.pace.lock().await;
        while self.is_anybody_waiting() {
            pace.keep().await;
            let (requests, answers) = self.take();
            self.serve(&requests, answers).await;
        }
        std::mem::forget(succession);
    }

    /// If not, whoever comes next starts anew.
    fn is_anybody_waiting(&self) -> bool {
        let mut queue = self.queue();
        queue.busy = !queue.waiting.is_empty();
        queue.busy
    }

    fn take(&self) -> (Vec<T::Request>, Vec<oneshot::Sender<Answered<T>>>) {
        let mut queue = self.queue();
        let size = queue.waiting.len().min(LARGEST);
        queue.waiting.drain(..size).unzip()
    }

    fn report(&self, error: &StoreError) {
        if let Some(error) = error.of_database() {
            self.writes.work.failed(error);
        }
    }

    async fn serve(&self, requests: &[T::Request], answers: Vec<oneshot::Sender<Answered<T>>>) {
        let transacted = self.transaction.transact(requests).await;
        match transacted.inspect_err(|error| self.report(error)) {
            Ok(results) => {
                for (answer, result) in answers.into_iter().zip(results) {
                    // The requester may have gone away; its request is executed all the same.
                    let _ = answer.send(Ok(result));
                }
            }
            Err(error) if requests.len() == 1 || matches!(error, StoreError::Unavailable(_)) => {
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
            // One of them is to blame, and none of them is done: each on its own.
            Err(_) => {
                for (request, answer) in requests.iter().zip(answers) {
                    let result = self.transaction.transact(std::slice::from_ref(request)).await;
                    let result =
                        result.and_then(|mut results| results.pop().ok_or(sqlx::Error::WorkerCrashed.into()));
                    let _ = answer.send(result);
                }
            }
        }
    }
}

/// Nobody is left waiting for a worker that has ended before its time.
struct Succession<'a, T: Transact>(&'a Arc<Shared<T>>);

impl<T: Transact> Drop for Succession<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() && self.0.is_anybody_waiting() {
            // Those who came after the transaction that panicked have nothing to do with it.
            self.0.runtime.spawn(Shared::work_off(Arc::clone(self.0)));
        } else if !std::thread::panicking() {
            // The runtime has ended.
            self.0.queue().waiting.clear();
        }
    }
}
