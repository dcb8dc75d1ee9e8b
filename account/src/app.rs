//! The composition root: what the service is and can do. Production, `preorder` and tests all come through here.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use chassis::{Application, Chassis, Service, Settings, StartError};
use settings::Compiled;

use crate::domain::Vault;
use crate::inbound::http::{self, Cookies, MaxAge, UseCases};
use crate::outbound::argon::ArgonPasswords;
use crate::outbound::secret_file;
use crate::outbound::sql::{MIGRATIONS, SqlAttempts, SqlFamilies, SqlKeys, SqlUsers};
use crate::private_keys;
use crate::settings::{KeySettings, Own};
use crate::use_cases::administer::Administer;
use crate::use_cases::first_administrator::FirstAdministrator;
use crate::use_cases::key_ring::{KeyError, KeyRing, Times};
use crate::use_cases::ports::{FamilyStore, Passwords, UserStore};
use crate::use_cases::purge;
use crate::use_cases::refresh::Refresh;
use crate::use_cases::sessions::Sessions;
use crate::use_cases::sign_in::SignIn;
use crate::use_cases::sign_out::SignOut;
use crate::use_cases::sign_up::SignUp;
use crate::use_cases::throttle::Throttle;

pub const SERVICE: Service<Own> = Service {
    name: "account",
    about: "Knows the users, signs them in, and says to all services who is who",
    settings: Compiled { defaults: include_str!("../config/default.toml"), profiles: &[] },
    build: |settings| Box::pin(build(settings)),
};

/// # Errors
/// What the settings name cannot be used: a database that does not answer, a port that is taken, a secret that is another one.
pub async fn build(mut settings: Settings<Own>) -> Result<Application, StartError> {
    // It has the keys itself.
    settings.shared.auth.jwks_url.clear();
    let auth = settings.shared.auth.clone();
    let vault = Arc::new(vault(&settings)?);
    let own = settings.own;
    let mut chassis = Chassis::open(SERVICE.name, settings.shared, &[MIGRATIONS]).await?;
    chassis.tell(events::ACCOUNT);
    http::describe();

    let users = SqlUsers::new(chassis.database().clone(), chassis.outbox().clone());
    let users: Arc<dyn UserStore> = Arc::new(users);
    let families: Arc<dyn FamilyStore> = Arc::new(SqlFamilies::new(chassis.database().clone()));
    let passwords: Arc<dyn Passwords> = Arc::new(ArgonPasswords::new(&own.passwords)?);
    let throttle = Arc::new(Throttle {
        store: Arc::new(SqlAttempts::new(chassis.database().clone())),
        key: vault.attempts_key(),
        failures_per_address: own.throttle.limit(own.throttle.failures_per_address),
        failures_per_client: own.throttle.limit(own.throttle.failures_per_client),
        sign_ups_per_client: own.throttle.limit(own.throttle.sign_ups_per_client),
    });

    let times = times(&own.keys, &auth);
    let authenticator = chassis.authenticator().clone();
    let listener = move |set: &identity::JwkSet| authenticator.set_keys(set);
    let signers = given_keys(&own.keys)?;
    let keys = Arc::new(match signers.is_empty() {
        false => KeyRing::given(signers, times, listener),
        true => {
            let store = Arc::new(SqlKeys::new(chassis.database().clone()));
            KeyRing::open(store, vault, times, listener).await.map_err(keys_not_opened)?
        }
    });
    let (ring, every) = (keys.clone(), Duration::from_millis(own.keys.look_every_ms));
    chassis.background("signing keys", move |stop| ring.keep(every, stop));
    let (old_families, old_attempts) = (families.clone(), throttle.clone());
    chassis.background("purge", move |stop| purge::run(old_families, old_attempts, stop));

    if let Some((email, password)) = own.admin.parse()? {
        let first = FirstAdministrator { users: users.clone(), passwords: passwords.clone() };
        let made = first.execute(email, password).await.map_err(|source| StartError::Other {
            what: "admin.email: the administrator cannot be made".to_owned(),
            source: source.into(),
        })?;
        made.log();
    }

    let sessions = Arc::new(Sessions {
        keys: keys.clone(),
        rules: auth.rules(),
        refresh_lifetime_ms: own.session.refresh_lifetime_ms,
    });
    let use_cases = Data::new(UseCases {
        sign_up: SignUp {
            users: users.clone(),
            passwords: passwords.clone(),
            throttle: throttle.clone(),
            sessions: sessions.clone(),
        },
        sign_in: SignIn { users: users.clone(), passwords, throttle, sessions: sessions.clone() },
        sign_out: SignOut { families: families.clone() },
        refresh: Refresh {
            users: users.clone(),
            families,
            sessions,
            tolerance_ms: own.session.predecessor_tolerance_ms,
        },
        administer: Administer { users: users.clone(), skew_ms: 1_000 * auth.skew_s() },
        users,
        keys,
        cookies: Cookies {
            secure: auth.secure_cookies,
            token_lifetime: Duration::from_millis(auth.token_lifetime_ms),
            refresh_lifetime: Duration::from_millis(own.session.refresh_lifetime_ms.unsigned_abs()),
        },
        max_age: MaxAge(own.keys.max_age_s),
    });
    chassis.serve(move |config| http::configure(config, use_cases.clone()))
}

/// What encrypts the private keys: the settings say it, or a file beside the database.
pub(crate) fn vault(settings: &Settings<Own>) -> Result<Vault, StartError> {
    let own: Vec<&str> = settings.own.keys.secrets().collect();
    if !own.is_empty() {
        return Ok(Vault::new(own));
    }
    let secret = secret_file::beside(&settings.shared.database.url).map_err(|source| StartError::Other {
        what: "keys.secret: is empty, and no file beside the database can hold one".to_owned(),
        source: source.into(),
    })?;
    Ok(Vault::new([secret.as_str()]))
}

pub(crate) fn times(keys: &KeySettings, auth: &identity::AuthSettings) -> Times {
    Times {
        publish_before: keys.publish_before_ms,
        rotate_after: keys.rotate_after_ms,
        // Once for the replica that signs and once for the service that checks.
        outlives: 1_000 * (auth.token_lifetime_s() + 2 * auth.skew_s()),
    }
}

pub(crate) fn given_keys(keys: &KeySettings) -> Result<Vec<identity::Signer>, StartError> {
    use secrecy::ExposeSecret;
    let parsed = private_keys::parse(keys.private.expose_secret());
    Ok(parsed.map_err(|reason| settings::Invalid::new("keys.private", reason))?)
}

fn keys_not_opened(error: KeyError) -> StartError {
    let what = match error {
        KeyError::Sealed(_) => "the signing keys cannot be used",
        KeyError::Store(_) => "the signing keys cannot be read",
    };
    StartError::Other { what: what.to_owned(), source: error.into() }
}
