//! The regression guard: `lab/bench/limits.toml` says how often at most.

use std::collections::BTreeMap;

use harness::Error;
use harness::ground::Against;

const FILE: &str = include_str!("../../limits.toml");

/// The limits for one back end, by the counter's name.
///
/// # Errors
/// The file is not what it should be.
pub fn of(against: Against) -> Result<BTreeMap<String, f64>, Error> {
    let mut file: BTreeMap<String, BTreeMap<String, f64>> =
        toml::from_str(FILE).map_err(|e| Error::unexpected(format!("lab/bench/limits.toml: {e}")))?;
    Ok(file.remove(against.name()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_back_ends_have_limits() {
        for against in [Against::Embedded, Against::Real] {
            assert!(of(against).is_ok_and(|limits| !limits.is_empty()), "{}", against.name());
        }
    }
}
