use std::future::Future;
use std::io::Write;
use std::sync::Once;

use crate::database::{Backend, TestDatabase, postgres_url};

/// Turns each `async fn name(db: TestDatabase) { .. }` into the tests `name::sqlite` and `name::postgres`, each on a
/// fresh database, on a multi-threaded runtime.
#[macro_export]
macro_rules! for_each_backend {
    ($( $(#[$attribute:meta])* async fn $name:ident($database:ident : $type:ty) $body:block )*) => {$(
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn body($database: $type) $body

            #[test]
            fn sqlite() {
                $crate::run($crate::Backend::Sqlite, body);
            }

            #[test]
            fn postgres() {
                $crate::run($crate::Backend::Postgres, body);
            }
        }
    )*};
}

/// Runs `body` on a fresh database of this kind, if there is such a server.
pub fn run<F: Future<Output = ()>>(backend: Backend, body: impl FnOnce(TestDatabase) -> F) {
    say_what_is_covered();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be started").block_on(async {
        let database = match backend {
            Backend::Sqlite => Some(TestDatabase::sqlite()),
            Backend::Postgres => TestDatabase::postgres().await,
        };
        if let Some(database) = database {
            body(database).await;
        }
    });
}

fn say_what_is_covered() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let covered = match postgres_url() {
            Some(_) => "SQLite and PostgreSQL".to_owned(),
            None => "ONLY SQLite; PostgreSQL is NOT covered, TEST_DATABASE_URL is not set".to_owned(),
        };
        // Not by a macro: the test harness would keep it to itself.
        let said = writeln!(std::io::stderr(), "*** databases covered: {covered} ***");
        said.expect("standard error is open");
    });
}
