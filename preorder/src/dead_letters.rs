//! `preorder dead-letters`: against any service's database.

use std::error::Error;

use messaging::Request;
use storage::{Database, DatabaseSettings};

use crate::commands::{self, Letter};

const LISTED: i64 = 10_000;

pub(crate) async fn execute(command: commands::DeadLetters) -> Result<(), Box<dyn Error>> {
    match command {
        commands::DeadLetters::List(database) => list(&database).await,
        commands::DeadLetters::Show(letter) => show(&letter).await,
        commands::DeadLetters::Replay(letter) => request(&letter, Request::Replay).await,
        commands::DeadLetters::Discard(letter) => request(&letter, Request::Discard).await,
    }
}

async fn open(database: &commands::Database) -> Result<messaging::DeadLetters, Box<dyn Error>> {
    // An existing database only: a typing error must not leave a new empty one behind.
    if let Some(path) = database.database.strip_prefix("sqlite://")
        && !std::path::Path::new(path.split('?').next().unwrap_or(path)).exists()
    {
        return Err(format!("there is no database at '{path}'").into());
    }
    let settings = DatabaseSettings {
        url: database.database.clone(),
        max_connections: 1,
        acquire_timeout_ms: 5_000,
        commit_delay_ms: 0,
        synchronous_commit: true,
        initialization_fail_timeout_ms: 0,
        migrate: false,
    };
    Ok(messaging::DeadLetters::new(Database::open(&settings, &[]).await?))
}

async fn list(database: &commands::Database) -> Result<(), Box<dyn Error>> {
    let letters = open(database).await?.list(LISTED).await?;
    println!(
        "{:>6}  {:<8} {:<10} {:>14}  {:>8}  reason",
        "id", "status", "key", "partition/offset", "attempts"
    );
    for letter in &letters {
        println!(
            "{:>6}  {:<8} {:<10} {:>14}  {:>8}  {}{}",
            letter.id,
            letter.status,
            letter.key.as_deref().unwrap_or("-"),
            format!("{}/{}", letter.partition, letter.offset),
            letter.attempts,
            letter.reason,
            if letter.requested.is_empty() {
                String::new()
            } else {
                format!(" [{} requested]", letter.requested)
            }
        );
    }
    Ok(())
}

async fn show(letter: &Letter) -> Result<(), Box<dyn Error>> {
    let found = open(&letter.database).await?.show(letter.id).await?;
    let found = found.ok_or_else(|| format!("there is no dead letter {}", letter.id))?;
    println!("{}", serde_json::to_string_pretty(&found)?);
    for (name, value) in &found.record.headers {
        println!("{name}: {}", String::from_utf8_lossy(value));
    }
    Ok(())
}

async fn request(letter: &Letter, request: Request) -> Result<(), Box<dyn Error>> {
    if !open(&letter.database).await?.request(letter.id, request).await? {
        return Err(format!("there is no dead letter {}", letter.id).into());
    }
    println!("asked for; the running service does it within a second or two");
    Ok(())
}
