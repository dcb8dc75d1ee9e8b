//! How many requests a service is sent at a time, and who waits for their turn.

use std::{cell::Cell, future::poll_fn, pin::pin, sync::Arc, task::Poll};

use metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{deadlines::Deadline, settings::UpstreamSettings};

/// All connections are busy, and will be for too long.
#[derive(Debug)]
pub(crate) struct Busy;

pub(crate) struct Admission {
    /// One permit for each connection that is in use.
    all: Arc<Semaphore>,
    /// One permit for each request whose body is still coming. There are fewer of these, so that slow bodies cannot take all
    /// connections.
    uploads: Arc<Semaphore>,
    waiting: Waiting,
}

impl Admission {
    /// `waiting` shows how many wait.
    pub(super) fn new(settings: &UpstreamSettings, waiting: Gauge) -> Self {
        Self {
            all: Arc::new(Semaphore::new(settings.max_connections)),
            uploads: Arc::new(Semaphore::new(settings.max_connections.div_ceil(2))),
            waiting: Waiting::new(settings.max_waiting, waiting),
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.all.available_permits() == 0
    }

    /// Waits until one connection more may be in use, and not beyond the deadline.
    pub(crate) async fn admit(&self, deadline: &Deadline) -> Result<OwnedSemaphorePermit, Busy> {
        match self.all.clone().try_acquire_owned() {
            Ok(permit) => Ok(permit),
            // Boxed: waiting is rare, and its state would enlarge the future of every request.
            Err(_) => Box::pin(self.queue(&self.all, deadline)).await,
        }
    }

    /// Waits until one connection more may be used for a request whose body is still to come, and not beyond the deadline.
    pub(crate) async fn admit_upload(&self, deadline: &Deadline) -> Result<OwnedSemaphorePermit, Busy> {
        match self.uploads.clone().try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(_) => self.queue(&self.uploads, deadline).await,
        }
    }

    async fn queue(&self, free: &Arc<Semaphore>, deadline: &Deadline) -> Result<OwnedSemaphorePermit, Busy> {
        let place = self.waiting.take().ok_or(Busy)?;
        let mut permit = pin!(free.clone().acquire_owned());
        let permit = poll_fn(|cx| match permit.as_mut().poll(cx) {
            Poll::Pending if deadline.expired() => Poll::Ready(Err(Busy)),
            Poll::Pending => Poll::Pending,
            Poll::Ready(permit) => Poll::Ready(permit.map_err(|_| Busy)),
        })
        .await;
        drop(place);
        permit
    }
}

/// Counts the requests that wait for a connection.
struct Waiting {
    count: Cell<usize>,
    most: usize,
    shown: Gauge,
}

impl Waiting {
    fn new(most: usize, shown: Gauge) -> Self {
        Self { count: Cell::new(0), most, shown }
    }

    fn take(&self) -> Option<Place<'_>> {
        let before = self.count.get();
        (before < self.most).then(|| {
            self.count.set(before + 1);
            self.shown.increment(1.0);
            Place(self)
        })
    }
}

/// Counts one request while it waits.
struct Place<'a>(&'a Waiting);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.shown.decrement(1.0);
    }
}
