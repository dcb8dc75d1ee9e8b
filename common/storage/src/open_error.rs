/// Why a database could not be opened: one line that names the key and the cause.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("database.url: {0}")]
    Settings(String),
    #[error("database.url: cannot create directory '{path}': {source}")]
    Directory { path: String, source: std::io::Error },
    #[error("database.url: '{path}' is a directory")]
    IsDirectory { path: String },
    #[error("database.url: cannot open '{url}': {source}")]
    Connect { url: String, source: sqlx::Error },
    #[error("database.url: '{url}' is encoded in {encoding}; it must be created with ENCODING 'UTF8'")]
    Encoding { url: String, encoding: String },
    #[error("database.migrate is false, and '{url}' lacks {missing} migrations, the first of them {first}")]
    Outdated { url: String, missing: usize, first: String },
    #[error("migrating '{url}' failed: {reason}")]
    Migrate { url: String, reason: String },
}
