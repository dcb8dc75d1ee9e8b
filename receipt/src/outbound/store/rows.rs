use sqlx::Row;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::QueryAs;

use crate::domain::{Purchase, Receipt, Status};

pub(super) const COLUMNS: &str = "id, reservation_id, payment_id, user_id, product_id, product_name, price, paid_at, \
     status, version, created_at, modified_at";

pub(super) const FIND: &str = "SELECT id, reservation_id, payment_id, user_id, product_id, product_name, price, paid_at, \
     status, version, created_at, modified_at FROM receipt WHERE id = $1 AND status = 'receipt_issued'";

/// All columns but the id.
pub(super) const INSERTED: usize = 11;

pub(super) fn bind<'q, O>(
    query: QueryAs<'q, sqlx::Any, O, AnyArguments>,
    receipt: &Receipt,
) -> QueryAs<'q, sqlx::Any, O, AnyArguments> {
    query
        .bind(receipt.reservation_id)
        .bind(receipt.purchase.payment_id)
        .bind(receipt.purchase.user_id)
        .bind(receipt.purchase.product_id)
        .bind(receipt.purchase.product_name.clone())
        .bind(receipt.purchase.price)
        .bind(receipt.purchase.paid_at)
        .bind(receipt.status.as_str())
        .bind(receipt.version)
        .bind(receipt.created_at)
        .bind(receipt.modified_at)
}

pub(super) fn receipt(row: &AnyRow) -> Result<Receipt, sqlx::Error> {
    let status: String = row.try_get(8)?;
    Ok(Receipt {
        id: row.try_get(0)?,
        reservation_id: row.try_get(1)?,
        purchase: Purchase {
            payment_id: row.try_get(2)?,
            user_id: row.try_get(3)?,
            product_id: row.try_get(4)?,
            product_name: row.try_get(5)?,
            price: row.try_get(6)?,
            paid_at: row.try_get(7)?,
        },
        status: Status::parse(&status)
            .ok_or_else(|| sqlx::Error::Decode(format!("unknown status '{status}'").into()))?,
        version: row.try_get(9)?,
        created_at: row.try_get(10)?,
        modified_at: row.try_get(11)?,
    })
}
