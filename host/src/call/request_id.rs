//! Names of one request: its id, and the trace it is part of.

use super::{Trace, mix};
use http::HeaderValue;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names of one request.
///
/// Both are made from a counter, and rendered when somebody asks.
#[derive(Clone, Debug)]
pub(crate) struct RequestId {
    number: u64,
    given_id: Option<Arc<str>>,
    trace: Trace,
}

/// Makes [`RequestId`]s that differ from those of every other host.
#[derive(Debug)]
pub(crate) struct RequestIds {
    host: u64,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        let (host, first) = uuid::Uuid::new_v4().as_u64_pair();
        Self { host, next: AtomicU64::new(first) }
    }
}

impl RequestIds {
    /// The next one, with the trace that came along, and the id, if it may be
    /// used as it is.
    pub(crate) fn next(&self, id: Option<&str>, given_trace: Option<Trace>) -> RequestId {
        let number = mix(self.next.fetch_add(1, Ordering::Relaxed) ^ self.host);
        RequestId {
            number,
            given_id: id.filter(|id| is_request_id(id)).map(Arc::from),
            trace: given_trace.unwrap_or_else(|| Trace::of_bits(number)),
        }
    }
}

impl RequestId {
    /// Bits that differ from request to request, evenly distributed.
    pub(crate) fn bits(&self) -> u64 {
        self.number
    }

    /// The id as the value of a header. Every answer has it, so it is made by hand.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let made: [u8; 16] = std::array::from_fn(|at| {
            let digit = self.number.to_be_bytes().get(at / 2).copied().unwrap_or_default();
            let digit = if at % 2 == 0 { digit >> 4 } else { digit & 0xf };
            digit + if digit < 10 { b'0' } else { b'a' - 10 }
        });
        let id = self.given_id.as_ref().map_or(made.as_slice(), |id| id.as_bytes());
        HeaderValue::from_bytes(id).ok()
    }

    /// The same under another trace.
    pub(crate) fn under(&self, trace: Trace) -> Self {
        Self { trace, ..self.clone() }
    }

    /// Where in which trace the request is.
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The same, to go on in it.
    pub(crate) fn trace_mut(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// The `traceparent` under which the request runs.
    pub(crate) fn traceparent(&self) -> String {
        self.trace.traceparent()
    }

    /// The `tracestate` that came along with it.
    pub(crate) fn tracestate(&self) -> Option<&str> {
        self.trace.state()
    }

    /// The id of the trace, 32 hexadecimal digits.
    pub(crate) fn trace_id(&self) -> String {
        self.trace.id().to_string()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.given_id {
            Some(id) => f.write_str(id),
            None => write!(f, "{:016x}", self.number),
        }
    }
}

fn is_request_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_when_they_are_sound_and_made_otherwise() {
        let ids = RequestIds::default();
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let kept = ids.next(Some("abc-1"), Trace::parse(trace));
        assert_eq!((kept.to_string().as_str(), kept.traceparent().as_str()), ("abc-1", trace));
        let made = ids.next(Some("with space"), Trace::parse("00-0-0-0"));
        assert_eq!(made.to_string().len(), 16);
        assert!(Trace::parse(&made.traceparent()).is_some(), "{}", made.traceparent());
        assert_ne!(made.to_string(), ids.next(None, None).to_string());
        for id in [kept, made, RequestId { number: 0x0a, ..ids.next(None, None) }] {
            assert_eq!(id.header().unwrap(), id.to_string());
        }
    }
}
