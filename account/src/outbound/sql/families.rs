use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use storage::{Database, StoreError, TableRow, Tx, table};

use crate::domain::Family;
use crate::use_cases::ports::FamilyStore;

storage::table! {
    "refresh_family" (id, selector_hash, user_id, current_hash, previous_hash, rotated_at, expires_at)
    as Family { id, selector_hash, user_id, current_hash, previous_hash, rotated_at, expires_at }
}

pub(super) async fn insert(tx: &mut Tx, family: &Family) -> Result<(), StoreError> {
    let _: Vec<(i64,)> = table::insert(tx, &[family], "RETURNING id").await?;
    Ok(())
}

pub(super) async fn end_all(tx: &mut Tx, user_id: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM refresh_family WHERE user_id = $1").bind(user_id).execute(&mut **tx).await?;
    Ok(())
}

#[derive(Clone)]
pub struct SqlFamilies {
    database: Database,
}

impl SqlFamilies {
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl FamilyStore for SqlFamilies {
    async fn find(&self, selector_hash: &str) -> Result<Option<Family>, StoreError> {
        let text = Family::select("WHERE selector_hash = $1");
        let found = sqlx::query_as(AssertSqlSafe(text)).bind(selector_hash);
        Ok(found.fetch_optional(self.database.reader()).await?)
    }

    async fn replace(
        &self,
        family: &Family,
        new_hash: &str,
        now: i64,
        expires_at: i64,
    ) -> Result<bool, StoreError> {
        let replaced = sqlx::query(
            "UPDATE refresh_family SET current_hash = $1, previous_hash = current_hash, rotated_at = $2, \
             expires_at = $3 WHERE id = $4 AND current_hash = $5",
        )
        .bind(new_hash)
        .bind(now)
        .bind(expires_at)
        .bind(family.id)
        .bind(family.current_hash.as_str())
        .execute(self.database.writer().await?)
        .await?;
        Ok(replaced.rows_affected() == 1)
    }

    async fn end(&self, id: i64) -> Result<(), StoreError> {
        let writer = self.database.writer().await?;
        sqlx::query("DELETE FROM refresh_family WHERE id = $1").bind(id).execute(writer).await?;
        Ok(())
    }

    async fn purge(&self, now: i64) -> Result<(), StoreError> {
        let writer = self.database.writer().await?;
        sqlx::query("DELETE FROM refresh_family WHERE expires_at <= $1").bind(now).execute(writer).await?;
        Ok(())
    }
}
