use async_trait::async_trait;
use storage::{Database, StoreError};

use crate::use_cases::ports::{KeyStore, StoredKey};

#[derive(Clone)]
pub struct SqlKeys {
    database: Database,
}

impl SqlKeys {
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl KeyStore for SqlKeys {
    async fn all(&self) -> Result<Vec<StoredKey>, StoreError> {
        let rows: Vec<(i64, String, String, i64)> =
            sqlx::query_as("SELECT number, kid, sealed, signs_from FROM signing_key ORDER BY number")
                .fetch_all(self.database.reader())
                .await?;
        let key = |(number, kid, sealed, signs_from)| StoredKey { number, kid, sealed, signs_from };
        Ok(rows.into_iter().map(key).collect())
    }

    async fn add(&self, key: &StoredKey) -> Result<bool, StoreError> {
        let added = sqlx::query(
            "INSERT INTO signing_key (number, kid, sealed, signs_from) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (number) DO NOTHING",
        )
        .bind(key.number)
        .bind(key.kid.as_str())
        .bind(key.sealed.as_str())
        .bind(key.signs_from)
        .execute(self.database.writer().await?)
        .await?;
        Ok(added.rows_affected() == 1)
    }

    async fn remove(&self, number: i64) -> Result<(), StoreError> {
        let writer = self.database.writer().await?;
        sqlx::query("DELETE FROM signing_key WHERE number = $1").bind(number).execute(writer).await?;
        Ok(())
    }
}
