//! What others than account make of a token. Each has to be refused, and for the reason that is the true one.

#![allow(clippy::unwrap_used)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use identity::{Claims, Refused, Signer};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;
use support::*;

fn with(mut of: Value, name: &str, value: Value) -> Value {
    of[name] = value;
    of
}

fn claims_json() -> Value {
    serde_json::to_value(claims()).unwrap()
}

/// With one header field changed, and a signature that fits all the same.
fn with_header(signer: &Signer, name: &str, value: Value) -> String {
    signed(signer, &with(header(signer), name, value).to_string(), &claims_json().to_string())
}

fn with_claim(signer: &Signer, name: &str, value: Value) -> String {
    signed(signer, &header(signer).to_string(), &with(claims_json(), name, value).to_string())
}

#[track_caller]
fn assert_refused(signer: &Signer, token: &str, why: Refused) {
    let authenticator = knowing(signer);
    // The second time as well: nothing of it is kept.
    for _ in 0..2 {
        assert_eq!(authenticator.check_at(token, NOW), Err(why), "{token}");
    }
}

#[test]
fn a_token_of_account_holds() {
    let signer = Signer::generate();
    let principal = knowing(&signer).check_at(&signer.sign(&claims()), NOW).unwrap();
    assert_eq!((principal.user_id, principal.issued_at), (7, NOW));
    assert_eq!(principal.email, "customer@shop.example");
    // The tests below differ from this one in one thing each.
    let by_hand = signed(&signer, &header(&signer).to_string(), &claims_json().to_string());
    assert!(knowing(&signer).check_at(&by_hand, NOW).is_ok());
}

#[test]
fn another_algorithm() {
    let signer = Signer::generate();
    for algorithm in ["none", "None", "NONE", "nOnE", "", "HS256", "ES256", "RS256", "eddsa", "Ed25519"] {
        assert_refused(&signer, &with_header(&signer, "alg", algorithm.into()), Refused::Algorithm);
    }
    // Without a signature, as `none` would have it.
    let unsigned = format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(&claims_json()));
    assert_refused(&signer, &unsigned, Refused::Algorithm);
    let unsigned = format!("{}.{}.", part(&header(&signer)), part(&claims_json()));
    assert_refused(&signer, &unsigned, Refused::Malformed);
}

#[test]
fn hs256_signed_with_the_public_key() {
    let signer = Signer::generate();
    let jwk = serde_json::to_string(signer.jwk()).unwrap();
    for secret in [&signer.public()[..], signer.jwk().x.as_bytes(), jwk.as_bytes()] {
        for algorithm in ["HS256", "EdDSA"] {
            let header = with(header(&signer), "alg", algorithm.into());
            let message = format!("{}.{}", part(&header), part(&claims_json()));
            let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(&message).finalize();
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()));
            let why = if algorithm == "HS256" { Refused::Algorithm } else { Refused::Malformed };
            assert_refused(&signer, &token, why);
        }
    }
}

#[test]
fn a_key_id_is_compared_and_nothing_else() {
    let signer = Signer::generate();
    for id in [
        "../../../../dev/null",
        "/proc/sys/kernel/randomize_va_space",
        "x' UNION SELECT 'key",
        "1; DROP TABLE keys; --",
        "https://evil.example/key",
        "",
        "\0",
        &"k".repeat(5_000),
        &signer.kid()[1..],
        &format!("{} ", signer.kid()),
        &signer.kid().to_uppercase(),
    ] {
        assert_refused(&signer, &with_header(&signer, "kid", id.into()), Refused::UnknownKey);
    }
    for none in [Value::Null, json!(7), json!([signer.kid()]), json!({"kid": signer.kid()})] {
        assert_refused(&signer, &with_header(&signer, "kid", none), Refused::Malformed);
    }
}

#[test]
fn a_key_that_a_token_brings_along_is_not_looked_at() {
    let (signer, thief) = (Signer::generate(), Signer::generate());
    let brought = [
        ("jwk", serde_json::to_value(thief.jwk()).unwrap()),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/key.pem")),
        ("x5c", json!(["MIIB"])),
        ("jwk", json!(7)),
    ];
    for (name, value) in brought {
        let header = with(header(&signer), name, value.clone());
        let forged = signed(&thief, &header.to_string(), &claims_json().to_string());
        assert_refused(&signer, &forged, Refused::Signature);
        let of_the_thief = with(header, "kid", thief.kid().into());
        let forged = signed(&thief, &of_the_thief.to_string(), &claims_json().to_string());
        assert_refused(&signer, &forged, Refused::UnknownKey);
        // Ignored, as RFC 7515 has it: the token of account holds with them, too.
        assert!(knowing(&signer).check_at(&with_header(&signer, name, value), NOW).is_ok(), "{name}");
    }
    assert_refused(&signer, &with_header(&signer, "crit", json!(["exp"])), Refused::Malformed);
}

