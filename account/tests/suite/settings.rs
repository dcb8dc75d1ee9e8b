//! What may be set, and what a wrong setting says.

use account::settings::Own;
use chassis::Settings;
use settings::SettingsError;

fn load(profile: Option<&str>, variables: &[(&str, &str)]) -> Result<Settings<Own>, SettingsError> {
    account::app::SERVICE.compiled_in(profile, variables)
}

#[test]
fn the_defaults_and_the_docker_profile() {
    let defaults = load(None, &[]).unwrap();
    assert_eq!((defaults.shared.server.host.as_str(), defaults.shared.server.port), ("127.0.0.1", 8085));
    assert_eq!((defaults.own.passwords.memory_kib, defaults.own.passwords.passes), (19 * 1_024, 2));
    let docker = load(Some("docker"), &[("KEYS_SECRET", "0123456789abcdef")]).unwrap();
    assert_eq!((docker.shared.server.host.as_str(), docker.shared.server.port), ("0.0.0.0", 8080));
}

#[test]
fn what_is_wrong_is_one_line_that_names_the_key() {
    for (variable, value, key) in [
        ("PASSWORDS_MEMORY_KIB", "7", "passwords.memory_kib"),
        ("PASSWORDS_PASSES", "0", "passwords.passes"),
        ("PASSWORDS_LANES", "0", "passwords.lanes"),
        ("PASSWORDS_WAITING", "0", "passwords.waiting"),
        ("SESSION_REFRESH_LIFETIME_MS", "0", "session.refresh_lifetime_ms"),
        ("SESSION_PREDECESSOR_TOLERANCE_MS", "60001", "session.predecessor_tolerance_ms"),
        ("THROTTLE_WINDOW_MS", "0", "throttle.window_ms"),
        ("THROTTLE_FAILURES_PER_ADDRESS", "0", "throttle.failures_per_address"),
        ("THROTTLE_SIGN_UPS_PER_CLIENT", "0", "throttle.sign_ups_per_client"),
        ("KEYS_SECRET", "s3cr3t", "keys.secret"),
        ("KEYS_SECRET", "0123456789abcdef,s3cr3t", "keys.secret"),
        ("KEYS_PRIVATE", "s3cr3t", "keys.private"),
        ("KEYS_LOOK_EVERY_MS", "0", "keys.look_every_ms"),
        ("KEYS_ROTATE_AFTER_MS", "1000", "keys.rotate_after_ms"),
        ("ADMIN_EMAIL", "root", "admin.email"),
        ("ADMIN_EMAIL", "root@shop.example", "admin.password"),
        ("ADMIN_PASSWORD", "a long s3cr3t", "admin.email"),
        ("DATABASE_URL", "postgres://account:pw@db/account", "keys.secret"),
    ] {
        let error = load(None, &[(variable, value)]).unwrap_err().to_string();
        assert!(
            error.starts_with(key) && !error.contains('\n') && !error.contains("s3cr3t"),
            "{variable}: {error}"
        );
    }
}

#[test]
fn secrets_are_not_shown() {
    let variables = [
        ("KEYS_SECRET", "the s3cr3t of the keys"),
        ("ADMIN_EMAIL", "root@shop.example"),
        ("ADMIN_PASSWORD", "the s3cr3t of root"),
    ];
    assert!(!format!("{:?}", load(None, &variables).unwrap()).contains("s3cr3t"));
}
