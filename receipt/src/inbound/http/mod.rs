//! `/receipts`, read only: receipts are issued and withdrawn by facts.

mod resource;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use rest::{Api, Collection};

use crate::use_cases::ports::ReceiptStore;
use resource::Receipt;

pub fn configure(config: &mut ServiceConfig, store: Arc<dyn ReceiptStore>) {
    let receipts = Collection::<Receipt, _>::over(store);
    Api::new(config, "receipt", "Receipts with their delivery date.").collection(receipts).finish();
}
