use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Takes pre-orders: reservations, payments, receipts and the customers' view, behind one gateway.
///
/// Without a command it runs the whole system in this process, with its data in ./data.
#[derive(Parser)]
#[command(
    name = "preorder",
    version,
    after_help = "Examples:\n  \
    preorder                               run everything; Ctrl-C ends it in order\n  \
    PAYMENT_SERVER_PORT=9081 preorder      any key of a service, with its name in front\n  \
    AUTH_MODE=required preorder            every request needs a user who has signed in\n  \
    preorder events --follow               the event log, as kafka-console-consumer would print it\n  \
    preorder dead-letters list --database sqlite://data/receipt.db"
)]
pub(crate) struct Arguments {
    /// Profile of the settings; else PROFILE.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Where databases and event log lie [default: data].
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the whole system (the default).
    Run,
    /// Print the event log of the embedded system, a record a line.
    Events(Events),
    /// Records that could not be processed: see, replay, discard.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// The event log that was read is lost or replaced: read the one that is there, from its beginning.
    ///
    /// Only where the log is not the one that was read. The system may run meanwhile.
    BeginAnew(BeginAnew),
}

#[derive(Args)]
pub(crate) struct BeginAnew {
    /// In every service, also where the log is the one that was read.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Args)]
pub(crate) struct Events {
    /// Go on with what is published from now on.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Another topic, for instance prereservation.receipt.dlt.
    #[arg(long, default_value = events::PRERESERVATION.name)]
    pub(crate) topic: String,
    /// Print partition, offset, key and headers before the value.
    #[arg(long)]
    pub(crate) verbose: bool,
}

#[derive(Subcommand)]
pub(crate) enum DeadLetters {
    /// All of them, oldest first.
    List(Database),
    /// One of them, with its value and headers.
    Show(Letter),
    /// Process it and what waits behind it, in order. The running service does it within a second or two.
    Replay(Chosen),
    /// Forget it and process what waits behind it.
    Discard {
        /// Also one with which nothing is wrong, and which only waits behind another: its effect, a refund for
        /// instance, is lost.
        #[arg(long, requires = "id", conflicts_with_all = ["all", "reason", "key", "from", "until"])]
        force: bool,
        #[command(flatten)]
        chosen: Chosen,
    },
}

#[derive(Args)]
pub(crate) struct Database {
    /// The service's database, for instance sqlite://data/receipt.db.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database: String,
}

/// One letter by its id, all, or those for which everything holds that is said.
#[derive(Args)]
pub(crate) struct Chosen {
    #[arg(required_unless_present_any = ["all", "reason", "key", "from", "until"])]
    pub(crate) id: Option<i64>,
    /// All that are dead.
    #[arg(long, conflicts_with_all = ["id", "reason", "key", "from", "until"])]
    pub(crate) all: bool,
    /// Those whose reason contains this text.
    #[arg(long, conflicts_with = "id")]
    pub(crate) reason: Option<String>,
    /// Those of this key: a reservation's id.
    #[arg(long, conflicts_with = "id")]
    pub(crate) key: Option<String>,
    /// Those written at this moment or later, in epoch milliseconds.
    #[arg(long, conflicts_with = "id", value_name = "MS")]
    pub(crate) from: Option<i64>,
    /// Those written before this moment, in epoch milliseconds.
    #[arg(long, conflicts_with = "id", value_name = "MS")]
    pub(crate) until: Option<i64>,
    #[command(flatten)]
    pub(crate) database: Database,
}

#[derive(Args)]
pub(crate) struct Letter {
    pub(crate) id: i64,
    #[command(flatten)]
    pub(crate) database: Database,
}
