//! A call and its answer, as the host hands them from hop to hop.

mod chain;
mod directory;
mod lapse;
mod properties;
mod request_id;
mod socket_id;
mod span;
mod trace;
mod whole;

pub(crate) use chain::Chain;
pub(crate) use directory::{DirectoryEntry, EndpointEvent, EndpointState, Fares};
pub(crate) use lapse::Lapse;
pub(crate) use properties::Properties;
pub(crate) use request_id::{RequestId, RequestIds};
pub(crate) use socket_id::SocketId;
pub(crate) use span::{
    Callee, Calling, Deed, End, GUEST, INSTANCE, QUEUE, Reach, Serving, Sought, Span, Trail,
};
pub(crate) use trace::{SpanId, Trace, TraceId};

use crate::block::Params;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::name::Name;
use crate::route::Verb;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode, Uri};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// One call of a service, wherever it comes from.
#[derive(Debug)]
pub(crate) struct Call {
    /// What of the service is called.
    pub entrance: Entrance,
    /// What the request line and the headers say.
    pub head: CallHead,
    /// What follows the head.
    pub body: CallBody,
    /// What is known beside the request.
    pub context: CallContext,
}

/// What of a service is called. The numbers are indices in its declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// A method; it answers.
    Method(u32),
    /// A subscription; that it was heard is all there is to answer.
    Subscription(u32),
    /// A timer; it answers as little, and so do the others.
    Timer(u32),
    /// A WebSocket, at which something has happened.
    Socket(u32),
    /// What a revision does before its first call.
    Start,
    /// What it does after its last one.
    Stop,
}

/// Verb, target, headers and captured parameters.
#[derive(Clone, Debug)]
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

impl CallBody {
    /// The same where it is within a bound, or breaks off where it goes over.
    pub(crate) fn bounded(self, bytes_max: u64) -> Result<Self, Fault> {
        let too_large = Fault::BodyTooLarge { bytes_max };
        match self {
            Self::Bytes(bytes) if bytes_max < bytes.len() as u64 => Err(too_large),
            Self::Empty | Self::Bytes(_) => Ok(self),
            Self::Stream(chunks) => {
                let mut seen = 0;
                let bounded = chunks.map(move |chunk| {
                    let chunk = chunk?;
                    seen += chunk.len() as u64;
                    if bytes_max < seen { Err(too_large.clone()) } else { Ok(chunk) }
                });
                Ok(Self::Stream(bounded.boxed()))
            }
        }
    }
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
    /// Events that lead here, each published by whoever heard the one before.
    pub events_before: u8,
    /// Name and value pairs that go along with every call made from this one.
    pub properties: Properties,
    /// The socket that it came by. Calls made from this one came by none.
    pub socket: Option<SocketId>,
    /// Where the spans of the request are gathered; none before its first one,
    /// and where no traces are kept.
    pub trail: Option<Trail>,
}

/// A method that waits for the call it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub service: Name,
    pub method: Name,
    /// Of which revision.
    pub revision: Digest,
    /// How a method is asked for by HTTP: its verb, and its whole pattern.
    pub route: Option<(Verb, String)>,
}

/// SplitMix64 (Steele, Lea, Flood 2014): spreads a counter over all 64 bits.
pub(crate) fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The property by which a session raises its log.
const LOG: &str = "picolet.log";

impl CallContext {
    /// Whether its session asks for a log of every step.
    pub(crate) fn is_logged(&self) -> bool {
        self.properties.get(LOG).is_some_and(|level| ["debug", "trace"].contains(&level))
    }

    /// A call from outside.
    pub(crate) fn outermost(request_id: RequestId, deadline: Instant) -> Self {
        Self {
            request_id,
            deadline,
            chain: Chain::default(),
            hops_before: 0,
            events_before: 0,
            properties: Properties::default(),
            socket: None,
            trail: None,
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
    /// How long it may take where the options do not say.
    pub timeout: Option<Duration>,
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

    /// Every endpoint, then each change; never ends.
    fn endpoint_events(&self) -> BoxStream<'static, Vec<EndpointEvent>>;
}
