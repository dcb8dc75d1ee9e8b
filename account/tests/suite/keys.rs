//! Keys that rotate, on several replicas.

use std::sync::{Arc, Mutex};

use account::domain::Vault;
use account::use_cases::key_ring::{KeyError, KeyRing, Rotated, Times};
use futures::future::join_all;
use identity::{JwkSet, Signer};
use testkit::{SOON, TestDatabase, TestLog, eventually};

use crate::support::Stores;
use crate::support::app::{App, settings};

const TIMES: Times = Times { publish_before: 1_000, rotate_after: 50_000, outlives: 10_000 };
const SECRET: &str = "0123456789abcdef";

async fn ring(stores: &Stores, secret: &str) -> Result<KeyRing, KeyError> {
    KeyRing::open(Arc::new(stores.keys.clone()), Arc::new(Vault::new([secret])), TIMES, |_| {}).await
}

fn names(set: &JwkSet) -> Vec<String> {
    set.keys.iter().map(|key| key.kid.clone()).collect()
}

testkit::for_each_backend! {
    async fn replicas_that_start_at_once_sign_with_one_key(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let rings = join_all((0..5).map(|_| ring(&stores, SECRET))).await;
        let rings: Vec<KeyRing> = rings.into_iter().map(|ring| ring.map_err(|e| e.to_string()).unwrap()).collect();
        let first = names(&rings[0].jwks());
        assert_eq!(first.len(), 1);
        for ring in &rings {
            assert_eq!(names(&ring.jwks()), first);
            assert_eq!(ring.signer(storage::now_ms()).kid(), first[0]);
            // Before the first key signs, and long after.
            assert_eq!(ring.signer(0).kid(), first[0]);
        }
    }

    async fn a_key_is_published_before_it_signs_and_the_old_one_stays(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let ring = ring(&stores, SECRET).await.map_err(|e| e.to_string()).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = heard.clone();
        let other = KeyRing::open(
            Arc::new(stores.keys.clone()), Arc::new(Vault::new([SECRET])), TIMES,
            move |set| hears.lock().unwrap().push(set.keys.len()),
        ).await.map_err(|e| e.to_string()).unwrap();
        let now = storage::now_ms();
        let old = ring.signer(now).kid().to_owned();
        let Ok(Rotated::Next { kid: new, signs_from }) = ring.rotate(now).await else { panic!("not rotated") };
        assert_eq!(signs_from, now + 1_000);
        assert_eq!(names(&ring.jwks()), [old.clone(), new.clone()]);
        // The other replica finds it, and makes none of its own.
        let again = other.rotate(now).await.map_err(|e| e.to_string()).unwrap();
        assert_eq!(again, Rotated::Waiting { kid: new.clone(), signs_from });
        assert_eq!(*heard.lock().unwrap(), [1, 2]);
        for ring in [&ring, &other] {
            assert_eq!(ring.signer(signs_from - 1).kid(), old);
            assert_eq!(ring.signer(signs_from).kid(), new);
            ring.look(signs_from + 9_999).await.map_err(|e| e.to_string()).unwrap();
            assert_eq!(ring.jwks().keys.len(), 2, "a token of the old key may live");
        }
        for ring in [&ring, &other] {
            ring.look(signs_from + 10_000).await.map_err(|e| e.to_string()).unwrap();
            assert_eq!(names(&ring.jwks()), std::slice::from_ref(&new));
            assert_eq!(ring.signer(0).kid(), new);
        }
    }

    /// What an operator does with a key that was stolen, and cannot wait until its tokens have expired.
    async fn a_key_that_is_deleted_signs_no_more_though_the_next_one_has_its_number(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let ring = ring(&stores, SECRET).await.map_err(|e| e.to_string()).unwrap();
        let now = storage::now_ms();
        let stolen = ring.signer(now).kid().to_owned();
        use account::use_cases::ports::KeyStore as _;
        stores.keys.remove(1).await.unwrap();
        ring.look(now).await.map_err(|e| e.to_string()).unwrap();
        assert_eq!(ring.jwks().keys.len(), 1);
        assert!(!names(&ring.jwks()).contains(&stolen));
        assert_ne!(ring.signer(now).kid(), stolen);
    }

    async fn rotations_at_once_make_one_key(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let rings = join_all((0..4).map(|_| ring(&stores, SECRET))).await;
        let rings: Vec<KeyRing> = rings.into_iter().map(|ring| ring.map_err(|e| e.to_string()).unwrap()).collect();
        let now = storage::now_ms();
        let rotated = join_all(rings.iter().map(|ring| ring.rotate(now))).await;
        let next = |rotated: &Result<Rotated, KeyError>| matches!(rotated, Ok(Rotated::Next { .. }));
        assert_eq!(rotated.iter().filter(|rotated| next(rotated)).count(), 1);
        for ring in &rings {
            ring.look(now).await.map_err(|e| e.to_string()).unwrap();
            assert_eq!(names(&ring.jwks()), names(&rings[0].jwks()));
        }
    }

    async fn another_secret_is_refused_and_no_key_lies_open(db: TestDatabase) {
        let stores = Stores::open(&db).await;
        let first = ring(&stores, SECRET).await.map_err(|e| e.to_string()).unwrap();
        let Err(error) = ring(&stores, "another secret 12").await else { panic!("it was opened") };
        assert!(error.to_string().starts_with("keys.secret: "), "{error}");
        use account::use_cases::ports::KeyStore as _;
        let stored = format!("{:?}", stores.keys.all().await.unwrap());
        use base64::Engine as _;
        let seed = first.signer(storage::now_ms()).seed();
        let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        for form in [base64::engine::general_purpose::STANDARD_NO_PAD.encode(*seed), hex] {
            assert!(!stored.contains(&form[..20]));
        }
    }

    /// The worker does it: a replica that was not asked publishes the key too.
    async fn a_running_service_publishes_what_another_process_made(db: TestDatabase) {
        let log = TestLog::new().await;
        let settings = settings(&db, &log);
        let app = App::start(settings).await;
        let stores = Stores::open(&db).await;
        let vault = Arc::new(Vault::new(["a secret of the tests"]));
        let other = KeyRing::open(Arc::new(stores.keys.clone()), vault, TIMES, |_| {}).await;
        other.map_err(|e| e.to_string()).unwrap().rotate(storage::now_ms()).await.unwrap();
        let mut client = app.client();
        eventually("both keys are published", SOON, async || {
            let answer = client.get("/.well-known/jwks.json").await;
            answer.json()["keys"].as_array().unwrap().len() == 2
        }).await;
        app.stop().await;
    }

    async fn a_key_that_has_signed_long_enough_is_rotated(db: TestDatabase) {
        let log = TestLog::new().await;
        let mut settings = settings(&db, &log);
        settings.own.keys.publish_before_ms = 1;
        settings.own.keys.rotate_after_ms = 300;
        settings.shared.auth.token_lifetime_ms = 1_000;
        settings.shared.auth.clock_skew_ms = 0;
        let app = App::start(settings).await;
        let mut client = app.client();
        let first = client.get("/.well-known/jwks.json").await.json()["keys"][0]["kid"].clone();
        eventually("the first key has gone", SOON, async || {
            let answer = client.get("/.well-known/jwks.json").await.json();
            answer["keys"].as_array().unwrap().iter().all(|key| key["kid"] != first)
        }).await;
        app.stop().await;
    }
}

#[test]
fn of_given_keys_the_first_one_signs() {
    let signers = [[1; 32], [2; 32]].map(|seed| Signer::of_seed(&seed));
    let kids: Vec<String> = signers.iter().map(|signer| signer.kid().to_owned()).collect();
    let ring = KeyRing::given(signers.into(), TIMES, |_| {});
    assert_eq!(ring.signer(storage::now_ms()).kid(), kids[0]);
    assert_eq!(ring.jwks().keys.len(), 2);
}
