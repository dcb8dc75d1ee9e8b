//! Which layer wins.

use settings::{Surroundings, load_in};

use super::{DEFAULTS, Settings, Start, directory, with_variable};

#[test]
fn defaults_alone() {
    let settings = Start::default().load().unwrap();
    assert_eq!(settings.server.port, 8081);
    assert_eq!(settings.url["payment"], "http://localhost:8081");
    assert_eq!(settings.routes[0].id, "payment");
    assert!(settings.kafka.properties.is_empty());
}

#[test]
fn later_layers_win() {
    let beside = directory("[server]\nport = 1\nratio = 0\n[kafka]\nbrokers = \"beside:1\"");
    let config = directory("[server]\nport = 2\n");
    let settings = Start {
        profile: Some("docker"),
        directories: vec![beside.path(), config.path()],
        variables: vec![("SERVER_KEEP_ALIVE", "false"), ("URL_PAYMENT", "http://p")],
        ..Start::default()
    }
    .load()
    .unwrap();
    assert_eq!(settings.server.host, "0.0.0.0", "compiled-in profile");
    assert_eq!(settings.kafka.brokers, "beside:1", "file");
    assert_eq!(settings.server.ratio, 0.0, "a whole number is a fraction");
    assert_eq!(settings.server.port, 2, "the later directory");
    assert!(!settings.server.keep_alive, "variable");
    assert_eq!(settings.url["payment"], "http://p");
}

#[test]
fn variables_have_the_type_of_their_default() {
    let settings = Start {
        variables: vec![
            ("SERVER_PORT", " 9000 "),
            ("SERVER_RATIO", "0.25"),
            ("SERVER_HOST", "8"),
            ("KAFKA_SASL_PASSWORD", " [secret]=\"x\" "),
            ("KAFKA_PROPERTIES", r#"{"ssl.ca.location": "/ca.pem", "a": "b"}"#),
            ("CORS_ORIGINS", "https://a.example, https://b.example"),
            ("ROUTES", r#"[{id = "x", uri = "http://x"}]"#),
        ],
        ..Start::default()
    }
    .load()
    .unwrap();
    assert_eq!(settings.server.port, 9000);
    assert_eq!(settings.server.ratio, 0.25);
    assert_eq!(settings.server.host, "8");
    assert_eq!(settings.kafka.sasl_password, " [secret]=\"x\" ");
    assert_eq!(settings.kafka.properties["ssl.ca.location"], "/ca.pem");
    assert_eq!(settings.cors.origins, ["https://a.example", "https://b.example"]);
    assert_eq!(settings.routes.len(), 1);
    for list in [r#"["a", "b"]"#, "a,b", "a , b,"] {
        let settings = with_variable("CORS_ORIGINS", list).load().unwrap();
        assert_eq!(settings.cors.origins, ["a", "b"], "{list}");
    }
    let settings = with_variable("CORS_ORIGINS", "").load().unwrap();
    assert!(settings.cors.origins.is_empty());
    let settings = with_variable("ROUTES", r#"[{"id": "x", "uri": "http://x"}]"#);
    assert_eq!(settings.load().unwrap().routes[0].uri, "http://x", "JSON");
}

#[test]
fn open_tables_take_any_keys_from_files_as_well() {
    let directory = directory("[kafka.properties]\n\"ssl.ca.location\" = \"/ca.pem\"");
    let settings = Start { profile: Some("docker"), directories: vec![directory.path()], ..Start::default() }
        .load()
        .unwrap();
    assert_eq!(settings.kafka.properties["ssl.ca.location"], "/ca.pem");
    assert_eq!(settings.kafka.brokers, "my-kafka:9092");
}

#[test]
fn what_kubernetes_injects_is_not_read() {
    let surroundings = Surroundings {
        directories: Vec::new(),
        variable: &|name| {
            let known = settings::variables(&super::compiled_in(DEFAULTS)).unwrap();
            assert!(known.iter().any(|(_, variable)| variable == name), "{name} was read");
            None
        },
    };
    let layers = super::compiled_in(DEFAULTS);
    load_in::<Settings>(&surroundings, &layers, |_| Ok(())).unwrap();
    let settings = Start {
        variables: vec![
            ("KAFKA_PORT", "tcp://10.0.0.7:9092"),
            ("PAYMENT_SERVICE_PORT", "8080"),
            ("PORT", "1"),
            ("SERVER", "x"),
        ],
        ..Start::default()
    };
    assert_eq!(settings.load().unwrap(), Start::default().load().unwrap());
}

#[test]
fn a_prefix_tells_services_of_one_process_apart() {
    let directory = directory("[payment.server]\nport = 1\n[receipt.server]\nport = 2\n");
    let start = |variables| Start {
        profile: Some("docker"),
        prefix: Some("PAYMENT"),
        directories: vec![directory.path()],
        variables,
        ..Start::default()
    };
    assert_eq!(start(vec![]).load().unwrap().server.port, 1);
    let variables = vec![("SERVER_PORT", "3"), ("PAYMENT_SERVER_PORT", "4")];
    assert_eq!(start(variables).load().unwrap().server.port, 4);
    assert_eq!(
        start(vec![("PAYMENT_SERVER_PORT", "x")]).error(),
        r#"server.port: expected an integer, found "x" (environment variable PAYMENT_SERVER_PORT)"#
    );
}

/// What is nobody's is a mistake, and the process is the one to say so.
#[test]
fn the_process_reads_what_is_not_a_services() {
    let file = directory("[server]\nport = 5\n[payment.server]\nport = 1\n");
    let process = |directory: &tempfile::TempDir| {
        Start {
            profile: Some("docker"),
            sections: &["payment", "receipt"],
            directories: vec![directory.path()],
            ..Start::default()
        }
        .load()
    };
    assert_eq!(process(&file).unwrap().server.port, 5);
    let misspelt = directory("[paymnet.server]\nport = 1\n");
    let line = process(&misspelt).unwrap_err().to_string();
    assert!(line.starts_with("paymnet: unknown key"), "{line}");
}

#[test]
fn a_file_makes_a_profile() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("application-aks.toml"), "[server]\nport = 80").unwrap();
    let settings = Start { profile: Some("aks"), directories: vec![directory.path()], ..Start::default() };
    assert_eq!(settings.load().unwrap().server.port, 80);
}
