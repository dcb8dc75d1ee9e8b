//! From what account tells to a refused token, and what a service knows when it says that it is ready.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix_web::web::{ServiceConfig, resource};
use chassis::{Application, Chassis, NothingOfItsOwn, RunError, Service, Settings, StartError};
use events::{Envelope, Fact, UserBanned, UserUnbanned};
use identity::{Claims, JwkSet, Role, Signer, authenticator::now};
use messaging::EventLog;
use settings::Compiled;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

const SERVICE: Service<NothingOfItsOwn> = Service {
    name: "books",
    about: "",
    settings: Compiled { defaults: "", profiles: &[] },
    build: |settings| Box::pin(build(settings)),
};

fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(Signer::generate)
}

async fn build(settings: Settings<NothingOfItsOwn>) -> Result<Application, StartError> {
    let chassis = Chassis::open(SERVICE.name, settings.shared, &[]).await?;
    chassis.authenticator().set_keys(&JwkSet { keys: vec![signer().jwk().clone()] });
    chassis.serve(|config: &mut ServiceConfig| {
        config.service(resource("/who").to(who));
    })
}

async fn who(rest::Caller(caller): rest::Caller) -> String {
    format!("{:?}", caller.user_id())
}

fn token(user: i64) -> String {
    // Older than any ban of the test: tokens count in seconds.
    let iat = now() - 5;
    signer().sign(&Claims {
        sub: user,
        email: "customer@shop.example".into(),
        roles: Role::Customer.into(),
        iat,
        exp: iat + 900,
        iss: "preorder".into(),
        aud: "preorder".into(),
        jti: user.to_string(),
        nbf: None,
    })
}

/// A log, and the services that read it.
struct World {
    dir: TempDir,
    more: Vec<(&'static str, String)>,
}

impl World {
    fn local() -> Self {
        let dir = TempDir::new().unwrap();
        let url = format!("sqlite://{}", dir.path().join("events.db").display());
        Self { dir, more: vec![("EVENT_LOG_URL", url)] }
    }

    /// `None`, and it is said, where no Kafka is given.
    fn kafka() -> Option<Self> {
        let brokers = std::env::var("TEST_KAFKA_BROKERS").unwrap_or_default();
        if brokers.is_empty() {
            eprintln!("*** bans: Kafka is NOT covered, TEST_KAFKA_BROKERS is not set ***");
            return None;
        }
        let dir = TempDir::new().unwrap();
        // Of this test alone; the directory's name has a part that chance chose.
        let topic = format!("bans-{}", dir.path().file_name().unwrap().to_string_lossy().replace('.', ""));
        let more = vec![("KAFKA_BROKERS", brokers), ("EVENT_LOG_TOPICS_ACCOUNT", topic)];
        Some(Self { dir, more })
    }

    fn settings(&self, database: &str, mode: &str) -> Settings<NothingOfItsOwn> {
        let database = format!("sqlite://{}", self.dir.path().join(database).display());
        let mut all = vec![("SERVER_PORT", "0"), ("DATABASE_URL", &database), ("AUTH_MODE", mode)];
        all.extend(self.more.iter().map(|(name, value)| (*name, value.as_str())));
        SERVICE.compiled_in(None, &all).unwrap()
    }

    async fn start(&self, database: &str, mode: &str) -> Running {
        let application = build(self.settings(database, mode)).await.unwrap();
        let (address, stop) = (application.addr(), CancellationToken::new());
        Running { address, run: tokio::spawn(application.run(stop.clone())), stop }
    }

    /// As account does it.
    async fn tell<F: Fact>(&self, facts: &[F], at_ms: i64) {
        let shared = self.settings("account.db", "open").shared;
        let log: Arc<dyn EventLog> = messaging::open(&shared.event_log, &shared.kafka).await.unwrap();
        let names = shared.event_log.topic_names();
        log.ensure_topic(names.of(events::ACCOUNT.name)).await.unwrap();
        let records: Vec<_> = facts.iter().map(|fact| names.record(&Envelope::of(fact, at_ms))).collect();
        for told in log.publish(&records).await {
            told.unwrap();
        }
        log.flush_and_close().await;
    }
}

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    run: JoinHandle<Result<(), RunError>>,
}

