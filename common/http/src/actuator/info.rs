//! `/actuator/info`: which build this is. Filled in by `build.rs`.

use serde_json::{Map, json};

use super::endpoint::Json;

pub(super) fn render(service: &str) -> Json {
    let mut build = Map::new();
    build.insert("name".to_owned(), service.into());
    build.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
    build.insert("profile".to_owned(), env!("BUILD_PROFILE").into());
    if let Some(time) = option_env!("BUILD_TIME") {
        build.insert("time".to_owned(), time.into());
    }
    let mut info = json!({"build": build, "rustc": {"version": env!("BUILD_RUSTC")}});
    if let Some(commit) = option_env!("BUILD_GIT_COMMIT") {
        let mut git = json!({"commit": {"id": commit}});
        if let Some(time) = option_env!("BUILD_GIT_TIME") {
            git["commit"]["time"] = time.into();
        }
        if let Some(branch) = option_env!("BUILD_GIT_BRANCH") {
            git["branch"] = branch.into();
        }
        info["git"] = git;
    }
    info
}
