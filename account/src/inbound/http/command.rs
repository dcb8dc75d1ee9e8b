//! Request to command: everything that is wrong with it, at once.

use http_common::Problem;
use identity::{Role, Roles};
use rest::input::Body;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::{Email, Password};

/// In characters, as sent: white space around it is allowed.
const LONGEST_EMAIL: usize = 320;
const LONGEST_NAME: usize = 100;
const LONGEST_REASON: usize = 500;

/// What a sign-up sends.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described; the body is read field by field")]
pub(super) struct NewUser {
    #[schema(example = "kim@shop.example")]
    email: String,
    /// 8 to 128 characters of any kind, and none of the most common passwords.
    #[schema(min_length = 8, max_length = 128, format = Password)]
    password: String,
    #[schema(max_length = 100)]
    name: Option<String>,
}

/// What a sign-in sends.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described; the body is read field by field")]
pub(super) struct Credentials {
    email: String,
    #[schema(format = Password)]
    password: String,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(super) struct NewRoles {
    /// All roles from now on: customer, merchant, courier, admin.
    roles: Vec<String>,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "only described; the body is read field by field")]
pub(super) struct NewBan {
    #[schema(max_length = 500)]
    reason: Option<String>,
}

pub(super) fn new_user(body: &Body) -> Result<(Email, Option<String>, Password), Problem> {
    let mut fields = body.fields()?;
    let email = email(&mut fields);
    let name = fields.optional_text("name", LONGEST_NAME).map(|name| name.trim().to_owned());
    let password = fields.verbatim_secret("password", Password::chosen);
    fields.finish()?;
    // What is missing here, `finish` has refused.
    let (email, password) = email.zip(password).ok_or_else(Problem::internal)?;
    Ok((email, name, password))
}

pub(super) fn credentials(body: &Body) -> Result<(Email, Password), Problem> {
    let mut fields = body.fields()?;
    let email = email(&mut fields);
    let password = fields.verbatim_secret("password", Password::given);
    fields.finish()?;
    email.zip(password).ok_or_else(Problem::internal)
}

fn email(fields: &mut rest::Fields<'_>) -> Option<Email> {
    let text = fields.text("email", LONGEST_EMAIL);
    if text.is_empty() {
        return None;
    }
    Email::parse(&text).map_err(|error| fields.reject("email", error.to_string())).ok()
}

/// The only field is a list, or a text with commas, which is what command-line clients can send easily.
pub(super) fn roles(body: &Body) -> Result<Roles, Problem> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        List(Vec<String>),
        Text(String),
    }
    #[derive(Deserialize)]
    struct Wanted {
        roles: Option<Names>,
    }
    let mut fields = body.fields()?;
    let names = match serde_json::from_slice::<Wanted>(body.bytes()) {
        Ok(Wanted { roles: Some(Names::List(names)) }) => names,
        Ok(Wanted { roles: Some(Names::Text(text)) }) => {
            text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        Ok(Wanted { roles: None }) => {
            fields.reject("roles", "is required");
            Vec::new()
        }
        Err(_) => {
            fields.reject("roles", "must be a list of names");
            Vec::new()
        }
    };
    let known: Option<Vec<Role>> = names.iter().map(|name| Role::of_name(name)).collect();
    if known.is_none() {
        let all: Vec<&str> = Role::ALL.into_iter().map(Role::name).collect();
        fields.reject("roles", format!("may have {} only", all.join(", ")));
    }
    fields.finish()?;
    Ok(known.unwrap_or_default().into_iter().collect())
}

/// A body is not needed.
pub(super) fn reason(body: &Body) -> Result<Option<String>, Problem> {
    if body.bytes().is_empty() {
        return Ok(None);
    }
    let mut fields = body.fields()?;
    let reason = fields.optional_text("reason", LONGEST_REASON);
    fields.finish()?;
    Ok(reason)
}
