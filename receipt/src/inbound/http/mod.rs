//! `/receipts`, read only: receipts are issued and withdrawn by facts.

mod resource;

use actix_web::web::ServiceConfig;
use rest::{Api, Collection};
use rights::Reading;

use crate::use_cases::ports::ReceiptStore;
use resource::Receipt;

pub fn configure(config: &mut ServiceConfig, reading: Reading<dyn ReceiptStore>) {
    let receipts = Collection::<Receipt, _>::reading(reading);
    Api::new(config, "receipt", "Receipts with their delivery date.").collection(receipts).finish();
}
