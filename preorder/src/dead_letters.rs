//! `preorder dead-letters`: against any service's database.

use std::error::Error;

use messaging::{Asked, Request, Selection};
use storage::{Database, DatabaseSettings};

use crate::commands::{self, Chosen, Letter};

const PAGE: i64 = 500;

pub(crate) async fn execute(command: commands::DeadLetters) -> Result<(), Box<dyn Error>> {
    match command {
        commands::DeadLetters::List(database) => list(&database).await,
        commands::DeadLetters::Show(letter) => show(&letter).await,
        commands::DeadLetters::Replay(chosen) => request(chosen, Request::Replay, false).await,
        commands::DeadLetters::Discard { force, chosen } => request(chosen, Request::Discard, force).await,
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
        url: database.database.as_str().into(),
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
    let letters = open(database).await?;
    println!(
        "{:>6}  {:<8} {:<10} {:>14}  {:>8}  reason",
        "id", "status", "key", "partition/offset", "attempts"
    );
    let mut page = letters.list(0, PAGE).await?;
    while let Some(last) = page.last().map(|letter| letter.id) {
        page.iter().for_each(print);
        page = letters.list(last, PAGE).await?;
    }
    Ok(())
}

fn print(letter: &messaging::Listed) {
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

async fn show(letter: &Letter) -> Result<(), Box<dyn Error>> {
    let found = open(&letter.database).await?.show(letter.id).await?;
    let found = found.ok_or_else(|| format!("there is no dead letter {}", letter.id))?;
    println!("{}", serde_json::to_string_pretty(&found)?);
    for (name, value) in &found.record.headers {
        println!("{name}: {}", String::from_utf8_lossy(value));
    }
    Ok(())
}

async fn request(chosen: Chosen, request: Request, force: bool) -> Result<(), Box<dyn Error>> {
    let letters = open(&chosen.database).await?;
    let Some(id) = chosen.id else {
        let selection = Selection {
            reason: chosen.reason,
            key: chosen.key,
            from_ms: chosen.from,
            until_ms: chosen.until,
        };
        let count = letters.request_all(request, &selection).await?;
        println!("asked for {count}; the running service does it, one after the other");
        return Ok(());
    };
    match letters.request(id, request, force).await? {
        Asked::Noted => {
            println!("asked for; the running service does it within a second or two");
            Ok(())
        }
        Asked::NotThere => Err(format!("there is no dead letter {id}").into()),
        Asked::OnlyWaiting => Err(format!(
            "nothing is wrong with {id}: it waits behind a dead one of its key, and its effect, a refund for instance, \
             would be lost; discard the dead one, or say --force"
        )
        .into()),
    }
}
