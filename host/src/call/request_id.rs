//! Names of one request: its id, and the trace it is part of.

use super::mix;
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
    given_trace: Option<Trace>,
}

/// A trace that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    parent: Arc<str>,
    /// What tracing systems keep beside it.
    state: Option<Arc<str>>,
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
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        RequestId {
            number: mix(count ^ self.host),
            given_id: id.filter(|id| is_request_id(id)).map(Arc::from),
            given_trace,
        }
    }
}

impl RequestId {
    /// Bits that differ from request to request, evenly distributed.
    pub(crate) fn bits(&self) -> u64 {
        self.number
    }

    /// The same under another trace.
    pub(crate) fn under(&self, trace: Trace) -> Self {
        Self { given_trace: Some(trace), ..self.clone() }
    }

    /// The `traceparent` under which the request runs.
    pub(crate) fn traceparent(&self) -> String {
        match &self.given_trace {
            Some(trace) => trace.parent.to_string(),
            None => format!(
                "00-{:016x}{:016x}-{:016x}-01",
                mix(self.number) | 1,
                self.number,
                mix(!self.number) | 1
            ),
        }
    }

    /// The `tracestate` that came along with it.
    pub(crate) fn tracestate(&self) -> Option<&str> {
        self.given_trace.as_ref()?.state.as_deref()
    }

    /// The id of the trace, 32 hexadecimal digits.
    pub(crate) fn trace_id(&self) -> String {
        self.traceparent().split('-').nth(1).unwrap_or_default().to_owned()
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

/// Bytes of a `tracestate` that are handed on.
const TRACESTATE_BYTES_MAX: usize = 512;

impl Trace {
    /// Reads a `traceparent`, none when it is not sound.
    pub(crate) fn parse(traceparent: &str) -> Option<Self> {
        let parent = Arc::from(traceparent);
        is_traceparent(traceparent).then_some(Self { parent, state: None })
    }

    /// The same with a `tracestate` beside it, which counts for nothing when it
    /// is not sound.
    pub(crate) fn with_state(self, tracestate: &str) -> Self {
        Self { state: sound_state(tracestate).map(Arc::from), ..self }
    }
}

/// The members of a `tracestate`, as many of the newest, which come first, as
/// may be handed on. <https://www.w3.org/TR/trace-context/#tracestate-header>
fn sound_state(text: &str) -> Option<String> {
    let mut state = String::new();
    for member in text.split(',').map(str::trim).filter(|member| !member.is_empty()) {
        let (key, value) = member.split_once('=')?;
        let is_sound = !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_graphic())
            && !value.is_empty()
            && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic() && byte != b'=');
        if !is_sound {
            return None;
        }
        let comma = if state.is_empty() { "" } else { "," };
        if TRACESTATE_BYTES_MAX < state.len() + comma.len() + member.len() {
            break;
        }
        state.push_str(comma);
        state.push_str(member);
    }
    (!state.is_empty()).then_some(state)
}

fn is_request_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Version 00 of <https://www.w3.org/TR/trace-context/#traceparent-header>.
fn is_traceparent(text: &str) -> bool {
    let fields: Vec<&str> = text.split('-').collect();
    let is_hex = |field: &str, len: usize| {
        field.len() == len
            && field.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_set = |field: &str| field.bytes().any(|b| b != b'0');
    matches!(fields.as_slice(), ["00", trace, parent, flags]
        if is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2)
            && is_set(trace) && is_set(parent))
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
        assert!(is_traceparent(&made.traceparent()), "{}", made.traceparent());
        assert_ne!(made.to_string(), ids.next(None, None).to_string());
    }

    #[test]
    fn a_tracestate_is_kept_as_far_as_it_is_sound_and_fits() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let kept = |state: &str| Trace::parse(trace).unwrap().with_state(state).state;
        let both = kept("congo=t61 rcW, ,rojo@a=00f:0,");
        assert_eq!(both.as_deref(), Some("congo=t61 rcW,rojo@a=00f:0"));
        for unsound in ["", "congo", "=1", "congo=", "a=b=c", "a=\u{e9}"] {
            assert_eq!(kept(unsound), None, "{unsound}");
        }
        let long = format!("a={},b={},c=1", "x".repeat(300), "y".repeat(300));
        assert_eq!(kept(&long).unwrap().len(), 302);
    }
}
