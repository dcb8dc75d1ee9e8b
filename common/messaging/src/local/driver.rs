//! The one thread of a process that writes to the file.
//!
//! It has a runtime of its own, so it outlives the runtime of whoever opened the log first. What several services
//! publish while it is busy goes into one transaction.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use storage::Pace;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::append::{Topics, append, last_id, topic_id};
use super::condition::Condition;
use super::file;
use super::lease::{BEAT, Member, write_positions};
use crate::log::{EventLogError, Record};

/// Under load, what is published within this time becomes durable together.
const COMMIT_DELAY: Duration = Duration::from_millis(2);
/// How often to look whether other processes appended something. One pragma, about 20 microseconds.
const LOOK: Duration = Duration::from_millis(15);

/// Most commands that are looked at together.
const LARGEST_BATCH: usize = 256;

type Answer<T> = oneshot::Sender<Result<T, EventLogError>>;

pub(super) enum Command {
    Publish {
        records: Vec<Record>,
        answer: Answer<()>,
    },
    EnsureTopic {
        topic: String,
        answer: Answer<()>,
    },
    Ping {
        answer: Answer<()>,
    },
    Join(Member),
    Leave {
        id: String,
    },
    /// A subscription doubts its lease.
    Confirm,
    /// A tail is there.
    Look,
    Commit {
        topic: String,
        group: String,
        next_position: i64,
    },
}

/// The thread, from outside. Ends, and gives its leases back, with the last one who holds it.
pub(super) struct Driver {
    pub(super) path: PathBuf,
    /// The id of the last record of all topics that this process knows of.
    pub(super) appended: watch::Receiver<i64>,
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    pub(super) async fn start(path: &Path) -> Result<Self, EventLogError> {
        let (commands, received) = mpsc::unbounded_channel();
        let (appended_sender, appended) = watch::channel(0);
        let (ready, started) = oneshot::channel();
        let file = path.to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|e| EventLogError::unavailable("starting its thread", e))?;
        let thread = std::thread::Builder::new()
            .name("event-log".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    match Worker::open(&file, appended_sender).await {
                        Ok(worker) => {
                            let _ = ready.send(Ok(()));
                            worker.run(received).await;
                        }
                        Err(error) => {
                            let _ = ready.send(Err(error));
                        }
                    }
                });
            })
            .map_err(|e| EventLogError::unavailable("starting its thread", e))?;
        started.await.map_err(|_| EventLogError::Closed)??;
        Ok(Self { path: path.to_owned(), appended, commands: Some(commands), thread: Some(thread) })
    }

    pub(super) fn send(&self, command: Command) -> Result<(), EventLogError> {
        let commands = self.commands.as_ref().ok_or(EventLogError::Closed)?;
        // The command comes back if the thread has ended; nobody can do anything with it.
        commands.send(command).map_err(|_| EventLogError::Closed)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.commands = None;
        // Some milliseconds: without it a process that ends would keep its leases for seconds.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    /// Commits are on the disk: records.
    durable: SqliteConnection,
    /// Commits may be lost with the machine: leases and positions.
    relaxed: SqliteConnection,
    appended: watch::Sender<i64>,
    topics: Topics,
    data_version: i64,
    members: Vec<Member>,
    /// Positions to write with the next beat, by topic and group.
    positions: HashMap<(String, String), i64>,
    condition: Condition,
}

impl Worker {
    async fn open(path: &Path, appended: watch::Sender<i64>) -> Result<Self, EventLogError> {
        let failed = |e| EventLogError::unavailable("opening", e);
        let mut durable = file::open_durable(path).await.map_err(failed)?;
        file::create_tables(&mut durable).await?;
        let relaxed = file::open_relaxed(path).await.map_err(failed)?;
        appended.send_replace(last_id(&mut durable).await.map_err(failed)?);
        Ok(Self {
            durable,
            relaxed,
            appended,
            topics: Topics::default(),
            data_version: 0,
            members: Vec::new(),
            positions: HashMap::new(),
            condition: Condition::of(path).map_err(|e| EventLogError::unavailable("opening", e))?,
        })
    }

