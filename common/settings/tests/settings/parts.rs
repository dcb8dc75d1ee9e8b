//! A service's settings in two parts: what all services have, and its own.

use std::ffi::OsString;

use serde::Deserialize;
use settings::{Compiled, Invalid, Layers, SettingsError, Surroundings, load_parts_in};

const SHARED: Compiled = Compiled {
    defaults: "[server]\nhost = \"127.0.0.1\"\nport = 0\n[log]\nlevel = \"info\"",
    profiles: &[("docker", "[server]\nport = 8080")],
};
const OWN: Compiled = Compiled {
    defaults: "[server]\nport = 8081\n[undo]\nafter_ms = 5\n[url]\npayment = \"http://localhost\"",
    profiles: &[("docker", "[url]\npayment = \"http://payment\"")],
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    server: Server,
    log: Log,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    host: String,
    port: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    level: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    undo: Undo,
    url: Url,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Undo {
    after_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Url {
    payment: String,
}

fn load(
    own: Compiled,
    profile: Option<&str>,
    variables: &[(&str, &str)],
    finish: impl FnOnce(&mut Shared, &mut Own) -> Result<(), Invalid>,
) -> Result<(Shared, Own), SettingsError> {
    let variable = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    };
    let surroundings = Surroundings { directories: Vec::new(), variable: &variable };
    let layers = Layers { shared: SHARED, own, profile: profile.map(str::to_owned), ..Layers::default() };
    load_parts_in(&surroundings, &layers, finish)
}

#[test]
fn each_part_has_its_sections() {
    let (shared, own) = load(OWN, None, &[], |_, _| Ok(())).unwrap();
    assert_eq!((shared.server.host.as_str(), shared.server.port), ("127.0.0.1", 8081), "its own port");
    assert_eq!((shared.log.level.as_str(), own.undo.after_ms), ("info", 5));
    let variables = [("UNDO_AFTER_MS", "7"), ("SERVER_PORT", "9")];
    let (shared, own) = load(OWN, Some("docker"), &variables, |_, _| Ok(())).unwrap();
    assert_eq!((shared.server.port, own.undo.after_ms), (9, 7));
    assert_eq!(own.url.payment, "http://payment", "the profile has a shared and an own part");
    assert_eq!(load(OWN, Some("docker"), &[], |_, _| Ok(())).unwrap().0.server.port, 8080);
}

#[test]
fn a_mistake_in_either_part_is_named() {
    let line = |own, variables: &[_], finish: fn(&mut Shared, &mut Own) -> _| {
        load(own, None, variables, finish).unwrap_err().to_string()
    };
    for (variable, value, expected) in [
        (
            "SERVER_PORT",
            "x",
            "server.port: expected an integer, found \"x\" (environment variable SERVER_PORT)",
        ),
        (
            "SERVER_PORT",
            "70000",
            "server.port: expected an unsigned 16 bit integer, found 64-bit unsigned integer `70000` (environment variable SERVER_PORT)",
        ),
        (
            "UNDO_AFTER_MS",
            "-1",
            "undo.after_ms: expected an unsigned 64 bit or less integer, found 64-bit integer `-1` (environment variable UNDO_AFTER_MS)",
        ),
    ] {
        assert_eq!(line(OWN, &[(variable, value)], |_, _| Ok(())), expected);
    }
    assert_eq!(
        line(OWN, &[("UNDO_AFTER_MS", "6")], |_, own| Err(Invalid::new(
            "undo.after_ms",
            own.undo.after_ms.to_string()
        ))),
        "undo.after_ms: 6 (environment variable UNDO_AFTER_MS)"
    );
}

/// Whoever writes defaults that no struct has is told so.
#[test]
fn defaults_that_nothing_reads_are_refused() {
    for (more, field) in [("[redo]\nafter_ms = 1", "redo"), ("[log]\nlevle = \"info\"", "levle")] {
        let defaults = [OWN.defaults, more].join("\n");
        let error = load(Compiled { defaults: &defaults, ..OWN }, None, &[], |_, _| Ok(())).unwrap_err();
        assert!(error.to_string().contains(&format!("unknown field `{field}`")), "{error}");
    }
}
