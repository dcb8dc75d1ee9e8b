//! `account create-admin` and `account rotate-keys`: they work on the database. The service may run meanwhile.

use std::io::{self, IsTerminal as _, Read as _};
use std::sync::Arc;

use chassis::{Outcome, OwnCommand, Settings};
use clap::{Arg, ArgMatches, Command};
use messaging::Outbox;
use secrecy::ExposeSecret as _;
use storage::{Database, now_ms};
use zeroize::Zeroizing;

use crate::app;
use crate::domain::{Email, Password};
use crate::outbound::argon::ArgonPasswords;
use crate::outbound::sql::{MIGRATIONS, SqlKeys, SqlUsers};
use crate::settings::Own;
use crate::use_cases::first_administrator::{FirstAdministrator, Made};
use crate::use_cases::key_ring::{KeyRing, Rotated};

const LONGEST_LINE: u64 = 4_096;

pub const COMMANDS: [OwnCommand<Own>; 2] = [
    OwnCommand {
        command: || {
            Command::new("create-admin")
                .about("Make an administrator; the password is ADMIN_PASSWORD, or else one line of standard input")
                .arg(Arg::new("email").value_name("EMAIL").required(true))
        },
        run: |settings, arguments| Box::pin(create_admin(settings, arguments)),
    },
    OwnCommand {
        command: || {
            Command::new("rotate-keys")
                .about("Publish a new signing key; it signs after keys.publish_before_ms, and the old one stays until its last token has expired")
        },
        run: |settings, _| Box::pin(rotate_keys(settings)),
    },
];

async fn open(settings: &Settings<Own>) -> Result<Database, storage::OpenError> {
    Database::open(&settings.shared.database, &[messaging::MIGRATIONS, MIGRATIONS]).await
}

async fn create_admin(settings: Settings<Own>, arguments: ArgMatches) -> Outcome {
    let email = arguments.get_one::<String>("email").map_or("", String::as_str);
    let email = Email::parse(email).map_err(|error| format!("EMAIL: {error}"))?;
    let given = settings.own.admin.password.expose_secret();
    let text = match given.is_empty() {
        false => Zeroizing::new(given.to_owned()),
        true => read_password()?,
    };
    let password = Password::chosen(&text).map_err(|error| format!("the password {error}"))?;

    let database = open(&settings).await?;
    let outbox = Outbox::new(database.clone()).with_topics(settings.shared.event_log.topic_names());
    let first = FirstAdministrator {
        users: Arc::new(SqlUsers::new(database.clone(), outbox)),
        passwords: Arc::new(ArgonPasswords::new(&settings.own.passwords)?),
    };
    let made = first.execute(email, password).await;
    database.close().await;
    match made? {
        Made::New(id) => println!("account: user {id} is an administrator"),
        Made::WasThere(id) => println!("account: user {id} is an administrator already; the password stays"),
        Made::AnotherUser(id) => {
            return Err(format!("the address is that of user {id}, who is no administrator").into());
        }
    }
    Ok(())
}

/// One line. On a terminal it is not shown.
fn read_password() -> io::Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ").map(Zeroizing::new);
    }
    let mut text = Zeroizing::new(String::new());
    io::stdin().lock().take(LONGEST_LINE).read_to_string(&mut text)?;
    let line = text.split('\n').next().unwrap_or_default();
    Ok(Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}

async fn rotate_keys(settings: Settings<Own>) -> Outcome {
    if !app::given_keys(&settings.own.keys)?.is_empty() {
        return Err(
            "keys.private is set: put the new key behind the old one there, later before it, at last alone"
                .into(),
        );
    }
    let vault = Arc::new(app::vault(&settings)?);
    let times = app::times(&settings.own.keys, &settings.shared.auth);
    let database = open(&settings).await?;
    let rotated = async {
        let store = Arc::new(SqlKeys::new(database.clone()));
        KeyRing::open(store, vault, times, |_| {}).await?.rotate(now_ms()).await
    };
    let rotated = rotated.await;
    database.close().await;
    let in_s = |signs_from: i64| signs_from.saturating_sub(now_ms()).max(0) / 1_000;
    match rotated? {
        Rotated::Next { kid, signs_from } => {
            println!("account: key {kid} is published, and signs in {} s", in_s(signs_from));
        }
        Rotated::Waiting { kid, signs_from } => {
            println!("account: key {kid} was published before, and signs in {} s", in_s(signs_from));
        }
        Rotated::Given => {}
    }
    Ok(())
}
