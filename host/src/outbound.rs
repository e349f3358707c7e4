//! Requests that leave the host: pooled HTTP/1.1 connections.

use crate::fault::Fault;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error as _;
use std::time::Duration;

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
    #[error("the head of the answer is too large")]
    LargeHead(#[source] legacy::Error),
}

/// The pool.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    client: Client<HttpConnector, OutBody>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
const IDLE_PER_HOST_MAX: usize = 64;

impl Default for Outbound {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Below the 5 s after which Node closes idle connections.
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .build(connector);
        Self { client }
    }
}

impl Outbound {
    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &self,
        request: Request<OutBody>,
    ) -> Result<Response<Incoming>, OutboundError> {
        self.client.request(request).await.map_err(OutboundError::from)
    }
}

impl From<legacy::Error> for OutboundError {
    fn from(error: legacy::Error) -> Self {
        if error.is_connect() {
            return Self::Connect(error);
        }
        let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
        match cause {
            Some(cause) if cause.is_parse_too_large() => Self::LargeHead(error),
            Some(cause) if cause.is_parse() => Self::Garbled(error),
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
