use identity::Role;
use rest::{Date, Resource};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::User;
use crate::use_cases::ports::Field;

/// A user, as administrators and he himself see him.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserItem {
    id: i64,
    email: String,
    name: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["customer"]))]
    roles: Vec<&'static str>,
    /// Null: not banned.
    banned_at: Option<Date>,
    ban_reason: Option<String>,
    created_at: Date,
    modified_at: Date,
    /// Its entity tag.
    #[serde(skip)]
    version: i64,
}

impl From<User> for UserItem {
    fn from(user: User) -> Self {
        let (banned_at, ban_reason) = user.ban.map_or((None, None), |ban| (Some(Date(ban.at)), ban.reason));
        Self {
            id: user.id,
            email: user.email.as_str().to_owned(),
            name: user.name,
            roles: user.roles.iter().map(Role::name).collect(),
            banned_at,
            ban_reason,
            created_at: Date(user.created_at),
            modified_at: Date(user.modified_at),
            version: user.version,
        }
    }
}

impl Resource for UserItem {
    const ITEM: &'static str = "user";
    const COLLECTION: &'static str = "users";
    type Field = Field;
    const SORTABLE: &'static [(&'static str, Field)] =
        &[("id", Field::Id), ("email", Field::Email), ("createdAt", Field::CreatedAt)];

    fn id(&self) -> i64 {
        self.id
    }

    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// Who he is, and what he may: what a client needs of itself.
#[derive(Serialize, ToSchema)]
pub(super) struct Oneself {
    id: i64,
    email: String,
    name: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["customer"]))]
    roles: Vec<&'static str>,
}

impl From<&User> for Oneself {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.as_str().to_owned(),
            name: user.name.clone(),
            roles: user.roles.iter().map(Role::name).collect(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CurrentUser {
    pub(super) current_user: Option<Oneself>,
}
