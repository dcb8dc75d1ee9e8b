use async_trait::async_trait;
use identity::{Role, Roles};
use messaging::Outbox;
use sqlx::AssertSqlSafe;
use storage::{Database, Listed, Listing, StoreError, TableRow, Tx, now_ms, table};

use super::families;
use crate::domain::{Ban, Email, Family, Transition, User};
use crate::use_cases::ports::{By, Changed, Decide, Field, UserStore};

storage::table! {
    pub struct Row in "users" {
        id: i64,
        email: String,
        name: Option<String>,
        password_hash: String,
        roles: String,
        banned_at: Option<i64>,
        ban_reason: Option<String>,
        version: i64,
        created_at: i64,
        modified_at: i64,
    }
}

impl From<&User> for Row {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.as_str().to_owned(),
            name: user.name.clone(),
            password_hash: user.password_hash.clone(),
            roles: user.roles.iter().map(Role::name).collect::<Vec<_>>().join(","),
            banned_at: user.ban.as_ref().map(|ban| ban.at),
            ban_reason: user.ban.as_ref().and_then(|ban| ban.reason.clone()),
            version: user.version,
            created_at: user.created_at,
            modified_at: user.modified_at,
        }
    }
}

impl From<Row> for User {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            email: Email::stored(row.email),
            name: row.name,
            password_hash: row.password_hash,
            // A role of a newer release gives no right here.
            roles: row.roles.split(',').filter_map(Role::of_name).collect::<Roles>(),
            ban: row.banned_at.map(|at| Ban { at, reason: row.ban_reason }),
            version: row.version,
            created_at: row.created_at,
            modified_at: row.modified_at,
        }
    }
}

#[derive(Clone)]
pub struct SqlUsers {
    database: Database,
    outbox: Outbox,
}

impl SqlUsers {
    /// `outbox` lies in `database`.
    pub fn new(database: Database, outbox: Outbox) -> Self {
        Self { database, outbox }
    }
}

impl Listed for SqlUsers {
    type Row = Row;
    type Item = User;
    type Field = Field;
    const LISTING: Listing<Row> = Listing::of("email <> ''");

    fn database(&self) -> &Database {
        &self.database
    }

    fn column(field: Field) -> &'static str {
        match field {
            // Ids are given in the order of creation.
            Field::Id | Field::CreatedAt => "id",
            Field::Email => "email",
        }
    }
}

#[async_trait]
impl UserStore for SqlUsers {
    async fn sign_up(&self, mut user: User, family: Option<Family>) -> Result<Option<User>, StoreError> {
        let mut tx = self.database.begin().await?;
        let row = Row::from(&user);
        let ids: Vec<(i64,)> =
            table::insert(&mut tx, &[&row], "ON CONFLICT (email) DO NOTHING RETURNING id").await?;
        let Some((id,)) = ids.first() else {
            tx.rollback().await?;
            return Ok(None);
        };
        user.id = *id;
        if let Some(family) = family {
            families::insert(&mut tx, &Family { user_id: user.id, ..family }).await?;
        }
        self.outbox.tell(&mut tx, &[user.signed_up()]).await?;
        tx.commit().await?;
        Ok(Some(user))
    }

    async fn by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let text = Row::select("WHERE email = $1");
        let row: Option<Row> = sqlx::query_as(AssertSqlSafe(text))
            .bind(email.as_str())
            .fetch_optional(self.database.reader())
            .await?;
        Ok(row.map(User::from))
    }

    async fn sign_in(
        &self,
        user: &User,
        new_hash: Option<String>,
        family: Family,
    ) -> Result<bool, StoreError> {
        let mut tx = self.database.begin().await?;
        // The row is locked by this: a ban waits, or is seen.
        let signed_in = sqlx::query(
            "UPDATE users SET signed_in_at = $1, password_hash = COALESCE($2, password_hash) \
             WHERE id = $3 AND banned_at IS NULL",
        )
        .bind(family.rotated_at)
        .bind(new_hash)
        .bind(user.id)
        .execute(&mut *tx)
        .await?;
        if signed_in.rows_affected() == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        families::insert(&mut tx, &family).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn change(&self, by: By, id: i64, decide: Decide) -> Result<Changed, StoreError> {
        let mut tx = self.database.begin().await?;
        let (user, may_change) = match by {
            By::Operator => (locked(&mut tx, id).await?, true),
            By::Administrator(by) if by == id => {
                let user = locked(&mut tx, id).await?;
                let may_change = user.as_ref().is_some_and(administers);
                (user, may_change)
            }
            By::Administrator(by) => {
                // In the order of their ids, as everybody does it: two who change each other wait, and do not deadlock.
                let first = locked(&mut tx, id.min(by)).await?;
                let second = locked(&mut tx, id.max(by)).await?;
                let (user, by) = if id < by { (first, second) } else { (second, first) };
                (user, by.as_ref().is_some_and(administers))
            }
        };
        let Some(mut user) = user.filter(|_| may_change) else {
            tx.rollback().await?;
            return Ok(if may_change { Changed::NoSuchUser } else { Changed::NoAdministrator });
        };
        let transition = decide(&mut user, now_ms());
        if let Transition::Applied(fact) = &transition {
            save(&mut tx, &user).await?;
            if user.ban.is_some() {
                families::end_all(&mut tx, user.id).await?;
            }
            self.outbox.tell(&mut tx, std::slice::from_ref(&**fact)).await?;
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(Changed::To(transition))
    }
}

/// Whether he may change others at this moment.
fn administers(user: &User) -> bool {
    user.is_admin() && user.ban.is_none()
}

/// Reads the user after everybody else who changes him has finished. On both databases an update takes the lock.
async fn locked(tx: &mut Tx, id: i64) -> Result<Option<User>, StoreError> {
    let locked = sqlx::query("UPDATE users SET version = version WHERE id = $1").bind(id).execute(&mut **tx);
    if locked.await?.rows_affected() == 0 {
        return Ok(None);
    }
    let rows: Vec<Row> = table::find_all(tx, "id", &[id]).await?;
    Ok(rows.into_iter().next().map(User::from))
}

async fn save(tx: &mut Tx, user: &User) -> Result<(), StoreError> {
    let row = Row::from(user);
    sqlx::query(
        "UPDATE users SET roles = $1, banned_at = $2, ban_reason = $3, version = $4, modified_at = $5 \
         WHERE id = $6",
    )
    .bind(row.roles)
    .bind(row.banned_at)
    .bind(row.ban_reason)
    .bind(row.version)
    .bind(row.modified_at)
    .bind(row.id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
