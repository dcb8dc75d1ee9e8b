use failpoints::Injected;

use super::ports::StoreError;

impl From<Injected> for StoreError {
    fn from(injected: Injected) -> Self {
        Self::Unavailable(injected.into())
    }
}
