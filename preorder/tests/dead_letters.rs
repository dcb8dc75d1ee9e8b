//! `preorder dead-letters`: what each option lists, shows, and asks the service for.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

use sqlx::AssertSqlSafe;
use storage::Database;
use testkit::TestDatabase;

/// (key, status, reason, when it was written); the id is the place in the list, from 1 on.
const LETTERS: [(&str, &str, &str, i64); 5] = [
    ("7", "dead", "unknown type 'Strange'", 1_000),
    ("7", "waiting", "an earlier record of this key is a dead letter", 2_000),
    ("8", "dead", "not JSON: line 1", 3_000),
    ("9", "dead", "not JSON: line 2", 4_000),
    ("77", "dead", "unknown type 'Odd'", 5_000),
];

struct Desk {
    db: TestDatabase,
    database: Database,
}

impl Desk {
    async fn new(db: TestDatabase) -> Self {
        let database = db.open(&[messaging::MIGRATIONS]).await;
        for (offset, (key, status, reason, written)) in (0_i64..).zip(LETTERS) {
            sqlx::query(
                "INSERT INTO dead_letter (topic, log_partition, log_offset, record_key, payload, headers, \
                 timestamp_ms, status, reason, attempts) VALUES ('facts', 0, $1, $2, $3, $4, $5, $6, $7, 1)",
            )
            .bind(offset)
            .bind(key)
            .bind(format!("value {offset}").into_bytes())
            .bind(br#"[["type","Strange"]]"#.to_vec())
            .bind(written)
            .bind(status)
            .bind(reason)
            .execute(database.writer().await.unwrap())
            .await
            .unwrap();
        }
        Self { db, database }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_preorder"));
        command.arg("dead-letters").args(arguments).env_remove("PROFILE").env("DATABASE_URL", self.db.url());
        command.output().unwrap()
    }

    /// What it prints, after it has ended well.
    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it complains of, and the code it ends with.
    fn refuses(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// The letters of which this is asked.
    async fn asked(&self, request: &str) -> Vec<i64> {
        let text = format!("SELECT id FROM dead_letter WHERE requested = '{request}' ORDER BY id");
        sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(self.database.reader()).await.unwrap()
    }

    async fn ask_nothing(&self) {
        sqlx::query("UPDATE dead_letter SET requested = ''")
            .execute(self.database.writer().await.unwrap())
            .await
            .unwrap();
    }
}

testkit::for_each_backend! {
    async fn list_and_show_tell_what_is_there(db: TestDatabase) {
        let desk = Desk::new(db).await;
        let list = desk.prints(&["list"]);
        assert_eq!(list.lines().count(), LETTERS.len() + 1, "{list}");
        for (line, (key, status, reason, _)) in list.lines().skip(1).zip(LETTERS) {
            for part in [key, status, reason] {
                assert!(line.contains(part), "{part}: {line}");
            }
        }
        let letter = desk.prints(&["show", "3"]);
        for part in ["\"key\": \"8\"", "\"payload\": \"value 2\"", "\"reason\": \"not JSON: line 1\"", "type: Strange"] {
            assert!(letter.contains(part), "{part}: {letter}");
        }
        let (code, why) = desk.refuses(&["show", "9"]);
        assert!(code == 1 && why.contains("there is no dead letter 9"), "{code}: {why}");
    }

    async fn each_option_selects_what_it_says_and_only_dead_ones(db: TestDatabase) {
        let desk = Desk::new(db).await;
        let selections: [(&[&str], &[i64]); 11] = [
            (&["--all"], &[1, 3, 4, 5]),
            (&["--reason", "not JSON"], &[3, 4]),
            (&["--reason", "line 2"], &[4]),
            // A text, no pattern.
            (&["--reason", "%"], &[]),
            (&["--key", "7"], &[1]),
            (&["--key", "70"], &[]),
            (&["--from", "3000"], &[3, 4, 5]),
            (&["--until", "3000"], &[1]),
            (&["--from", "2000", "--until", "4000"], &[3]),
            (&["--reason", "unknown", "--key", "77", "--from", "0"], &[5]),
            (&["4"], &[4]),
        ];
        for action in ["replay", "discard"] {
            for (options, ids) in selections {
                let said = desk.prints(&[&[action], options].concat());
                assert_eq!(desk.asked(action).await, ids, "{action} {options:?}");
                let count = format!("asked for {};", ids.len());
                assert!(options == ["4"] || said.starts_with(&count), "{action} {options:?}: {said}");
                desk.ask_nothing().await;
            }
        }
        let _ = desk.prints(&["replay", "2"]);
        assert_eq!(desk.asked("replay").await, [2], "one that waits may be replayed by its id");
    }

    async fn what_could_lose_more_than_was_meant_is_refused(db: TestDatabase) {
        let desk = Desk::new(db).await;
        for arguments in [
            &["replay"][..],
            &["discard"],
            &["discard", "--force"],
            &["discard", "--force", "--all"],
            &["discard", "1", "--all"],
            &["discard", "1", "--key", "7"],
            &["discard", "--all", "--reason", "x"],
            &["discard", "--all", "--from", "1"],
            &["replay", "--from", "yesterday"],
            &["replay", "seven"],
        ] {
            let (code, why) = desk.refuses(arguments);
            assert!(code == 2 && why.starts_with("error: "), "{arguments:?}: {code}, {why}");
        }
        let (code, why) = desk.refuses(&["discard", "2"]);
        assert!(code == 1 && why.contains("--force"), "{code}: {why}");
        let (code, why) = desk.refuses(&["replay", "9"]);
        assert!(code == 1 && why.contains("there is no dead letter 9"), "{code}: {why}");
        assert_eq!(desk.asked("").await, [1, 2, 3, 4, 5], "something was asked for");
        let _ = desk.prints(&["discard", "2", "--force"]);
        assert_eq!(desk.asked("discard").await, [2]);
    }
}

#[test]
fn a_database_that_is_not_there_is_not_made() {
    let directory = testkit::TestDatabase::sqlite();
    let path = format!("{}.elsewhere", directory.url().trim_start_matches("sqlite://"));
    let output = Command::new(env!("CARGO_BIN_EXE_preorder"))
        .args(["dead-letters", "list", "--database", &format!("sqlite://{path}")])
        .output()
        .unwrap();
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && why.contains("there is no database at"), "{why}");
    assert!(!std::path::Path::new(&path).exists());
}
