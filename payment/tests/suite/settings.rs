//! What may be set, and what a wrong setting says.

use chassis::Settings;
use payment::settings::Own;
use settings::SettingsError;

fn load(profile: Option<&str>, variables: &[(&str, &str)]) -> Result<Settings<Own>, SettingsError> {
    payment::app::SERVICE.compiled_in(profile, variables)
}

#[test]
fn the_defaults_and_the_docker_profile() {
    let defaults = load(None, &[]).unwrap();
    assert_eq!((defaults.shared.server.host.as_str(), defaults.shared.server.port), ("127.0.0.1", 8081));
    assert_eq!(&*defaults.own.provider.ledger_url, "sqlite://data/ledger.db");
    let docker = load(Some("docker"), &[("INTERNAL_TOKEN", "0123456789abcdef")]).unwrap();
    assert_eq!((docker.shared.server.host.as_str(), docker.shared.server.port), ("0.0.0.0", 8080));
    assert_eq!(docker.shared.kafka.brokers, "my-kafka:9092");
}

#[test]
fn the_original_latency_can_be_set() {
    let variables = [("PROVIDER_LATENCY_MIN_MS", "400"), ("PROVIDER_LATENCY_MAX_MS", "620")];
    let settings = load(None, &variables).unwrap();
    assert_eq!((settings.own.provider.latency_min_ms, settings.own.provider.latency_max_ms), (400, 620));
}

#[test]
fn what_is_wrong_is_one_line_that_names_the_key() {
    for (variable, value, key) in [
        ("PROVIDER_LEDGER_URL", "mysql://x", "provider.ledger_url"),
        ("PROVIDER_LEDGER_MAX_CONNECTIONS", "0", "provider.ledger_max_connections"),
        ("PROVIDER_LATENCY_MIN_MS", "5", "provider.latency_min_ms"),
        ("PROVIDER_ERROR_RATE", "1.5", "provider.error_rate"),
        ("PROVIDER_ERROR_RATE", "NaN", "provider.error_rate"),
        ("PROVIDER_CHARGE_ENABLED", "perhaps", "provider.charge_enabled"),
        ("UNDO_ABANDONED_AFTER_MS", "50", "undo.abandoned_after_ms"),
        ("UNDO_LONGEST_BACKOFF_MS", "0", "undo.longest_backoff_ms"),
        ("CONSUMER_BATCH", "0", "consumer.batch"),
        ("DATABASE_URL", "file.db", "database.url"),
    ] {
        let error = load(None, &[(variable, value)]).unwrap_err().to_string();
        assert!(error.starts_with(key) && !error.contains('\n'), "{variable}: {error}");
    }
}

#[test]
fn whoever_is_reached_from_elsewhere_needs_a_token() {
    for host in ["0.0.0.0", "::", "192.0.2.1", "payment", "localhost.example"] {
        let error = load(None, &[("SERVER_HOST", host)]).unwrap_err().to_string();
        assert!(error.starts_with("internal.token: must not be empty"), "{host}: {error}");
        load(None, &[("SERVER_HOST", host), ("INTERNAL_TOKEN", "0123456789abcdef")]).unwrap();
    }
    for host in ["127.0.0.1", "127.1.2.3", "::1", "localhost"] {
        load(None, &[("SERVER_HOST", host)]).unwrap();
    }
    // Where everybody has to prove who he is, so has prereservation.
    let error = load(None, &[("AUTH_MODE", "required")]).unwrap_err().to_string();
    assert!(error.starts_with("internal.token: must not be empty"), "{error}");
    load(None, &[("AUTH_MODE", "required"), ("INTERNAL_TOKEN", "0123456789abcdef")]).unwrap();
    assert!(load(Some("docker"), &[]).unwrap_err().to_string().starts_with("internal.token: "));
}

#[test]
fn passwords_are_not_shown() {
    let url = "postgres://payment:s3cr3t@db/payment";
    let token = "the-internal-s3cr3t-token";
    let variables = [("PROVIDER_LEDGER_URL", url), ("DATABASE_URL", url), ("INTERNAL_TOKEN", token)];
    let settings = load(None, &variables).unwrap();
    assert!(!format!("{settings:?}").contains("s3cr3t"));
    let short = load(None, &[("INTERNAL_TOKEN", "s3cr3t")]).unwrap_err().to_string();
    assert!(short.starts_with("internal.token: ") && !short.contains("s3cr3t"), "{short}");
}

#[tokio::test]
async fn a_ledger_that_cannot_be_opened_names_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| format!("sqlite://{}/{name}", directory.path().display());
    let mut settings = load(None, &[]).unwrap();
    settings.shared.server.port = 0;
    settings.shared.database.url = file("payment.db").into();
    settings.shared.event_log.url = file("events.db");
    std::fs::write(directory.path().join("taken"), "").unwrap();
    settings.own.provider.ledger_url = file("taken/ledger.db").into();
    let Err(error) = payment::app::build(settings).await else { panic!("it started") };
    let line = chassis::error_chain(&error);
    assert!(line.starts_with("provider.ledger_url: cannot create directory"), "{line}");
}
