//! The places for client connections: at most `server.max_connections` in all workers together.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    sync::{Notify, mpsc},
    task::yield_now,
};

use super::room::{Others, Request};
use crate::{deadlines::Deadlines, metrics, progress::Progress};

/// A worker's own connections, and its share in the places of all workers.
pub(crate) struct Places {
    most: usize,
    taken_by_all: Arc<AtomicUsize>,
    taken: Cell<usize>,
    empty: Notify,
    deadlines: Rc<Deadlines>,
    others: Others,
}

impl Places {
    /// `taken` counts for all workers.
    pub(crate) fn new(
        most: usize,
        taken: Arc<AtomicUsize>,
        deadlines: &Rc<Deadlines>,
        others: Others,
    ) -> Rc<Self> {
        Rc::new(Self {
            most,
            taken_by_all: taken,
            taken: Cell::new(0),
            empty: Notify::new(),
            deadlines: deadlines.clone(),
            others,
        })
    }

    pub(super) fn are_free(&self) -> bool {
        self.taken_by_all.load(Ordering::Relaxed) < self.most
    }

    pub(super) fn take(self: &Rc<Self>) -> Place {
        self.taken.set(self.taken.get() + 1);
        self.taken_by_all.fetch_add(1, Ordering::Relaxed);
        Place { places: self.clone(), progress: None }
    }

    /// Whether the connection that rests longest gives its place away.
    pub(super) fn make_room(&self) -> bool {
        let found = self.deadlines.dismiss();
        if found {
            self.taken_by_all.fetch_sub(1, Ordering::Relaxed);
            metrics::dismissed();
        }
        found
    }

    /// The same, of another worker's connections.
    pub(super) async fn ask_others(&self) -> bool {
        self.others.make_room().await
    }

    /// Makes room for the other workers' clients.
    pub(crate) async fn help(self: Rc<Self>, mut requests: mpsc::UnboundedReceiver<Request>) {
        while let Some(request) = requests.recv().await {
            let found = self.make_room() || {
                // Those accepted just now have to begin before they can rest.
                yield_now().await;
                self.make_room()
            };
            // Who asked has ended meanwhile: a client more than needed was let go.
            let _ = request.send(found);
        }
    }

    /// How many of this worker's are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.get()
    }

    pub(crate) async fn all_left(&self) {
        while self.taken.get() > 0 {
            self.empty.notified().await;
        }
    }
}

/// Occupies one place until it is dropped.
pub(crate) struct Place {
    places: Rc<Places>,
    progress: Option<Rc<Progress>>,
}

impl Place {
    /// The connection begins.
    pub(super) fn is_for(&mut self, progress: &Rc<Progress>) {
        self.progress = Some(progress.clone());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.places;
        // One that was dismissed has given its place away before.
        if !self.progress.as_ref().is_some_and(|progress| progress.is_dismissed()) {
            places.taken_by_all.fetch_sub(1, Ordering::Relaxed);
        }
        places.taken.set(places.taken.get() - 1);
        if places.taken.get() == 0 {
            places.empty.notify_one();
        }
    }
}