#[test]
fn another_type() {
    let signer = Signer::generate();
    for kind in [json!("jwt"), json!("at+jwt"), json!("JOSE"), json!(""), Value::Null] {
        assert_refused(&signer, &with_header(&signer, "typ", kind), Refused::Malformed);
    }
}

#[test]
fn too_early_and_too_late() {
    let signer = Signer::generate();
    let at = |iat: i64, exp: i64, nbf: Option<i64>| signer.sign(&Claims { iat, exp, nbf, ..claims() });
    for (token, wanted) in [
        (at(NOW + SKEW, NOW + LIFETIME, None), None),
        (at(NOW + SKEW + 1, NOW + LIFETIME, None), Some(Refused::NotYetValid)),
        (at(NOW, NOW + LIFETIME, Some(NOW + SKEW)), None),
        (at(NOW, NOW + LIFETIME, Some(NOW + SKEW + 1)), Some(Refused::NotYetValid)),
        (at(i64::MAX, i64::MAX, None), Some(Refused::NotYetValid)),
        (at(NOW - LIFETIME, NOW - SKEW + 1, None), None),
        (at(NOW - LIFETIME, NOW - SKEW, None), Some(Refused::Expired)),
        (at(0, 0, None), Some(Refused::Expired)),
        (at(i64::MIN, i64::MIN, None), Some(Refused::Expired)),
        // For longer than a ban is kept.
        (at(NOW, NOW + LIFETIME + 1, None), Some(Refused::LivesTooLong)),
        (at(i64::MIN, i64::MAX, None), Some(Refused::LivesTooLong)),
        (at(NOW, i64::MAX, None), Some(Refused::LivesTooLong)),
        (at(NOW, NOW, None), Some(Refused::LivesTooLong)),
    ] {
        assert_eq!(knowing(&signer).check_at(&token, NOW).err(), wanted);
    }
    for missing in ["iat", "exp", "sub", "iss", "aud", "jti", "roles"] {
        assert_refused(&signer, &with_claim(&signer, missing, Value::Null), Refused::Malformed);
        let mut claims = claims_json();
        claims.as_object_mut().unwrap().remove(missing);
        let token = signed(&signer, &header(&signer).to_string(), &claims.to_string());
        assert_refused(&signer, &token, Refused::Malformed);
    }
    for time in [json!("1800000900"), json!(1.8e9), json!(true)] {
        assert_refused(&signer, &with_claim(&signer, "exp", time), Refused::Malformed);
    }
}

#[test]
fn of_another_issuer_or_for_another_audience() {
    let signer = Signer::generate();
    for other in ["", "Preorder", "preorder ", "https://evil.example"] {
        assert_refused(&signer, &with_claim(&signer, "iss", other.into()), Refused::Issuer);
        assert_refused(&signer, &with_claim(&signer, "aud", other.into()), Refused::Audience);
    }
    assert_refused(&signer, &with_claim(&signer, "aud", json!(["preorder", "other"])), Refused::Malformed);
}

#[test]
fn a_field_that_is_there_twice() {
    let signer = Signer::generate();
    let (head, body) = (header(&signer).to_string(), claims_json().to_string());
    let twice = |json: &str, field: &str| format!("{{{field},{}", &json[1..]);
    for field in [r#""alg":"EdDSA""#, r#""kid":"other""#] {
        assert_refused(&signer, &signed(&signer, &twice(&head, field), &body), Refused::Malformed);
    }
    for field in [r#""sub":"1""#, r#""roles":["admin"]"#, r#""exp":1"#] {
        assert_refused(&signer, &signed(&signer, &head, &twice(&body, field)), Refused::Malformed);
    }
}

#[test]
fn truncated_or_glued() {
    let signer = Signer::generate();
    let authenticator = knowing(&signer);
    let token = signer.sign(&claims());
    for length in 0..token.len() {
        assert!(authenticator.check_at(&token[..length], NOW).is_err(), "{length}");
        assert!(authenticator.check_at(&token[length + 1..], NOW).is_err(), "{length}");
    }
    for wrong in [
        format!("{token}."),
        format!(".{token}"),
        format!("{token}="),
        format!("{token} "),
        format!("{token}\n"),
        format!("\"{token}\""),
        format!("{token}.{token}"),
        token.replacen('.', "..", 1),
        token.replace('.', ""),
        "..".into(),
        "".into(),
    ] {
        assert_refused(&signer, &wrong, Refused::Malformed);
    }
}

