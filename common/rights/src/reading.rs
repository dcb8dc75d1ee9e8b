use std::sync::Arc;

use identity::Caller;
use storage::{ListQuery, Readable, StoreError};

use crate::denied::Denied;

/// An item that belongs to a user.
pub trait Owned {
    /// What the store calls its fields.
    type Field;
    /// The field that holds the owner.
    const OWNER: Self::Field;

    fn owner(&self) -> i64;
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads a store: to each caller what he may see, in lists, totals and searches too.
pub struct Reading<S: Readable + ?Sized> {
    store: Arc<S>,
    ownership: Option<Ownership<S>>,
}

struct Ownership<S: Readable + ?Sized> {
    field: S::Field,
    owner: fn(&S::Item) -> i64,
}

impl<S: Readable + ?Sized> Reading<S> {
    /// Everybody sees everything.
    pub fn of_all(store: Arc<S>) -> Self {
        Self { store, ownership: None }
    }

    /// Everybody sees what is his own.
    pub fn of_owners(store: Arc<S>) -> Self
    where
        S::Item: Owned<Field = S::Field>,
    {
        let ownership = Ownership { field: <S::Item as Owned>::OWNER, owner: <S::Item as Owned>::owner };
        Self { store, ownership: Some(ownership) }
    }

    /// The item of this id, if there is one.
    ///
    /// # Errors
    /// It belongs to another user; the database's.
    pub async fn item(&self, caller: &Caller, id: i64) -> Result<Option<S::Item>, ReadError> {
        let Some(item) = self.store.item(id).await? else { return Ok(None) };
        let owner = self.ownership.as_ref().map(|ownership| (ownership.owner)(&item));
        match owner.is_none_or(|owner| caller.owns(Some(owner))) {
            true => Ok(Some(item)),
            false => Err(Denied::NotOwn.into()),
        }
    }
}

/// What a store is asked for by somebody who may see the answer. Whoever asks the same may see the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Allowed<F>(ListQuery<F>);

impl<S: Readable<Field: PartialEq> + ?Sized> Reading<S> {
    /// The part of the list that the caller may see.
    ///
    /// # Errors
    /// The query looks for what belongs to another user, or by another field than the owner: such a list has no index.
    pub fn allowed(
        &self,
        caller: &Caller,
        mut query: ListQuery<S::Field>,
    ) -> Result<Allowed<S::Field>, Denied> {
        if let (Some(ownership), Some(user)) = (&self.ownership, caller.held_to()) {
            match query.filter {
                None => query.filter = Some((ownership.field, user)),
                Some((field, value)) if field == ownership.field && value == user => {}
                Some(_) => return Err(Denied::NotOwn),
            }
        }
        Ok(Allowed(query))
    }

    /// A page, and how many items there are on all pages.
    ///
    /// # Errors
    /// The database's.
    pub async fn list(&self, Allowed(query): &Allowed<S::Field>) -> Result<(Vec<S::Item>, i64), StoreError> {
        self.store.list(query).await
    }
}

impl<S: Readable + ?Sized> Clone for Reading<S> {
    fn clone(&self) -> Self {
        let ownership = self.ownership.as_ref().map(|&Ownership { field, owner }| Ownership { field, owner });
        Self { store: Arc::clone(&self.store), ownership }
    }
}
