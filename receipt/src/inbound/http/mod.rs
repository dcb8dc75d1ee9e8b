//! `/receipts`, read only: receipts are issued and withdrawn by facts.

mod resource;

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use rest::{Api, Collection};
use utoipa::OpenApi;

use crate::use_cases::ports::ReceiptStore;
use resource::Receipt;

#[derive(OpenApi)]
#[openapi(info(title = "receipt", description = "Receipts with their delivery date."))]
struct Document;

pub fn configure(config: &mut ServiceConfig, store: Arc<dyn ReceiptStore>) {
    let receipts = Collection::<Receipt, _>::over(store);
    Api::new(config, Document::openapi()).collection(receipts).finish();
}
