//! WebSockets: connections that go on as something else than HTTP.
//!
//! handshake → 101 → a task that carries the socket to its end → goodbye. The
//! task reads a message when the one before it has been attended to, and writes
//! meanwhile.

mod carry;
mod outbox;
mod pace;
mod service;
mod tally;
mod watched;
mod wire;

pub(super) use outbox::Outbox;
pub(super) use service::{Opened, open};
pub(crate) use tally::{Cause, Tallies, Tally};

use super::Front;
use super::accept::Place;
use super::clock::Clocked;
use super::respond::{self, Respond};
use crate::limits::HostLimits;
use crate::sockets::{Closing, Payload, code};
use crate::upgrade::Handshake;
use ::http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL};
use ::http::{HeaderMap, HeaderValue, Request, Response};
use bytes::Bytes;
use carry::Carried;
use futures::future::BoxFuture;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tracing::debug;

/// Who attends to a socket.
pub(super) trait Attendant: Send + 'static {
    /// A message came. The next one is read when this is over; the socket is
    /// written to meanwhile. An error closes it.
    fn hear(&mut self, payload: Payload) -> BoxFuture<'_, Result<(), Closing>>;

    /// The socket is closed, or as good as that.
    fn closed(self: Box<Self>, closing: Closing) -> BoxFuture<'static, ()>;
}

/// Bounds of one WebSocket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) message_bytes_max: usize,
    pub(super) messages_per_second_max: u32,
    /// Time without a message in either direction after which it is closed.
    pub(super) idle_max: Duration,
    /// Time in which the peer must take something of what it is sent.
    pub(super) stall_max: Duration,
}

impl Bounds {
    pub(super) fn of(limits: &HostLimits) -> Self {
        Self {
            message_bytes_max: limits.websocket_message_bytes_max,
            messages_per_second_max: limits.websocket_messages_per_second_max,
            idle_max: Duration::from_millis(limits.websocket_idle_ms_max),
            stall_max: Duration::from_millis(limits.write_stall_ms_max),
        }
    }
}

/// Everything that a socket is carried with.
pub(super) struct Agreed {
    pub(super) handshake: Handshake,
    /// The subprotocol that was chosen.
    pub(super) protocol: Option<String>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) bounds: Bounds,
    pub(super) tally: Arc<Tally>,
    pub(super) attendant: Box<dyn Attendant>,
}

/// How a socket ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) closing: Closing,
    pub(super) cause: Cause,
}

impl Ended {
    pub(super) fn new(cause: Cause, code: u16, reason: &str) -> Self {
        Self { closing: Closing::new(code, reason), cause }
    }

    /// The connection broke, or was never made.
    fn gone() -> Self {
        Self::new(Cause::Gone, code::BROKEN, "")
    }

    /// No version of the service has it any more.
    fn removed() -> Self {
        Self::new(Cause::Removed, code::AWAY, "the service is gone")
    }

    /// The peer takes too little of what it is sent.
    fn slow() -> Self {
        Self::new(Cause::Slow, code::TRY_LATER, "reads too slowly")
    }

    /// The host stops.
    fn shutdown() -> Self {
        Self::new(Cause::Shutdown, code::AWAY, "the host is stopping")
    }
}

/// Answers 101 and has a task of the front's crew carry the socket to its end.
/// When the host stops, it is closed with 1001.
pub(super) fn upgrade<B>(
    front: &Arc<Front>,
    request: &mut Request<B>,
    agreed: Agreed,
) -> Response<Respond> {
    let place = request.extensions_mut().remove::<Arc<Place>>();
    let upgrading = hyper::upgrade::on(request);
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(SEC_WEBSOCKET_ACCEPT, agreed.handshake.accept);
    let protocol = agreed.protocol.map(HeaderValue::try_from);
    if let Some(Ok(protocol)) = protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let (outbox, bounds, tally) = (agreed.outbox, agreed.bounds, agreed.tally);
    let attendant = agreed.attendant;
    front.crew.hire("websocket", |stop| async move {
        let open = tally.open();
        let ended = match take(upgrading).await {
            Some((tcp, read)) => {
                let carried = Carried::begin(tcp, read, outbox, bounds, tally.clone()).await;
                carried.carry(attendant, stop).await
            }
            None => {
                let ended = Ended::gone();
                attendant.closed(ended.closing.clone()).await;
                ended
            }
        };
        tally.closed(ended.cause);
        drop((open, place));
    });
    respond::switching(headers)
}

/// The connection under what it has become, without the clock of its requests,
/// and what of it has been read already.
pub(super) async fn take(upgrading: OnUpgrade) -> Option<(TcpStream, Bytes)> {
    let upgraded: Upgraded = match upgrading.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            debug!(%error, "connection ended before it became a websocket");
            return None;
        }
    };
    let parts = downcast::<Clocked<TokioIo<TcpStream>>>(upgraded).ok()?;
    Some((parts.io.into_inner().into_inner(), parts.read_buf))
}
