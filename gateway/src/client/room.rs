//! Room for one client connection more when all places are taken: the connection that rests longest gives its place away.
//!
//! A worker looks among its own connections first, and asks the other workers only where all of its own are busy: the
//! kernel spreads connections evenly enough for that to be rare.

use tokio::sync::{mpsc, oneshot};

/// Answered with whether a place was given away.
pub(crate) type Request = oneshot::Sender<bool>;

/// How the workers reach each other.
#[derive(Clone)]
pub(crate) struct Others {
    all: Vec<mpsc::UnboundedSender<Request>>,
    own: usize,
}

impl Others {
    /// Of each of so many workers: the others, and what they ask of it.
    pub(crate) fn of(count: usize) -> impl Iterator<Item = (Self, mpsc::UnboundedReceiver<Request>)> {
        let (all, requests): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        requests
            .into_iter()
            .enumerate()
            .map(move |(own, requests)| (Self { all: all.clone(), own }, requests))
    }

    /// Asks one after the other for a place.
    pub(crate) async fn make_room(&self) -> bool {
        for (index, other) in self.all.iter().enumerate() {
            let (request, answer) = oneshot::channel();
            // A worker that has ended has no connections.
            if index != self.own && other.send(request).is_ok() && answer.await == Ok(true) {
                return true;
            }
        }
        false
    }
}
