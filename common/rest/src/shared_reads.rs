//! Requests for the same page that come while it is being read share the next reading.
//!
//! Nobody gets anything older than without: the reading that answers a request begins after the request came. So there is
//! nothing to expire or to invalidate, and a page that a thousand clients ask for at once is read and rendered a few times.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

use http_common::Problem;

use crate::failure::Failure;

type Round<A> = Shared<BoxFuture<'static, Result<A, Failure>>>;

/// `Q` says what is asked for, all of it: requests whose questions are equal get the same answer. Cheap to clone; clones share.
pub struct SharedReads<Q, A> {
    questions: Arc<Mutex<HashMap<Q, Rounds<A>>>>,
}

/// Of one question. A question that nobody asks has none.
struct Rounds<A> {
    /// Has begun, and may have ended.
    running: Round<A>,
    /// Begins when the other one has ended.
    next: Option<Round<A>>,
}

impl<Q, A> Clone for SharedReads<Q, A> {
    fn clone(&self) -> Self {
        Self { questions: Arc::clone(&self.questions) }
    }
}

impl<Q, A> Default for SharedReads<Q, A> {
    fn default() -> Self {
        Self { questions: Arc::default() }
    }
}

impl<Q, A> SharedReads<Q, A>
where
    Q: Clone + Eq + Hash + Send + 'static,
    A: Clone + Send + Sync + 'static,
{
    /// The answer of a reading that begins after this call.
    ///
    /// # Errors
    /// The reading's.
    pub async fn get<F>(&self, question: Q, read: impl FnOnce() -> F + Send + 'static) -> Result<A, Failure>
    where
        F: Future<Output = Result<A, Failure>> + Send + 'static,
    {
        let round = {
            let mut questions = self.questions();
            match questions.get_mut(&question) {
                Some(Rounds { next: Some(next), .. }) => next.clone(),
                Some(rounds) => {
                    let next = self.round(question, Some(rounds.running.clone()), read);
                    rounds.next.insert(next).clone()
                }
                None => {
                    let first = self.round(question.clone(), None, read);
                    questions.insert(question, Rounds { running: first.clone(), next: None });
                    first
                }
            }
        };
        round.await
    }

    fn round<F>(
        &self,
        question: Q,
        before: Option<Round<A>>,
        read: impl FnOnce() -> F + Send + 'static,
    ) -> Round<A>
    where
        F: Future<Output = Result<A, Failure>> + Send + 'static,
    {
        let shared = self.clone();
        let reading = async move {
            if let Some(before) = before {
                // Whoever waited for it has its answer, an error or not.
                let _ = before.await;
                shared.begin(&question);
            }
            let answer = AssertUnwindSafe(async move { read().await }).catch_unwind().await;
            shared.end(&question);
            answer.unwrap_or_else(|_| Err(Problem::internal().into()))
        };
        let round = reading.boxed().shared();
        // A client that leaves takes nobody else's answer along.
        actix_web::rt::spawn(round.clone());
        round
    }

    /// From here on whoever asks gets a later round.
    fn begin(&self, question: &Q) {
        if let Some(rounds) = self.questions().get_mut(question)
            && let Some(next) = rounds.next.take()
        {
            rounds.running = next;
        }
    }

    fn end(&self, question: &Q) {
        let mut questions = self.questions();
        if questions.get(question).is_some_and(|rounds| rounds.next.is_none()) {
            questions.remove(question);
        }
    }

    fn questions(&self) -> MutexGuard<'_, HashMap<Q, Rounds<A>>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    #[derive(Clone, Default)]
    struct Rig {
        reads: SharedReads<&'static str, usize>,
        begun: Arc<AtomicUsize>,
        gate: Arc<Gate>,
    }

    struct Gate(Semaphore);

    impl Default for Gate {
        fn default() -> Self {
            Self(Semaphore::new(0))
        }
    }

    impl Rig {
        /// Answers with the number of its reading.
        async fn get(&self, question: &'static str) -> Result<usize, Failure> {
            let Self { begun, gate, .. } = self.clone();
            let read = async move {
                let number = begun.fetch_add(1, Ordering::Relaxed);
                gate.0.acquire().await.unwrap().forget();
                assert_ne!(question, "a defect");
                Ok(number)
            };
            self.reads.get(question, || read).await
        }
    }

    #[actix_web::test]
    async fn who_asks_while_a_page_is_read_gets_the_next_reading_together_with_the_others() {
        let rig = Rig::default();
        let mut first = Box::pin(rig.get("a"));
        assert!(futures::poll!(&mut first).is_pending());
        while rig.begun.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let mut late = Box::pin(join_all((0..50).map(|_| rig.get("a"))));
        assert!(futures::poll!(&mut late).is_pending());
        rig.gate.0.add_permits(2);
        assert_eq!(first.await.unwrap(), 0);
        assert!(late.await.into_iter().all(|answer| answer.unwrap() == 1));
        assert_eq!(rig.begun.load(Ordering::Relaxed), 2);
        assert!(rig.reads.questions().is_empty(), "what nobody asks for is forgotten");
    }

    #[actix_web::test]
    async fn questions_have_nothing_to_do_with_each_other() {
        let rig = Rig::default();
        let (a, b) = (rig.get("a"), rig.get("b"));
        rig.gate.0.add_permits(2);
        let (a, b) = tokio::join!(a, b);
        assert_ne!(a.unwrap(), b.unwrap());
    }

    #[actix_web::test]
    async fn a_client_that_leaves_takes_nobody_elses_answer_along() {
        let rig = Rig::default();
        let mut leaver = Box::pin(rig.get("a"));
        assert!(futures::poll!(&mut leaver).is_pending());
        let mut other = Box::pin(rig.get("a"));
        assert!(futures::poll!(&mut other).is_pending());
        drop(leaver);
        rig.gate.0.add_permits(2);
        assert!(other.await.is_ok());
    }

    #[actix_web::test]
    async fn a_reading_that_panics_is_an_error_and_the_next_one_works() {
        let rig = Rig::default();
        rig.gate.0.add_permits(2);
        assert!(rig.get("a defect").await.is_err());
        assert!(rig.get("a defect").await.is_err());
        assert!(rig.reads.questions().is_empty());
    }
}
