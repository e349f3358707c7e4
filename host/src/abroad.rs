//! Requests to strangers: what guests send to origins that are no neighbours.
//!
//! Every revision has connections of its own, so a request never goes over one
//! that was opened under other grants. An address is checked when it is
//! connected to, and a redirect is an answer like any other: who follows it
//! makes another request.

mod body;
mod connector;
mod headers;
mod tally;

pub(crate) use body::{ForeignBody, OutBody, begun, out_body};
pub(crate) use tally::Outcome;

use crate::fault::{Fault, chain};
use crate::origin::Origin;
use crate::reach::Reach;
use crate::tls::{self, RootsError};
use body::OwnBody;
use connector::{ConnectError, Connector, Guard, Resolve, System};
use http::header::{HOST, HeaderValue};
use http::{Request, Response, Version};
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use std::error::Error as _;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tally::{Tallies, Tally};
use tokio::runtime::{self, Handle};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

/// What all revisions have in common.
#[derive(Clone)]
pub(crate) struct Abroad {
    tls: Arc<ClientConfig>,
    /// Addresses of this host that no grant opens.
    closed: Arc<[SocketAddr]>,
    tallies: Tallies,
}

/// The way out of one revision.
pub(crate) struct Exit {
    service: String,
    reach: Reach,
    connector: Connector,
    /// One for each runtime that sends, see `outbound`.
    pools: RwLock<Vec<(runtime::Id, Pool)>>,
    tally: Arc<Tally>,
}

type Pool = Client<Connector, OwnBody>;

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// When all of it must be over, the body of the answer included.
    pub(crate) deadline: Instant,
    /// The guest's own bounds, on top of that: to connect, until the answer
    /// begins, between two parts of its body.
    pub(crate) connect: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) between: Option<Duration>,
}

/// Why there is no answer, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AbroadError {
    #[error("origin is not granted")]
    NotGranted,
    #[error("address is not granted")]
    Prohibited,
    #[error("its name leads to no address")]
    Unresolved,
    #[error("cannot connect")]
    Unconnected,
    #[error("its certificate is not trusted")]
    Certificate,
    #[error("no secure connection can be made")]
    Tls,
    #[error("connection broke")]
    Broken,
    #[error("the answer is no HTTP")]
    Garbled,
    #[error("the head of the answer is too large")]
    LargeHead,
    #[error("the answer broke off")]
    BrokenAnswer,
    #[error("the answer is over {bytes_max} bytes")]
    LargeAnswer { bytes_max: u64 },
    #[error("connecting took too long")]
    ConnectTime,
    #[error("no answer in time")]
    AnswerTime,
    #[error("the answer did not go on in time")]
    BodyTime,
}

/// Below the 5 s after which Node closes idle connections.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
const IDLE_PER_HOST_MAX: usize = 64;

impl Abroad {
    /// `roots` is a PEM file of authorities that are trusted beside the usual
    /// ones.
    pub(crate) fn new(closed: &[SocketAddr], roots: Option<&Path>) -> Result<Self, RootsError> {
        let tls = Arc::new(tls::config(roots)?);
        Ok(Self { tls, closed: closed.into(), tallies: Tallies::default() })
    }

    /// The way out of one revision of a service.
    pub(crate) fn exit(&self, service: &str, reach: Reach) -> Exit {
        self.exit_by(service, reach, Arc::new(System::default()))
    }

    fn exit_by(&self, service: &str, reach: Reach, resolver: Arc<dyn Resolve>) -> Exit {
        let guard = Guard { reach: reach.clone(), closed: self.closed.clone(), resolver };
        Exit {
            service: service.to_owned(),
            reach,
            connector: Connector::new(guard, self.tls.clone()),
            pools: RwLock::default(),
            tally: self.tallies.of(service),
        }
    }

    /// Requests by service and outcome.
    pub(crate) fn counts(&self) -> Vec<(String, Vec<(Outcome, u64)>)> {
        self.tallies.counts()
    }
}

impl Exit {
    /// Sends a request to an origin and waits for the head of the answer. The
    /// request's address is of this origin.
    pub(crate) async fn send(
        &self,
        origin: &Origin,
        request: Request<OutBody>,
        terms: Terms,
    ) -> Result<Response<ForeignBody>, AbroadError> {
        let answered = self.exchange(origin, request, terms).await;
        let outcome = answered.as_ref().err().map_or(Outcome::Answered, AbroadError::outcome);
        self.tally.add(outcome);
        answered
    }

