//! A call and its answer, as the host hands them from hop to hop.

mod chain;
mod properties;

pub(crate) use chain::Chain;
pub(crate) use properties::Properties;

use crate::block::Params;
use crate::fault::Fault;
use crate::name::Name;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode, Uri};
use std::fmt;
use std::sync::Arc;
use tokio::time::Instant;

/// One call of one method, wherever it comes from.
#[derive(Debug)]
pub(crate) struct Call {
    /// Index of the method in the declaration of its service.
    pub method: u32,
    /// What the request line and the headers say.
    pub head: CallHead,
    /// What follows the head.
    pub body: CallBody,
    /// What is known beside the request.
    pub context: CallContext,
}

/// Verb, target, headers and captured parameters.
#[derive(Debug)]
pub(crate) struct CallHead {
    pub verb: Method,
    pub uri: Uri,
    /// Captured segments in the order of the pattern, decoded.
    pub params: Params,
    pub headers: HeaderMap,
}

/// The body of a call.
pub(crate) enum CallBody {
    Empty,
    Bytes(Bytes),
    /// Chunks as they come; an error means the body was broken off.
    Stream(BoxStream<'static, Result<Bytes, Fault>>),
}

/// What a service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: AnswerBody,
}

/// The body of an answer.
pub(crate) enum AnswerBody {
    Empty,
    Bytes(Bytes),
    /// Chunks as they come. Dropping it cancels the call; an error means the
    /// body was broken off and must not look whole to the caller.
    Stream(BoxStream<'static, Result<Bytes, Fault>>),
}

/// What is known about a call beside its request.
#[derive(Clone, Debug)]
pub(crate) struct CallContext {
    /// Names the request in logs and answers.
    pub request_id: RequestId,
    /// When the call must be over.
    pub deadline: Instant,
    /// Who called whom to get here.
    pub chain: Chain,
    /// Hops that lie before `chain`, on other hosts.
    pub hops_before: usize,
    /// Name and value pairs that go along with every call made from this one.
    pub properties: Properties,
}

/// A method that waits for the call it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub service: Name,
    pub method: Name,
}

/// Names of one request: its id, and the trace it is part of.
///
/// Both are made from a counter, and rendered when somebody asks.
#[derive(Clone, Debug)]
pub(crate) struct RequestId {
    number: u64,
    given_id: Option<Arc<str>>,
    given_trace: Option<Arc<str>>,
}

/// Makes [`RequestId`]s that differ from those of every other host.
#[derive(Debug)]
pub(crate) struct RequestIds {
    host: u64,
    next: std::sync::atomic::AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        let (host, first) = uuid::Uuid::new_v4().as_u64_pair();
        Self { host, next: std::sync::atomic::AtomicU64::new(first) }
    }
}

impl RequestIds {
    /// The next one, with the id and the `traceparent` that came along, if
    /// they may be used as they are.
    pub(crate) fn next(&self, id: Option<&str>, traceparent: Option<&str>) -> RequestId {
        let count = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        RequestId {
            number: mix(count ^ self.host),
            given_id: id.filter(|id| is_request_id(id)).map(Arc::from),
            given_trace: traceparent.filter(|trace| is_traceparent(trace)).map(Arc::from),
        }
    }
}

impl RequestId {
    /// Bits that differ from request to request, evenly distributed.
    pub(crate) fn bits(&self) -> u64 {
        self.number
    }

    /// The same under another trace.
    pub(crate) fn under(&self, traceparent: &str) -> Self {
        Self { given_trace: Some(Arc::from(traceparent)), ..self.clone() }
    }

    /// The `traceparent` under which the request runs.
    pub(crate) fn traceparent(&self) -> String {
        match &self.given_trace {
            Some(trace) => trace.to_string(),
            None => format!(
                "00-{:016x}{:016x}-{:016x}-01",
                mix(self.number) | 1,
                self.number,
                mix(!self.number) | 1
            ),
        }
    }
}

impl RequestId {
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

/// SplitMix64 (Steele, Lea, Flood 2014): spreads a counter over all 64 bits.
pub(crate) fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn is_request_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Version 00 of <https://www.w3.org/TR/trace-context/#traceparent-header>.
pub(crate) fn is_traceparent(text: &str) -> bool {
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

impl CallContext {
    /// A call from outside.
    pub(crate) fn outermost(request_id: RequestId, deadline: Instant) -> Self {
        Self {
            request_id,
            deadline,
            chain: Chain::default(),
            hops_before: 0,
            properties: Properties::default(),
        }
    }
}

impl fmt::Debug for CallBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// A call that a guest makes.
#[derive(Debug)]
pub(crate) struct OutgoingCall {
    pub service: String,
    pub options: Vec<(String, String)>,
    pub target: CallTarget,
    pub headers: HeaderMap,
    pub body: CallBody,
}

/// What of a service is called.
#[derive(Debug)]
pub(crate) enum CallTarget {
    Method {
        name: String,
        params: Vec<String>,
        query: Vec<(String, String)>,
    },
    /// Whatever answers there.
    Path {
        verb: Method,
        /// What follows the root: path and query as they came.
        rest: String,
    },
}

impl fmt::Display for CallTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method { name, .. } => f.write_str(name),
            Self::Path { verb, rest } => write!(f, "{verb} {rest}"),
        }
    }
}

/// One place where a service can be called, as guests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryEntry {
    pub name: String,
    pub version: String,
    pub registration: String,
    pub domain: String,
    pub root: String,
    pub up: bool,
    pub methods: Vec<String>,
}

/// What a guest can reach beyond its own instance.
pub(crate) trait Neighbours: Send + Sync {
    /// Calls another service on behalf of the last hop of `from`.
    fn invoke(
        &self,
        from: CallContext,
        by: Arc<Hop>,
        call: OutgoingCall,
    ) -> BoxFuture<'static, Result<Answer, Fault>>;

    /// Entries under a registry key.
    fn entries(&self, key: &str) -> Vec<DirectoryEntry>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_when_they_are_sound_and_made_otherwise() {
        let ids = RequestIds::default();
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let kept = ids.next(Some("abc-1"), Some(trace));
        assert_eq!((kept.to_string().as_str(), kept.traceparent().as_str()), ("abc-1", trace));
        let made = ids.next(Some("with space"), Some("00-0-0-0"));
        assert_eq!(made.to_string().len(), 16);
        assert!(is_traceparent(&made.traceparent()), "{}", made.traceparent());
        assert_ne!(made.to_string(), ids.next(None, None).to_string());
    }
}