impl Running {
    async fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        let request = reqwest::Client::new().get(format!("http://{}{path}", self.address));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn status_for(&self, token: &str) -> u16 {
        self.get("/who", Some(token)).await.0
    }

    async fn is_ready(&self) -> bool {
        self.get("/actuator/health/readiness", None).await.0 == 200
    }

    async fn until_ready(&self) {
        let start = Instant::now();
        while !self.is_ready().await {
            assert!(start.elapsed() < PATIENCE, "it does not become ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn until(&self, token: &str, status: u16) {
        let start = Instant::now();
        while self.status_for(token).await != status {
            assert!(start.elapsed() < PATIENCE, "not {status}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.run.await.unwrap().unwrap();
    }
}

fn banned(user_id: i64) -> UserBanned {
    UserBanned { user_id, not_before: storage::now_ms(), version: 2 }
}

async fn a_ban_reaches_every_replica_and_ends(world: World) {
    // Replicas of one service, in mode open and required.
    let replicas = [world.start("one.db", "required").await, world.start("two.db", "open").await];
    let (bad, good) = (token(7), token(8));
    for replica in &replicas {
        replica.until_ready().await;
        assert_eq!(replica.status_for(&bad).await, 200);
    }
    world.tell(&[banned(7)], storage::now_ms()).await;
    for replica in &replicas {
        replica.until(&bad, 401).await;
        assert_eq!(replica.status_for(&good).await, 200);
    }
    world.tell(&[UserUnbanned { user_id: 7, version: 3 }], storage::now_ms()).await;
    for replica in replicas {
        replica.until(&bad, 200).await;
        let metrics = replica.get("/actuator/prometheus", None).await.1;
        assert!(metrics.contains("auth_ban_known_seconds_count{application=\"books\""), "{metrics}");
        replica.stop().await;
    }
}

/// The first request after readiness is refused: nobody slips through while the bans are read.
async fn a_ban_told_while_a_service_was_down_is_known_when_it_is_ready(world: World) {
    let before = world.start("one.db", "required").await;
    before.until_ready().await;
    before.stop().await;
    // Among many that say nothing about him, and one that nobody can use any more.
    world.tell(&[UserBanned { user_id: 9, not_before: 1, version: 2 }], 1).await;
    world.tell(&(100..600).map(banned).collect::<Vec<_>>(), storage::now_ms()).await;
    world.tell(&[banned(7)], storage::now_ms()).await;
    let bad = token(7);
    let after = world.start("one.db", "required").await;
    after.until_ready().await;
    assert_eq!(after.status_for(&bad).await, 401);
    assert_eq!(after.status_for(&token(8)).await, 200);
    assert_eq!(after.status_for(&token(9)).await, 200);
    after.stop().await;
}

macro_rules! on_both_logs {
    ($($case:ident),+) => {
        mod local {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(super::World::local()).await;
            })+
        }
        mod kafka {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(world) = super::World::kafka() {
                    super::$case(world).await;
                }
            })+
        }
    };
}

on_both_logs!(
    a_ban_reaches_every_replica_and_ends,
    a_ban_told_while_a_service_was_down_is_known_when_it_is_ready
);

/// Nobody listens there, so that the bans cannot be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_log_only_a_service_that_requires_tokens_is_not_ready() {
    let mut world = World::local();
    world.more.push(("KAFKA_BROKERS", "127.0.0.1:1".to_owned()));
    let open = world.start("open.db", "open").await;
    open.until_ready().await;
    assert_eq!(open.get("/who", None).await.0, 200);
    let required = world.start("required.db", "required").await;
    let (status, body) = required.get("/actuator/health/bans", None).await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("not known yet"), "{body}");
    assert!(!required.is_ready().await);
    open.stop().await;
    required.stop().await;
}
