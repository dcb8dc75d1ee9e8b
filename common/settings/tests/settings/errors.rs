//! What is said when something is wrong: one line with the key and its origin.

use std::ffi::OsString;

use settings::{Invalid, Layers, Surroundings, load_in};

use super::{DEFAULTS, Settings, Start, directory, with_variable};

/// The complaint about this `application-docker.toml`.
fn with_file(text: &str) -> (tempfile::TempDir, String) {
    let directory = directory(text);
    let error =
        Start { profile: Some("docker"), directories: vec![directory.path()], ..Start::default() }.error();
    (directory, error)
}

#[test]
fn wrong_variables_are_named() {
    for (name, value, line) in [
        (
            "SERVER_PORT",
            "abc",
            r#"server.port: expected an integer, found "abc" (environment variable SERVER_PORT)"#,
        ),
        (
            "SERVER_PORT",
            "",
            r#"server.port: expected an integer, found "" (environment variable SERVER_PORT)"#,
        ),
        (
            "SERVER_PORT",
            "70000",
            "server.port: expected an unsigned 16 bit integer, found 64-bit unsigned integer `70000` (environment variable SERVER_PORT)",
        ),
        (
            "SERVER_KEEP_ALIVE",
            "yes please",
            r#"server.keep_alive: expected true or false, found "yes please" (environment variable SERVER_KEEP_ALIVE)"#,
        ),
        (
            "SERVER_RATIO",
            "NaN",
            r#"server.ratio: expected a number, found "NaN" (environment variable SERVER_RATIO)"#,
        ),
        (
            "CORS_ORIGINS",
            "[\"a\"\n]\nb = 1",
            r#"cors.origins: expected a list, found "[\"a\"\n]\nb = 1" (environment variable CORS_ORIGINS)"#,
        ),
        (
            "KAFKA_PROPERTIES",
            "x",
            r#"kafka.properties: expected a table, found "x" (environment variable KAFKA_PROPERTIES)"#,
        ),
        (
            "ROUTES",
            r#"[{id = "x", url = "http://x"}]"#,
            "routes[0]: unknown field `url`, expected `id` or `uri` (environment variable ROUTES)",
        ),
        ("ROUTES", r#"[{id = "x"}]"#, "routes[0].uri: is missing (environment variable ROUTES)"),
    ] {
        assert_eq!(with_variable(name, value).error(), line);
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStringExt;
    let surroundings = Surroundings {
        directories: Vec::new(),
        variable: &|name| (name == "SERVER_HOST").then(|| OsString::from_vec(vec![0xff])),
    };
    let layers = super::compiled_in(DEFAULTS);
    let error = load_in::<Settings>(&surroundings, &layers, |_| Ok(())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "server.host: expected a string, found bytes that are not UTF-8 (environment variable SERVER_HOST)"
    );
}

#[test]
fn wrong_files_are_named() {
    for (text, line) in [
        ("[server]\nprot = 1", "server.prot: unknown key, did you mean server.port?"),
        ("[sever]\nport = 1", "sever: unknown key"),
        ("port = 1", "port: unknown key, did you mean server.port?"),
        ("[database]\nurl = 1", "database: unknown key"),
        ("[server]\nport = \"8080\"", "server.port: expected an integer, found \"8080\""),
        ("server = 1", "server: expected a table, found 1"),
        ("[server.port]\nnumber = 1", "server.port: expected an integer, found a table"),
        ("[kafka]\nsasl_password = 12345", "kafka.sasl_password: expected a string, found an integer"),
        (
            "[server]\nport = -1",
            "server.port: expected an unsigned 64 bit or less integer, found 64-bit integer `-1`",
        ),
    ] {
        let (directory, error) = with_file(text);
        let path = directory.path().join("application-docker.toml");
        assert_eq!(error, format!("{line} ({})", path.display()));
    }
}

#[test]
fn an_unparsable_file_is_named_with_the_place_and_without_its_text() {
    let (directory, error) = with_file("[kafka]\nbrokers = \"b\"\nsasl_password = hunter2\n");
    let path = directory.path().join("application-docker.toml");
    assert!(error.starts_with(&format!("{}: line 3, column 17: ", path.display())), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("application-docker.toml");
    std::fs::create_dir(&path).unwrap();
    let error =
        Start { profile: Some("docker"), directories: vec![directory.path()], ..Start::default() }.error();
    assert!(error.starts_with(&format!("{}: cannot be read: ", path.display())), "{error}");
}

#[test]
fn an_unknown_profile_is_refused() {
    let elsewhere = directory("");
    let traversal = format!("../{}/docker", elsewhere.path().display());
    for profile in ["dokcer", "../docker", traversal.as_str(), "a\nb"] {
        let error =
            Start { profile: Some(profile), directories: vec![elsewhere.path()], ..Start::default() }.error();
        assert!(
            error.starts_with(&format!(
                "profile {profile:?} is unknown: compiled in are default, docker, and there is no "
            )),
            "{error}"
        );
    }
}

#[test]
fn a_check_is_reported_with_the_origin_of_its_key() {
    let check = |settings: &Settings| {
        settings::in_range("server.ratio", settings.server.ratio, 0.0..=1.0)?;
        settings::non_empty("server.host", &settings.server.host)?;
        settings::url("url.payment", &settings.url["payment"], &["http", "https"])?;
        Ok(())
    };
    for (name, value, line) in [
        ("SERVER_RATIO", "2", "server.ratio: 2 is not between 0 and 1"),
        ("SERVER_HOST", " ", "server.host: must not be empty"),
        ("URL_PAYMENT", "payment:8080", "url.payment: has the scheme payment, expected http://, https://"),
        ("URL_PAYMENT", "user:hunter2@", "url.payment: has the scheme user, expected http://, https://"),
        (
            "URL_PAYMENT",
            "//x",
            "url.payment: is no URL (relative URL without a base); expected http://, https://",
        ),
    ] {
        let error = with_variable(name, value).load_checked(check).unwrap_err();
        assert_eq!(error.to_string(), format!("{line} (environment variable {name})"));
    }
    with_variable("SERVER_RATIO", "0.5").load_checked(check).unwrap();
    let error = Start::default().load_checked(|_| Err(Invalid::new("server.port", "is odd"))).unwrap_err();
    assert_eq!(error.to_string(), "server.port: is odd (the compiled-in defaults)");
}

#[test]
fn keys_that_share_a_variable_are_refused() {
    let error =
        settings::variables(&super::compiled_in("[event_log]\nurl = 1\n[event]\nlog_url = 1")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "event.log_url and event_log.url share the environment variable EVENT_LOG_URL (the compiled-in defaults)"
    );
    let gateway = super::compiled_in("[server]\nport = 1\n[kafka.properties]");
    let variables = settings::variables(&Layers { env_prefix: Some("GATEWAY"), ..gateway }).unwrap();
    let names: Vec<_> = variables.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["GATEWAY_KAFKA_PROPERTIES", "GATEWAY_SERVER_PORT"]);
}