    /// A request was not made, as its call has too many under way.
    pub(crate) fn note_limit(&self) {
        self.tally.add(Outcome::Limit);
    }

    async fn exchange(
        &self,
        origin: &Origin,
        request: Request<OutBody>,
        terms: Terms,
    ) -> Result<Response<ForeignBody>, AbroadError> {
        if !self.reach.grants(origin) {
            return Err(AbroadError::NotGranted);
        }
        let (mut parts, body) = request.into_parts();
        headers::strip(&mut parts.headers);
        let host = HeaderValue::try_from(origin.authority()).map_err(|_| AbroadError::Broken)?;
        parts.headers.insert(HOST, host);
        parts.version = Version::HTTP_11;
        let mut request = Request::from_parts(parts, OwnBody::new(body, terms.deadline));
        let connecting = terms.connect.map(|time| (capture_connection(&mut request), time));
        let until = match terms.first_byte {
            Some(time) => terms.deadline.min(Instant::now() + time),
            None => terms.deadline,
        };
        let mut answered = pin!(timeout_at(until, self.pool().request(request)));
        let answered = match connecting {
            None => answered.await,
            Some((captured, time)) => tokio::select! {
                biased;
                answered = &mut answered => answered,
                () = unconnected(captured, time) => return Err(AbroadError::ConnectTime),
            },
        };
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let (service, cause) = (&self.service, chain(&error));
                debug!(%service, %origin, error = cause, "request to outside failed");
                return Err(AbroadError::of(&error));
            }
            Err(_elapsed) => return Err(AbroadError::AnswerTime),
        };
        let (mut parts, body) = response.into_parts();
        if parts.status.is_informational() {
            return Err(AbroadError::Garbled);
        }
        headers::strip(&mut parts.headers);
        Ok(Response::from_parts(parts, ForeignBody::new(body, terms)))
    }

    /// The pool of the runtime that asks.
    fn pool(&self) -> Pool {
        let runtime = Handle::current().id();
        let own = |pools: &[(runtime::Id, Pool)]| {
            pools.iter().find(|(id, _)| *id == runtime).map(|(_, pool)| pool.clone())
        };
        let known = own(&self.pools.read().unwrap_or_else(PoisonError::into_inner));
        known.unwrap_or_else(|| {
            let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
            own(&pools).unwrap_or_else(|| {
                let pool = new_pool(self.connector.clone());
                pools.push((runtime, pool.clone()));
                pool
            })
        })
    }
}

fn new_pool(connector: Connector) -> Pool {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .set_host(false)
        .build(connector)
}

/// Resolves when a request has no connection after so long, otherwise never.
async fn unconnected(mut captured: CaptureConnection, time: Duration) {
    let is_connected = {
        let connected = timeout(time, captured.wait_for_connection_metadata()).await;
        connected.is_ok()
    };
    if is_connected {
        std::future::pending::<()>().await;
    }
}

impl AbroadError {
    fn of(error: &legacy::Error) -> Self {
        let cause = error.source();
        if let Some(connect) = cause.and_then(|cause| cause.downcast_ref::<ConnectError>()) {
            return match connect {
                ConnectError::Prohibited => Self::Prohibited,
                ConnectError::Unresolved(_) => Self::Unresolved,
                ConnectError::Unconnected(_) => Self::Unconnected,
                ConnectError::Certificate(_) => Self::Certificate,
                ConnectError::Tls(_) => Self::Tls,
                ConnectError::Time => Self::ConnectTime,
            };
        }
        match cause.and_then(|cause| cause.downcast_ref::<hyper::Error>()) {
            Some(cause) if cause.is_parse_too_large() => Self::LargeHead,
            Some(cause) if cause.is_parse() => Self::Garbled,
            _ if error.is_connect() => Self::Unconnected,
            _ => Self::Broken,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::NotGranted => Outcome::NotGranted,
            Self::Prohibited => Outcome::Prohibited,
            Self::ConnectTime | Self::AnswerTime | Self::BodyTime => Outcome::Timeout,
            _ => Outcome::Failed,
        }
    }

    /// What the caller of a guest can be told.
    pub(crate) fn fault(&self, origin: &Origin) -> Fault {
        let origin = origin.to_string();
        match self.outcome() {
            Outcome::NotGranted => Fault::OutboundNotGranted { origin },
            Outcome::Prohibited => Fault::OutboundAddressProhibited { origin },
            Outcome::Timeout => Fault::OutboundTimeout { origin, why: self.to_string() },
            _ => Fault::OutboundFailed { origin, why: self.to_string() },
        }
    }
}

#[cfg(test)]
mod tests;
