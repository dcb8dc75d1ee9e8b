//! The W3C trace context, as it travels in the header `traceparent`.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which trace this is, and the span in it that causes what comes next.
///
/// Ids are never zero, so that what is written is always valid. See <https://www.w3.org/TR/trace-context/>.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: NonZeroU128,
    span_id: NonZeroU64,
    sampled: bool,
}

/// Length of a `traceparent` of version 00.
pub const TRACEPARENT_LENGTH: usize = 55;

/// Bits of the share of new traces that are sampled; all of them until `init` says otherwise.
static SAMPLE_RATIO: AtomicU64 = AtomicU64::new(1f64.to_bits());

impl TraceContext {
    /// `None` for ids that are zero.
    pub fn new(trace_id: u128, span_id: u64, sampled: bool) -> Option<TraceContext> {
        Some(TraceContext {
            trace_id: NonZeroU128::new(trace_id)?,
            span_id: NonZeroU64::new(span_id)?,
            sampled,
        })
    }

    /// The beginning of a new trace, sampled at the configured ratio.
    pub fn new_root() -> TraceContext {
        let trace_id = rand::random::<NonZeroU128>();
        TraceContext { trace_id, span_id: rand::random(), sampled: samples(trace_id) }
    }

    /// A new span in the same trace.
    #[must_use]
    pub fn child(self) -> TraceContext {
        TraceContext { span_id: rand::random(), ..self }
    }

    /// Reads a `traceparent`, strictly: lower-case hexadecimal, no id all zero, version `ff` refused, version `00`
    /// exactly 55 characters. Of a later version the part known today is read, as the specification asks.
    pub fn parse(traceparent: &str) -> Option<TraceContext> {
        Self::parse_bytes(traceparent.as_bytes())
    }

    /// As [`parse`](Self::parse), from a header's bytes.
    pub fn parse_bytes(bytes: &[u8]) -> Option<TraceContext> {
        let (known, rest) = bytes.split_at_checked(TRACEPARENT_LENGTH)?;
        if [known[2], known[35], known[52]] != [b'-'; 3] {
            return None;
        }
        match hex(&known[..2])? {
            0xff => return None,
            0x00 if !rest.is_empty() => return None,
            _ if !rest.is_empty() && rest[0] != b'-' => return None,
            _ => {}
        }
        TraceContext::new(
            hex(&known[3..35])?,
            u64::try_from(hex(&known[36..52])?).ok()?,
            hex(&known[53..])? & 1 == 1,
        )
    }

    /// The `traceparent` as ASCII, without an allocation.
    pub fn to_traceparent(self) -> [u8; TRACEPARENT_LENGTH] {
        let mut text = [b'-'; TRACEPARENT_LENGTH];
        text[..2].copy_from_slice(b"00");
        write_hex(&mut text[3..35], self.trace_id.get());
        write_hex(&mut text[36..52], self.span_id.get().into());
        text[53..].copy_from_slice(if self.sampled { b"01" } else { b"00" });
        text
    }

    /// Of the work in hand, as the header `traceparent` has it.
    pub fn current_traceparent() -> Option<String> {
        Self::current().map(|trace| trace.to_string())
    }

    pub fn trace_id(self) -> u128 {
        self.trace_id.get()
    }

    pub fn span_id(self) -> u64 {
        self.span_id.get()
    }

    /// Whether the trace is recorded, as decided where it began.
    pub fn is_sampled(self) -> bool {
        self.sampled
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_traceparent();
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({self})")
    }
}

/// What was read is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no valid traceparent")]
pub struct InvalidTraceparent;

impl FromStr for TraceContext {
    type Err = InvalidTraceparent;

    fn from_str(traceparent: &str) -> Result<Self, InvalidTraceparent> {
        TraceContext::parse(traceparent).ok_or(InvalidTraceparent)
    }
}

pub(crate) fn set_sample_ratio(ratio: f64) {
    SAMPLE_RATIO.store(ratio.to_bits(), Ordering::Relaxed);
}

/// A function of the id alone, as OpenTelemetry's `TraceIdRatioBased`: whoever decides for the same ratio decides alike.
fn samples(trace_id: NonZeroU128) -> bool {
    let ratio = f64::from_bits(SAMPLE_RATIO.load(Ordering::Relaxed));
    if ratio >= 1.0 {
        return true;
    }
    let bound = (ratio.max(0.0) * (1u64 << 63) as f64) as u64;
    (trace_id.get() as u64) >> 1 < bound
}

/// Lower-case digits only; at most 32 of them.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

fn write_hex(text: &mut [u8], mut value: u128) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 0xf) as usize];
        value >>= 4;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn reads_and_writes_the_example_of_the_specification() {
        let context = TraceContext::parse(EXAMPLE).unwrap();
        assert_eq!(context.trace_id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.span_id(), 0x00f0_67aa_0ba9_02b7);
        assert!(context.is_sampled());
        assert_eq!(context.to_string(), EXAMPLE);
    }

    #[test]
    fn flags_beyond_sampled_are_read_past() {
        let sampled = |flags: &str| {
            TraceContext::parse(&format!("{}{flags}", &EXAMPLE[..53])).map(TraceContext::is_sampled)
        };
        assert_eq!(sampled("00"), Some(false));
        assert_eq!(sampled("02"), Some(false));
        assert_eq!(sampled("03"), Some(true));
        assert_eq!(sampled("ff"), Some(true));
    }

    #[test]
    fn refuses_what_the_specification_refuses() {
        for wrong in [
            "",
            "00",
            // Upper case, in each field.
            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",
            "0A-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            // All zero.
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            // The forbidden version, and more than version 00 has.
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ",
            // A later version, not continued by a dash.
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            // Shapes.
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7-01--",
            "00-4bf92f3577b34da6a3ce929d0e0e473-000f067aa0ba902b7-01",
            "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn reads_later_versions_as_far_as_they_are_known() {
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceContext::parse(later).unwrap().to_string(), EXAMPLE);
        let longer = format!("{later}-what-the-future-brings");
        assert_eq!(TraceContext::parse(&longer).unwrap().to_string(), EXAMPLE);
    }

    #[test]
    fn a_child_stays_in_its_trace() {
        let root = TraceContext::new_root();
        let child = root.child();
        assert_eq!(child.trace_id(), root.trace_id());
        assert_ne!(child.span_id(), root.span_id());
        assert_eq!(child.is_sampled(), root.is_sampled());
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(trace_id in 1u128.., span_id in 1u64.., sampled: bool) {
            let context = TraceContext::new(trace_id, span_id, sampled).unwrap();
            prop_assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
            prop_assert_eq!(
                context.to_string(),
                format!("00-{trace_id:032x}-{span_id:016x}-{:02x}", u8::from(sampled))
            );
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
            if let Some(context) = TraceContext::parse_bytes(&bytes) {
                prop_assert_eq!(&context.to_traceparent()[3..52], &bytes[3..52]);
            }
        }
    }
}
