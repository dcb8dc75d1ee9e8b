//! `X-Request-Id`: under which name a request is found in the logs of all whom it passes.

use telemetry::TraceContext;

/// The header field, in lower case.
pub const HEADER: &str = "x-request-id";

const LONGEST: usize = 128;

/// Whether the id that a request brings is kept. It has to be harmless in a header field and in a line of a log.
#[must_use]
pub fn is_acceptable(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id.iter().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=')
        })
}

/// The id of a request that brings none: that of its trace, 32 hexadecimal digits.
#[must_use]
pub fn of_trace(trace: TraceContext) -> [u8; 32] {
    let mut id = [b'0'; 32];
    // `00-<trace>-<span>-<flags>`
    id.copy_from_slice(&trace.to_traceparent()[3..35]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_break_out_of_a_line_is_replaced() {
        for good in ["7", "a-B_c.d:e/f+g=", &"x".repeat(128)] {
            assert!(is_acceptable(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a,b", "ä", "a\u{1b}[31m", &"x".repeat(129)] {
            assert!(!is_acceptable(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn the_trace_names_the_request() {
        let trace = TraceContext::new_root();
        assert_eq!(of_trace(trace), *format!("{:032x}", trace.trace_id()).as_bytes());
        assert!(is_acceptable(&of_trace(trace)));
    }
}
