//! What account tells of users. Topics are kept for ever and many can read them, so no fact has an e-mail address or a name.

use envelope::{Fact, FieldError, Fields, Topic};
use serde::Serialize;

use crate::topics::ACCOUNT;

/// A user has signed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserSignedUp {
    /// The user; also the record's key.
    pub user_id: i64,
    /// The names of all his roles, for instance `customer`; an open set.
    pub roles: Vec<String>,
    /// Counts the changes of this user that facts tell of; the newer fact wins.
    #[serde(skip_serializing)]
    pub version: i64,
}

/// A user has other roles than before. Tokens that he has keep the roles that they name until they expire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RolesChanged {
    /// The user; also the record's key.
    pub user_id: i64,
    /// The names of all his roles, for instance `customer`; an open set.
    pub roles: Vec<String>,
    /// Counts the changes of this user that facts tell of; the newer fact wins.
    #[serde(skip_serializing)]
    pub version: i64,
}

/// A user is banned: he cannot sign in, and whoever checks tokens refuses those that he has. account signs none for him
/// until he is unbanned, so that a reader can forget the ban once every older token has expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserBanned {
    /// The user; also the record's key.
    pub user_id: i64,
    /// Epoch milliseconds: tokens that were issued before this moment are refused.
    pub not_before: i64,
    /// Counts the changes of this user that facts tell of; the newer fact wins.
    #[serde(skip_serializing)]
    pub version: i64,
}

/// A banned user may sign in again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserUnbanned {
    /// The user; also the record's key.
    pub user_id: i64,
    /// Counts the changes of this user that facts tell of; the newer fact wins.
    #[serde(skip_serializing)]
    pub version: i64,
}

impl Fact for UserSignedUp {
    const TYPE: &'static str = "UserSignedUp";
    const PRODUCER: &'static str = "account";
    const TOPIC: Topic = ACCOUNT;
    const STATUS: &'static str = "signed_up";

    fn key(&self) -> String {
        self.user_id.to_string()
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn read(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            user_id: fields.count("userId")?,
            roles: fields.texts("roles")?,
            version: fields.version()?,
        })
    }
}

impl Fact for RolesChanged {
    const TYPE: &'static str = "RolesChanged";
    const PRODUCER: &'static str = "account";
    const TOPIC: Topic = ACCOUNT;
    const STATUS: &'static str = "roles_changed";

    fn key(&self) -> String {
        self.user_id.to_string()
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn read(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            user_id: fields.count("userId")?,
            roles: fields.texts("roles")?,
            version: fields.version()?,
        })
    }
}

impl Fact for UserBanned {
    const TYPE: &'static str = "UserBanned";
    const PRODUCER: &'static str = "account";
    const TOPIC: Topic = ACCOUNT;
    const STATUS: &'static str = "banned";

    fn key(&self) -> String {
        self.user_id.to_string()
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn read(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            user_id: fields.count("userId")?,
            not_before: fields.moment("notBefore")?,
            version: fields.version()?,
        })
    }
}

impl Fact for UserUnbanned {
    const TYPE: &'static str = "UserUnbanned";
    const PRODUCER: &'static str = "account";
    const TOPIC: Topic = ACCOUNT;
    const STATUS: &'static str = "unbanned";

    fn key(&self) -> String {
        self.user_id.to_string()
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn read(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self { user_id: fields.count("userId")?, version: fields.version()? })
    }
}
