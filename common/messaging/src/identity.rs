//! A name of the database, by which replicas of one deployment are told from another deployment.

use storage::Database;

/// Given at the first start, and kept. A copy of the database has the same one.
pub(crate) async fn identity(database: &Database) -> Result<String, sqlx::Error> {
    if let Some(id) = known(database).await? {
        return Ok(id);
    }
    let id = format!("{:08x}", uuid::Uuid::new_v4().as_fields().0);
    // Another replica may be first.
    sqlx::query("INSERT INTO identity (one, id) VALUES (1, $1) ON CONFLICT (one) DO NOTHING")
        .bind(id)
        .execute(database.writer().await?)
        .await?;
    known(database).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn known(database: &Database) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM identity WHERE one = 1").fetch_optional(database.reader()).await
}
