use failpoints::Injected;

use super::charge::ChargeError;
use super::refund::RefundError;

impl From<Injected> for ChargeError {
    fn from(injected: Injected) -> Self {
        Self::Store(injected.into())
    }
}

impl From<Injected> for RefundError {
    fn from(injected: Injected) -> Self {
        Self::Store(injected.into())
    }
}
