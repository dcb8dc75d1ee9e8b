//! Private keys as `openssl genpkey -algorithm ed25519` writes them: PKCS#8 in PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity::Signer;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// RFC 8410, section 7: what stands before the 32 bytes of the key.
const PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// The one that signs, and the one that comes or goes.
const MOST: usize = 2;

/// The keys, in their order. Empty: none.
///
/// # Errors
/// What is wrong, without what stands there.
pub fn parse(text: &str) -> Result<Vec<Signer>, String> {
    let mut signers = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let block = rest.strip_prefix(BEGIN).and_then(|rest| rest.split_once(END));
        let Some((body, after)) = block else {
            return Err(format!("is no PEM: expected {BEGIN} ... {END}"));
        };
        let digits: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
        let der = Zeroizing::new(STANDARD.decode(digits.as_str()).unwrap_or_default());
        let seed = der.strip_prefix(&PREFIX).and_then(|seed| seed.try_into().ok());
        let Some(seed) = seed else { return Err("is no Ed25519 key in PKCS#8".to_owned()) };
        signers.push(Signer::of_seed(seed));
        rest = after.trim();
    }
    match signers.len() <= MOST {
        true => Ok(signers),
        false => Err(format!("has {} keys, at most {MOST} are published at once", signers.len())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// RFC 8410, section 10.3.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
                       MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                       -----END PRIVATE KEY-----\n";

    #[test]
    fn keys_of_openssl_are_read() {
        assert!(parse(" \n").unwrap().is_empty());
        let one = parse(KEY).unwrap();
        assert_eq!(one[0].jwk().x, "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE");
        assert_eq!(parse(&KEY.repeat(2)).unwrap().len(), 2);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_key() {
        let encrypted = KEY.replace("PRIVATE", "ENCRYPTED PRIVATE");
        for wrong in ["x", &KEY[1..], &KEY.replace("MC4C", "MC4D"), &KEY.repeat(3), encrypted.as_str()] {
            let said = parse(wrong).err().unwrap();
            assert!(!said.contains("MC4") && !said.contains('\n'), "{said}");
        }
    }
}
