use std::time::{Duration, Instant};

use storage::{Database, OpenError};
use testkit::TestDatabase;

use crate::{BROKEN, TABLES};

async fn tally(database: &Database) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM tally").fetch_one(database.reader()).await.unwrap()
}

testkit::for_each_backend! {
    async fn run_once_however_often_it_is_opened(db: TestDatabase) {
        for _ in 0..3 {
            let database = db.open(&[TABLES]).await;
            assert_eq!(tally(&database).await, 1);
            database.close().await;
        }
    }

    /// Replicas that start at the same moment on a new database.
    async fn run_once_however_many_open_it_at_the_same_time(db: TestDatabase) {
        let opening: Vec<_> = (0..8)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { db.open(&[TABLES]).await })
            })
            .collect();
        for opened in opening {
            let database = opened.await.unwrap();
            assert_eq!(tally(&database).await, 1);
        }
    }

    async fn that_fail_say_so_at_once_and_leave_nothing(db: TestDatabase) {
        let start = Instant::now();
        let opened = Database::open(&db.settings(), &[TABLES, BROKEN]).await;
        let error = opened.err().unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "tried again what cannot succeed");
        assert!(matches!(error, OpenError::Migrate { .. }), "{error}");
        assert!(error.to_string().contains("no_such_table"), "{error}");

        let database = db.open(&[TABLES]).await;
        let left = sqlx::query("SELECT id FROM half_way").fetch_all(database.reader()).await;
        assert!(left.is_err(), "half a migration is there");
    }

    async fn do_not_run_where_the_settings_say_so(db: TestDatabase) {
        let settings = storage::DatabaseSettings { migrate: false, ..db.settings() };
        let database = Database::open(&settings, &[TABLES]).await.unwrap();
        let left = sqlx::query("SELECT id FROM tally").fetch_all(database.reader()).await;
        assert!(left.is_err());
    }
}
