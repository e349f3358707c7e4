//! Requests that leave the host: pooled connections of HTTP/1.1, and of HTTP/2
//! to those who say that they speak it.

mod streams;

use crate::fault::Fault;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use h2::Reason;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use streams::{CONNECTIONS_MAX, Held, REQUESTS_MAX, Streams};
use tokio::runtime::{self, Handle};

/// A body that leaves the host.
pub(crate) type OutBody = UnsyncBoxBody<Bytes, Fault>;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundError {
    /// The request cannot have reached anybody.
    #[error("cannot connect")]
    Connect(#[source] legacy::Error),
    #[error("connection broke")]
    Broken(#[source] legacy::Error),
    #[error("the answer is no HTTP")]
    Garbled(#[source] legacy::Error),
    /// Nothing of it was begun, and another connection may be better.
    #[error("the connection takes no more")]
    GoneAway(#[source] legacy::Error),
    /// Nothing of it was begun.
    #[error("the request was refused")]
    Refused(#[source] legacy::Error),
    #[error("the head of the answer is too large")]
    LargeHead(#[source] legacy::Error),
}

/// What a request is sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    /// By prior knowledge.
    Http2,
}

/// Pools of connections, one for each runtime that sends. A connection is
/// driven by the runtime that opened it: with pools in common each call would
/// wait for a thread that has other things to do, or a low priority.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbound {
    pools: Arc<RwLock<Vec<Own>>>,
}

/// The pool of one runtime.
type Own = (runtime::Id, Arc<Pool>);

#[derive(Debug)]
struct Pool {
    http1: Client<HttpConnector, OutBody>,
    /// One for each connection that an address may have: a pool keeps one.
    http2: Vec<Client<HttpConnector, OutBody>>,
    streams: Streams,
}

/// The head of an answer, and its body to come.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) response: Response<Incoming>,
    /// Is kept until the body has been read.
    pub(crate) place: Place,
}

/// Room on a connection.
#[derive(Debug)]
pub(crate) struct Place(#[allow(dead_code, reason = "counts until it is dropped")] Option<Held>);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
const IDLE_PER_HOST_MAX: usize = 64;
/// How often an HTTP/2 connection in use is asked whether it still is one, and
/// how long for. Calls that give up close a connection of HTTP/1.1; here they
/// do not.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// What one stream may have on its way to a reader who does not read.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
/// What all of a connection may have: readers who do not read hold up no other.
const CONNECTION_WINDOW_BYTES: u32 = STREAM_WINDOW_BYTES * REQUESTS_MAX as u32;
const HEADER_LIST_BYTES_MAX: u32 = 32 << 10;

impl Default for Pool {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            // Below the 5 s after which Node closes idle connections.
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX);
        let http1 = builder.build(connector.clone());
        builder
            .http2_only(true)
            .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
            .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_TIMEOUT);
        let http2 = (0..CONNECTIONS_MAX).map(|_| builder.build(connector.clone())).collect();
        Self { http1, http2, streams: Streams::default() }
    }
}

impl Outbound {
    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        request: Request<OutBody>,
        protocol: Protocol,
    ) -> Result<Sent, OutboundError> {
        self.pool().send(request, protocol).await
    }

    /// The pool of the runtime that asks.
    fn pool(&self) -> Arc<Pool> {
        let runtime = Handle::current().id();
        let own = |pools: &[Own]| {
            pools.iter().find(|(id, _)| *id == runtime).map(|(_, pool)| pool.clone())
        };
        let known = own(&self.pools.read().unwrap_or_else(PoisonError::into_inner));
        known.unwrap_or_else(|| {
            let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
            own(&pools).unwrap_or_else(|| {
                let pool = Arc::<Pool>::default();
                pools.push((runtime, pool.clone()));
                pool
            })
        })
    }
}

impl Pool {
    async fn send(
        &self,
        request: Request<OutBody>,
        protocol: Protocol,
    ) -> Result<Sent, OutboundError> {
        let address = request.uri().authority().map_or("", |authority| authority.as_str());
        let held = (protocol == Protocol::Http2).then(|| self.streams.hold(address));
        let client = held.as_ref().and_then(|held| self.http2.get(held.connection));
        let response = client.unwrap_or(&self.http1).request(request).await?;
        Ok(Sent { response, place: Place(held) })
    }
}

impl From<legacy::Error> for OutboundError {
    fn from(error: legacy::Error) -> Self {
        if error.is_connect() {
            return Self::Connect(error);
        }
        let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>())
        else {
            return Self::Broken(error);
        };
        let h2 = cause.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
        match h2.map(|h2| (h2.reason(), h2.is_go_away(), h2.is_remote())) {
            _ if cause.is_parse_too_large() => Self::LargeHead(error),
            _ if cause.is_parse() => Self::Garbled(error),
            // These are said of streams that were not begun alone
            // (<https://www.rfc-editor.org/rfc/rfc9113#section-8.7>).
            Some((Some(Reason::NO_ERROR), true, true)) => Self::GoneAway(error),
            Some((Some(Reason::REFUSED_STREAM), _, true)) => Self::Refused(error),
            Some((Some(Reason::FRAME_SIZE_ERROR | Reason::PROTOCOL_ERROR), _, false)) => {
                Self::Garbled(error)
            }
            _ => Self::Broken(error),
        }
    }
}

/// No body.
pub(crate) fn empty() -> OutBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A whole body.
pub(crate) fn full(bytes: Bytes) -> OutBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A body that comes in chunks.
pub(crate) fn streamed(chunks: BoxStream<'static, Result<Bytes, Fault>>) -> OutBody {
    StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}
