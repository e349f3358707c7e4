//! Connections of the admin side: bounded in number, and in the time that they
//! take to say what they want.

use crate::crew::Crew;
use crate::limits::HostLimits;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service;
use tracing::{debug, warn};

/// Open at once; more are closed as they come.
const CONNECTIONS_MAX: usize = 512;
/// What is waited when no connection can be taken.
const PAUSE: Duration = Duration::from_millis(200);

/// What each connection is served with.
#[derive(Clone)]
struct Served {
    router: Router,
    /// For the head of a request, from the end of the one before.
    head_max: Duration,
    stall_ms: u32,
    closing: watch::Receiver<bool>,
}

/// Takes connections until told to close; those that are open end with the answers
/// that they have begun. Who does not read what was asked for is not waited for.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: HostLimits,
    crew: Crew,
    mut closing: watch::Receiver<bool>,
) {
    let head_max = Duration::from_millis(limits.head_ms_max);
    let stall_ms = u32::try_from(limits.write_stall_ms_max).unwrap_or(u32::MAX);
    let served = Served { router, head_max, stall_ms, closing: closing.clone() };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let served = served.clone();
                    crew.hire("admin connection", |_| served.carry(stream, from, place));
                }
                Err(_full) => warn!(%from, "too many connections to the admin side, one closed"),
            },
            Err(error) => {
                // Who gave up before it was taken is heard of here, too.
                debug!(%error, "cannot accept a connection to the admin side");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Served {
    async fn carry(self, stream: TcpStream, from: SocketAddr, _place: OwnedSemaphorePermit) {
        let Self { router, head_max, stall_ms, mut closing } = self;
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, stall_ms);
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(from));
            // A router is ready at any time.
            router.clone().call(request)
        });
        // HTTP/1 alone: what waits to see which version is spoken has no bound of time.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_max)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let told = async move {
            let _ = closing.wait_for(|closing| *closing).await;
        };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = told => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection to the admin side ended");
        }
    }
}
