//! What `preorder` says about a wrong setting.

#![allow(clippy::unwrap_used)]

use std::process::Command;

fn refused(variable: &str, value: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_preorder")).env(variable, value).output().unwrap();
    assert!(!output.status.success(), "{variable}={value}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_unknown_mode_is_answered_with_those_that_there_are() {
    for variable in ["AUTH_MODE", "PAYMENT_AUTH_MODE"] {
        let line =
            format!("preorder: auth.mode: expected open or required (environment variable {variable})\n");
        assert_eq!(refused(variable, "maybe"), line);
    }
}