    async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        let mut batch = Vec::new();
        let mut pace = Pace::new(COMMIT_DELAY);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let anybody = !self.members.is_empty();
            // Members and tails; one receiver is the driver's own.
            let somebody_waits = self.appended.receiver_count() > 1;
            tokio::select! {
                count = commands.recv_many(&mut batch, LARGEST_BATCH) => {
                    if count == 0 {
                        break;
                    }
                    if batch.iter().any(|command| matches!(command, Command::Publish { .. })) {
                        pace.keep().await;
                    }
                    while batch.len() < LARGEST_BATCH && let Ok(command) = commands.try_recv() {
                        batch.push(command);
                    }
                    self.handle(&mut batch).await;
                }
                _ = beat.tick(), if anybody => {
                    let beaten = self.beat().await;
                    self.report(beaten);
                }
                _ = look.tick(), if somebody_waits => {
                    let looked = self.look().await;
                    self.report(looked);
                }
            }
        }
        let gone = std::mem::take(&mut self.members);
        let left = self.leave(&gone).await;
        self.report(left);
        let _ = self.relaxed.close().await;
        let _ = self.durable.close().await;
    }

    /// Everything published first: it is one transaction, and a ping behind it means that it is written.
    async fn handle(&mut self, batch: &mut Vec<Command>) {
        let mut publications = Vec::new();
        let mut others = Vec::new();
        for command in batch.drain(..) {
            match command {
                Command::Publish { records, answer } => publications.push((records, answer)),
                other => others.push(other),
            }
        }
        if !publications.is_empty() {
            self.publish(publications).await;
        }
        for command in others {
            let done = self.obey(command).await;
            self.report(done);
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), sqlx::Error> {
        match command {
            Command::Publish { records, answer } => self.publish(vec![(records, answer)]).await,
            Command::EnsureTopic { topic, answer } => {
                let done = self.topic_id(&topic).await;
                let done = done.map_err(|e| EventLogError::unavailable("creating a topic", e));
                let _ = answer.send(done);
            }
            Command::Ping { answer } => {
                let pong = self.pong().await.map_err(|e| EventLogError::unavailable("answering", e));
                let _ = answer.send(pong);
            }
            Command::Join(mut member) => {
                let stepped = member.step(&mut self.relaxed).await;
                self.members.push(member);
                stepped?;
            }
            Command::Leave { id } => {
                let (gone, rest) =
                    std::mem::take(&mut self.members).into_iter().partition(|member| member.id == id);
                self.members = rest;
                self.leave(&gone).await?;
                self.contend().await?;
            }
            Command::Confirm => self.beat().await?,
            Command::Look => self.look().await?,
            Command::Commit { topic, group, next_position } => {
                self.positions.insert((topic, group), next_position);
            }
        }
        Ok(())
    }

    async fn publish(&mut self, publications: Vec<(Vec<Record>, Answer<()>)>) {
        let records: Vec<&Record> = publications.iter().flat_map(|(records, _)| records).collect();
        match self.append(&records).await {
            Ok(last) => {
                self.appended.send_replace(last);
                for (_, answer) in publications {
                    let _ = answer.send(Ok(()));
                }
            }
            Err(error) => {
                self.condition.failed(&error);
                let error = Arc::new(error);
                for (_, answer) in publications {
                    let error = Arc::clone(&error);
                    let _ = answer.send(Err(EventLogError::unavailable("appending", error)));
                }
            }
        }
    }

    async fn append(&mut self, records: &[&Record]) -> Result<i64, sqlx::Error> {
        self.condition.stay()?;
        let last = append(&mut self.durable, &mut self.topics, records).await?;
        self.condition.stay()?;
        Ok(last)
    }

    async fn topic_id(&mut self, topic: &str) -> Result<(), sqlx::Error> {
        self.condition.stay()?;
        topic_id(&mut self.durable, topic).await?;
        self.condition.stay()
    }

    async fn pong(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1 FROM topic LIMIT 1").execute(&mut self.durable).await?;
        self.condition.check()
    }

    async fn beat(&mut self) -> Result<(), sqlx::Error> {
        for member in &mut self.members {
            member.step(&mut self.relaxed).await?;
        }
        self.leave(&[]).await
    }

    async fn look(&mut self) -> Result<(), sqlx::Error> {
        let version: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut self.durable).await?;
        if version == self.data_version {
            return Ok(());
        }
        self.data_version = version;
        let last = last_id(&mut self.durable).await?;
        self.appended.send_if_modified(|known| last > std::mem::replace(known, last.max(*known)));
        self.contend().await
    }

    /// A lease may have become free.
    async fn contend(&mut self) -> Result<(), sqlx::Error> {
        for member in self.members.iter_mut().filter(|member| !member.holds()) {
            member.step(&mut self.relaxed).await?;
        }
        Ok(())
    }

    /// Writes the positions, and gives back the leases of those who are gone.
    async fn leave(&mut self, gone: &[Member]) -> Result<(), sqlx::Error> {
        if gone.is_empty() && self.positions.is_empty() {
            return Ok(());
        }
        write_positions(&mut self.relaxed, self.positions.iter(), gone).await?;
        self.positions.clear();
        Ok(())
    }

    /// Nobody waits for an answer here, the next beat tries again.
    fn report(&mut self, result: Result<(), sqlx::Error>) {
        match result {
            Ok(()) => self.condition.succeeded(),
            Err(error) => self.condition.failed(&error),
        }
    }
}
