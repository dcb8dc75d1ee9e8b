//! What a service says of what it shows: names, fields to sort by, searches.

use std::hash::Hash;

use serde::Serialize;

/// What a service shows to its clients. Its JSON is what serde makes of it, a JSON object; links are added.
pub trait Resource: Serialize {
    /// The relation of one of them: `preReservation`.
    const ITEM: &'static str;
    /// The path of them all, and their name in a collection: `preReservations`.
    const COLLECTION: &'static str;
    /// What the store calls a field that clients sort or search by; `()` where they cannot.
    type Field: Copy + Eq + Hash + Send + Sync + 'static;
    /// The fields that a client may sort by: name in the JSON, field of the store.
    const SORTABLE: &'static [(&'static str, Self::Field)] = &[];
    /// By how many of them at once; more are ignored. 1 where an order by two has no index.
    const MOST_SORTS: usize = usize::MAX;
    const SEARCHES: &'static [Search<Self::Field>] = &[];

    fn id(&self) -> i64;

    /// Grows with each change; it is the entity tag of the item. `None`: the item has none.
    fn version(&self) -> Option<i64> {
        None
    }
}

/// A search that a resource offers, at `/{collection}/search/{name}`: the items of which one field has a certain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Search<F> {
    /// `findByUserId`
    pub name: &'static str,
    /// `userId`; paging and sorting come on top.
    pub parameter: &'static str,
    pub field: F,
}
