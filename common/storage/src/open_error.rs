use settings::Invalid;

use crate::settings::URL;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Setting(#[from] Invalid),
    #[error("{URL}: {0}")]
    Unusable(#[from] Unusable),
    #[error("database.migrate is false, and '{url}' lacks {missing} migrations, the first of them {first}")]
    Outdated { url: String, missing: usize, first: String },
    #[error("migrating '{url}' failed: {reason}")]
    Migrate { url: String, reason: String },
}

/// What is wrong with the database that a URL names.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("cannot create directory '{path}': {source}")]
    Directory { path: String, source: std::io::Error },
    #[error("'{path}' is a directory")]
    IsDirectory { path: String },
    #[error("cannot open '{url}': {source}")]
    Connect { url: String, source: sqlx::Error },
    #[error("'{url}' is encoded in {encoding}; it must be created with ENCODING 'UTF8'")]
    Encoding { url: String, encoding: String },
}
