//! Connects to the addresses that a guest may reach, and to no others.
//!
//! A name is looked up once for a connection. The addresses that come of it are
//! checked, and the connection is made to one that passed: nothing is looked up
//! again, so no answer of a name server can change in between.

use crate::origin::{Host, Origin};
use crate::reach::{Reach, is_public};
use futures::future::{BoxFuture, FutureExt};
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::error::Error;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tower_service::Service;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("no address that it leads to is granted")]
    Prohibited,
    #[error("its name leads to no address")]
    Unresolved(#[source] Option<io::Error>),
    #[error("cannot connect")]
    Unconnected(#[source] io::Error),
    #[error("its certificate is not trusted")]
    Certificate(#[source] Boxed),
    #[error("no secure connection can be made")]
    Tls(#[source] Boxed),
    #[error("connecting took longer than {} ms", CONNECT_TIMEOUT.as_millis())]
    Time,
}

type Boxed = Box<dyn Error + Send + Sync>;

/// For all of it: name, addresses and the handshake of TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Names that one revision looks up at once. A look-up that was begun cannot be
/// given up.
const LOOKUPS_MAX: usize = 4;

/// Looks names up.
pub(super) trait Resolve: Send + Sync {
    fn resolve(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// As the machine does.
pub(super) struct System(Arc<Semaphore>);

impl Default for System {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS_MAX)))
    }
}

impl Resolve for System {
    fn resolve(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let (name, places) = (name.to_owned(), self.0.clone());
        let resolve = async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            let looked_up = spawn_blocking(move || {
                let found = (name.as_str(), port).to_socket_addrs();
                let found = found.map(Iterator::collect::<Vec<SocketAddr>>);
                drop(place);
                found
            });
            looked_up.await.map_err(io::Error::other)?
        };
        resolve.boxed()
    }
}

/// What decides where a connection may lead.
pub(super) struct Guard {
    pub(super) reach: Reach,
    /// Addresses of this host that no grant opens.
    pub(super) closed: Arc<[SocketAddr]>,
    pub(super) resolver: Arc<dyn Resolve>,
}

impl Guard {
    async fn connect(&self, to: &Uri) -> Result<TcpStream, ConnectError> {
        let (origin, _) = Origin::of_uri(to).map_err(|_| ConnectError::Prohibited)?;
        let addresses = self.addresses(&origin).await?;
        let time = CONNECT_TIMEOUT / u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let mut failed = ConnectError::Time;
        for address in addresses {
            failed = match timeout(time, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return self.check(&origin, address, stream),
                Ok(Err(error)) => ConnectError::Unconnected(error),
                Err(_elapsed) => ConnectError::Time,
            };
        }
        Err(failed)
    }

    /// The addresses of an origin that may be connected to, one at least.
    async fn addresses(&self, origin: &Origin) -> Result<Vec<SocketAddr>, ConnectError> {
        let found = match origin.host() {
            Host::Address(address) => vec![SocketAddr::new(*address, origin.port())],
            Host::Name(name) => {
                let found = self.resolver.resolve(name, origin.port()).await;
                found.map_err(|error| ConnectError::Unresolved(Some(error)))?
            }
        };
        if found.is_empty() {
            return Err(ConnectError::Unresolved(None));
        }
        let admitted = found.into_iter().filter(|address| self.admits(origin, *address));
        let admitted: Vec<SocketAddr> = admitted.take(ADDRESSES_MAX).collect();
        if admitted.is_empty() { Err(ConnectError::Prohibited) } else { Ok(admitted) }
    }

    fn admits(&self, origin: &Origin, address: SocketAddr) -> bool {
        // The unspecified address leads to this machine. Who listens there listens
        // on all of its addresses, which are not told from those of its neighbours.
        let ip = address.ip().to_canonical();
        let is_closed = |closed: &SocketAddr| {
            let is_wide = closed.ip().is_unspecified() && !is_public(ip);
            closed.port() == address.port() && (ip == closed.ip() || ip.is_unspecified() || is_wide)
        };
        !self.closed.iter().any(is_closed) && self.reach.admits(origin.host(), ip)
    }

    /// Whether the connection is the one that was meant.
    fn check(
        &self,
        origin: &Origin,
        address: SocketAddr,
        stream: TcpStream,
    ) -> Result<TcpStream, ConnectError> {
        let peer = stream.peer_addr().map_err(ConnectError::Unconnected)?;
        let own = stream.local_addr().map_err(ConnectError::Unconnected)?;
        let is_closed = |closed: &SocketAddr| {
            let is_own = closed.ip().is_unspecified() && own.ip() == peer.ip();
            closed.port() == peer.port() && is_own
        };
        if peer.port() != address.port()
            || !self.admits(origin, peer)
            || self.closed.iter().any(is_closed)
        {
            return Err(ConnectError::Prohibited);
        }
        // A connection without it is as good as one with it.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

/// Connects as far as TCP.
#[derive(Clone)]
pub(super) struct Guarded(Arc<Guard>);

impl Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let guard = self.0.clone();
        async move { guard.connect(&to).await.map(TokioIo::new) }.boxed()
    }
}

/// Connects, with TLS where the origin asks for it, in time.
#[derive(Clone)]
pub(super) struct Connector(HttpsConnector<Guarded>);

impl Connector {
    pub(super) fn new(guard: Guard, tls: Arc<ClientConfig>) -> Self {
        Self(HttpsConnector::from((Guarded(Arc::new(guard)), tls)))
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = self.0.call(to);
        let connect = async move {
            match timeout(CONNECT_TIMEOUT, connecting).await {
                Ok(connected) => connected.map_err(ConnectError::from),
                Err(_elapsed) => Err(ConnectError::Time),
            }
        };
        connect.boxed()
    }
}

impl From<Boxed> for ConnectError {
    fn from(error: Boxed) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => *own,
            Err(other) if is_untrusted(&*other) => Self::Certificate(other),
            Err(other) => Self::Tls(other),
        }
    }
}

/// Whether it is the certificate that a handshake failed over.
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return matches!(tls, rustls::Error::InvalidCertificate(_));
        }
        next = match error.downcast_ref::<io::Error>() {
            Some(outer) => outer.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    false
}
