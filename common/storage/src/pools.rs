use std::sync::Arc;
use std::time::Duration;

use crate::connections::Connections;
use crate::dialect::Dialect;
use crate::health::Writes;
use crate::settings::DatabaseUrl;

pub(crate) struct Pools {
    /// SQLite's; PostgreSQL writes with the connections that it reads with.
    pub(crate) writer: Option<Connections>,
    pub(crate) reader: Connections,
    pub(crate) writes: Arc<Writes>,
    pub(crate) url: DatabaseUrl,
    pub(crate) commit_delay: Duration,
}

impl Pools {
    pub(crate) fn dialect(&self) -> Dialect {
        if self.writer.is_some() { Dialect::Sqlite } else { Dialect::Postgres }
    }

    /// Without its password.
    pub(crate) fn display_url(&self) -> String {
        self.url.redacted()
    }
}