#[test]
fn larger_than_any_token() {
    let signer = Signer::generate();
    assert_refused(&signer, &"x".repeat(100_000), Refused::TooLarge);
    let large = signer.sign(&Claims { email: "x".repeat(8_192), ..claims() });
    assert_refused(&signer, &large, Refused::TooLarge);
    let deep = signed(&signer, &header(&signer).to_string(), &"[".repeat(5_000));
    assert_refused(&signer, &deep, Refused::Malformed);
}

#[test]
fn the_token_of_a_deleted_key() {
    let (old, new) = (Signer::generate(), Signer::generate());
    let authenticator = knowing(&old);
    let token = old.sign(&claims());
    assert!(authenticator.check_at(&token, NOW).is_ok());
    authenticator.set_keys(&set(&[&old, &new]));
    assert!(authenticator.check_at(&token, NOW).is_ok());
    // It lies in the cache, and is refused all the same.
    authenticator.set_keys(&set(&[&new]));
    assert_eq!(authenticator.check_at(&token, NOW), Err(Refused::UnknownKey));
    // The name of the old key on another one proves nothing.
    let mut renamed = new.jwk().clone();
    renamed.kid = old.kid().to_owned();
    authenticator.set_keys(&identity::JwkSet { keys: vec![renamed] });
    assert_eq!(authenticator.check_at(&token, NOW), Err(Refused::Signature));
}

#[test]
fn what_was_checked_is_not_kept_too_long() {
    let signer = Signer::generate();
    let authenticator = knowing(&signer);
    let token = signer.sign(&claims());
    let over = NOW + LIFETIME + SKEW;
    for (now, wanted) in
        [(NOW, None), (over - 1, None), (over, Some(Refused::Expired)), (over + 1, Some(Refused::Expired))]
    {
        assert_eq!(authenticator.check_at(&token, now).err(), wanted, "{now}");
    }
    // Banned while it lies in the cache, and freed again.
    assert!(authenticator.check_at(&token, NOW).is_ok());
    authenticator.bans().ban(7, NOW, NOW + LIFETIME + SKEW);
    assert_eq!(authenticator.check_at(&token, NOW), Err(Refused::Banned));
    let later = signer.sign(&claims_at(NOW + 1));
    assert!(authenticator.check_at(&later, NOW + 1).is_ok());
    authenticator.bans().unban(7);
    assert!(authenticator.check_at(&token, NOW).is_ok());
}

/// All 255 other values of a byte of the signature's last character, where bits are left over.
#[test]
fn one_text_for_each_signature() {
    let signer = Signer::generate();
    let authenticator = knowing(&signer);
    let token = signer.sign(&claims());
    let (head, last) = token.split_at(token.len() - 1);
    for other in (0..128_u8).map(char::from).filter(|other| !last.starts_with(*other)) {
        assert!(authenticator.check_at(&format!("{head}{other}"), NOW).is_err(), "{other:?}");
    }
}

/// S + L signs the same message where a verifier does not look.
#[test]
fn a_signature_that_is_bent() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let signer = Signer::generate();
    let token = signer.sign(&claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    let bent = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_refused(&signer, &bent, Refused::Signature);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_byte_changed_is_refused(at in any::<prop::sample::Index>(), other in 0..128_u8) {
        let signer = Signer::of_seed(&[7; 32]);
        let mut token = signer.sign(&claims()).into_bytes();
        let at = at.index(token.len());
        prop_assume!(token[at] != other);
        token[at] = other;
        let token = String::from_utf8(token).unwrap();
        prop_assert!(knowing(&signer).check_at(&token, NOW).is_err());
    }

    #[test]
    fn no_text_is_a_panic(token in ".{0,200}") {
        prop_assert!(knowing(&Signer::of_seed(&[7; 32])).check_at(&token, NOW).is_err());
    }

    #[test]
    fn no_json_is_a_panic(header in ".{0,80}", claims in ".{0,80}") {
        let signer = Signer::of_seed(&[7; 32]);
        let _ = knowing(&signer).check_at(&signed(&signer, &header, &claims), NOW);
    }
}
