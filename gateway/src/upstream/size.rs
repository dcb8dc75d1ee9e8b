//! The length of a body of which a part was read ahead.

use hyper::body::SizeHint;

pub(super) fn longer_by(ahead: usize, rest: &SizeHint) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(rest.lower().saturating_add(ahead as u64));
    if let Some(upper) = rest.upper() {
        hint.set_upper(upper.saturating_add(ahead as u64));
    }
    hint
}
