use rand::TryRngCore as _;
use rand::rngs::OsRng;

/// # Panics
/// The operating system has no randomness. Nothing safe can be done without.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
