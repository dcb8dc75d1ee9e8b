use storage::StoreError;

use crate::domain::{Payment, Status};
use crate::use_cases::ports::{ListQuery, Page, PaymentStore};

/// A payment that stands; the others are no one's business.
///
/// # Errors
/// The store's.
pub async fn find(store: &dyn PaymentStore, id: i64) -> Result<Option<Payment>, StoreError> {
    Ok(store.find(id).await?.filter(|payment| payment.status() == Status::Paid))
}

/// A page of the payments that stand.
///
/// # Errors
/// The store's.
pub async fn list(store: &dyn PaymentStore, query: &ListQuery) -> Result<Page, StoreError> {
    store.list(query).await
}
