//! Nothing that a variable or a file may hold is taken for something else, or explained over several lines.

use proptest::prelude::*;

use super::{DEFAULTS, Start, directory, with_variable};

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![".*", r#"[\[\]{}=,"'\n #a-z0-9.-]{0,40}"#, any::<i64>().prop_map(|n| n.to_string())]
}

proptest! {
    /// Whatever a variable holds: it is taken as it is, or refused in one line that names it.
    #[test]
    fn any_variable_is_read_or_named(text in anything()) {
        for (_, name) in settings::variables(&super::compiled_in(DEFAULTS)).unwrap() {
            if let Err(error) = with_variable(&name, &text).load() {
                let line = error.to_string();
                prop_assert!(line.ends_with(&format!("(environment variable {name})")), "{}", line);
                prop_assert!(!line.contains('\n'), "{:?}", line);
            }
        }
        let settings = with_variable("SERVER_HOST", &text).load().unwrap();
        prop_assert_eq!(settings.server.host, text);
    }

    #[test]
    fn any_number_is_read_back(port: u16, ratio in -1e9..1e9f64, keep_alive: bool) {
        let (port_text, ratio_text, flag) = (port.to_string(), ratio.to_string(), keep_alive.to_string());
        let settings = Start {
            variables: vec![
                ("SERVER_PORT", &port_text),
                ("SERVER_RATIO", &ratio_text),
                ("SERVER_KEEP_ALIVE", &flag),
            ],
            ..Start::default()
        }
        .load()
        .unwrap();
        prop_assert_eq!(settings.server.port, port);
        prop_assert_eq!(settings.server.ratio, ratio);
        prop_assert_eq!(settings.server.keep_alive, keep_alive);
    }

    /// Whatever a file holds: one line, or settings.
    #[test]
    fn any_file_is_read_or_refused_in_one_line(text in anything()) {
        let directory = directory(&text);
        let loaded = Start {
            profile: Some("docker"),
            directories: vec![directory.path()],
            ..Start::default()
        }
        .load();
        if let Err(error) = loaded {
            prop_assert!(!error.to_string().contains('\n'), "{:?}", error.to_string());
        }
    }
}
