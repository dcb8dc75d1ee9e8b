use serde::Deserialize;
use settings::Invalid;

/// The keys that a database of another section has under other names.
pub const URL: &str = "database.url";
pub const MAX_CONNECTIONS: &str = "database.max_connections";

/// `[database]`: where a service keeps its state.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite://path/to/file.db` or `postgres://user:password@host:port/database`.
    pub url: String,
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
            let found = redact(&self.url);
            let reason = format!("expected sqlite://... or postgres://..., found '{found}'");
            return Err(Invalid::new(URL, reason));
        }
        if self.max_connections == 0 {
            return Err(Invalid::new(MAX_CONNECTIONS, "must be at least 1"));
        }
        Ok(())
    }
}

impl std::fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("url", &redact(&self.url))
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout_ms", &self.acquire_timeout_ms)
            .field("migrate", &self.migrate)
            .field("commit_delay_ms", &self.commit_delay_ms)
            .field("synchronous_commit", &self.synchronous_commit)
            .field("initialization_fail_timeout_ms", &self.initialization_fail_timeout_ms)
            .finish()
    }
}

/// The URL without its password, and without parameters, among which there may be another one.
pub fn redact(url: &str) -> String {
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
