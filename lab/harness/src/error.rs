use std::io;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the figure needs is not there: a program, a permission, a part of the system. Shown, never dropped.
    #[error("not available: {0}")]
    NotAvailable(String),
    /// The system did something else than it should.
    #[error("{0}")]
    Unexpected(String),
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
    #[error("{doing}: {source}")]
    Sql { doing: String, source: sqlx::Error },
    #[error("the event log: {0}")]
    EventLog(String),
    #[error("the figure's file: {0}")]
    Plot(String),
}

impl Error {
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    pub fn sql(doing: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Sql { doing, source }
    }

    pub fn unexpected(what: impl Into<String>) -> Self {
        Self::Unexpected(what.into())
    }

    pub fn not_available(what: impl Into<String>) -> Self {
        Self::NotAvailable(what.into())
    }
}
