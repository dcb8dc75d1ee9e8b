//! What is said while tokens are checked. Alone in its process: a test beside it without a subscriber would switch lines off for both.

#![allow(clippy::unwrap_used)]

mod support;

use identity::{Refused, Signer};
use support::*;

/// Whatever is said while a token is checked, it is not the token, nor whose it is.
#[test]
fn no_token_in_a_log() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let signer = Signer::generate();
    let (good, expired) = (signer.sign(&claims()), signer.sign(&claims_at(1)));
    tracing::subscriber::with_default(subscriber, || {
        let authenticator = knowing(&signer);
        let principal = authenticator.check_at(&good, NOW).unwrap();
        tracing::info!(?principal, ?signer, "known");
        assert_eq!(authenticator.check_at(&expired, NOW), Err(Refused::Expired));
    });
    let said = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("a token was refused") && said.contains("expired"), "{said}");
    for token in [&good, &expired] {
        for part in token.split('.').skip(1) {
            assert!(!said.contains(part), "{said}");
        }
    }
    assert!(!said.contains("shop.example") && !said.contains(&format!("{:?}", signer.seed().as_slice())));
}

#[derive(Clone, Default)]
struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
