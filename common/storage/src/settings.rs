use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use settings::Invalid;

/// The keys that a database of another section has under other names.
pub const URL: &str = "database.url";
pub const MAX_CONNECTIONS: &str = "database.max_connections";

/// `[database]`: where a service keeps its state.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite://path/to/file.db` or `postgres://user:password@host:port/database`.
    pub url: DatabaseUrl,
    /// Upper bound of open connections. SQLite uses one writer and this many readers.
    pub max_connections: u32,
    /// How long a caller waits for a free connection.
    pub acquire_timeout_ms: u64,
    /// Whether the service migrates its database when it starts.
    pub migrate: bool,
    /// How far apart transactions that serve whoever waits begin at least, while there is always somebody. PostgreSQL has
    /// a parameter of this name for the same purpose.
    pub commit_delay_ms: u64,
    /// Whether a commit waits for the disk. PostgreSQL's parameter; SQLite's `synchronous`, `FULL` or `NORMAL`. Without it a
    /// crash of the machine, not of the service, may take the last commits back: for what can be read again.
    pub synchronous_commit: bool,
    /// How long a start waits for a PostgreSQL that cannot be reached or is starting itself. Hikari's parameter. What waiting
    /// does not cure, a wrong password for instance, ends the start at once.
    pub initialization_fail_timeout_ms: u64,
}

impl DatabaseSettings {
    /// # Errors
    /// A URL that is neither SQLite's nor PostgreSQL's, or a pool without connections.
    pub fn check(&self) -> Result<(), Invalid> {
        let known = ["sqlite://", "postgres://", "postgresql://"];
        if !known.iter().any(|scheme| self.url.starts_with(scheme)) {
            let found = self.url.redacted();
            let reason = format!("expected sqlite://... or postgres://..., found '{found}'");
            return Err(Invalid::new(URL, reason));
        }
        if self.max_connections == 0 {
            return Err(Invalid::new(MAX_CONNECTIONS, "must be at least 1"));
        }
        Ok(())
    }
}

/// A URL with a password in it: shown without, and nowhere by accident.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL as it may be shown.
    pub fn redacted(&self) -> String {
        redact(&self.0)
    }
}

impl Deref for DatabaseUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl From<&str> for DatabaseUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// The URL without its password, and without parameters, among which there may be another one.
fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "***".into();
    };
    let shown = match rest.rsplit_once('@') {
        Some((user, host)) => {
            let name = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{name}:***@{host}")
        }
        None => url.to_owned(),
    };
    shown.split('?').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let settings = DatabaseSettings {
            url: "postgres://payment:s3cr3t@db:5432/payment".into(),
            max_connections: 1,
            acquire_timeout_ms: 1,
            migrate: true,
            commit_delay_ms: 0,
            synchronous_commit: true,
            initialization_fail_timeout_ms: 0,
        };
        assert!(!format!("{settings:?}").contains("s3cr3t"));
        assert!(format!("{settings:?}").contains("postgres://payment:***@db:5432/payment"));
    }

    #[test]
    fn a_password_among_the_parameters_is_not_shown_either() {
        assert_eq!(redact("postgres://db/payment?user=me&password=s3cr3t"), "postgres://db/payment");
    }

    #[test]
    fn an_unknown_scheme_names_the_key() {
        let settings = DatabaseSettings {
            url: "mysql://x".into(),
            max_connections: 1,
            acquire_timeout_ms: 1,
            migrate: true,
            commit_delay_ms: 0,
            synchronous_commit: true,
            initialization_fail_timeout_ms: 0,
        };
        assert!(settings.check().is_err_and(|invalid| invalid.key == URL));
    }
}
