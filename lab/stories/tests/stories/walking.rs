//! A HAL client that is not ours finds its way from `/` to an item and back, by links alone.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use stories::system::System;

/// Where `lab/stories/hal/install` puts it.
fn installed_at() -> PathBuf {
    let this = std::env::current_exe().expect("a program knows where it lies");
    // <target>/<profile>/deps/<this test>
    this.ancestors().nth(3).expect("a test lies in <target>/<profile>/deps").join("hal/node_modules")
}

pub(crate) fn is_installed() -> bool {
    installed_at().join("ketting").is_dir()
}

pub(crate) async fn by_a_client_of_others(system: Arc<System>) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/hal/walk.js");
    let gateway = system.gateway().origin();
    let walk = move || {
        Command::new("node").env("NODE_PATH", installed_at()).args([script, &gateway]).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(walk).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("hal: ketting walked 4 collections"), "{said}");
    println!("{said}");
}
