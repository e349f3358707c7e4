//! A service that is no WebAssembly: a small HTTP server that can die.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A running program. It dies when it is dropped.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    checks: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Program {
    /// A program that answers `GET /ext/hello`, and its health.
    pub(crate) async fn start() -> Self {
        Self::at(([127, 0, 0, 1], 0).into()).await
    }

    /// The same at a given address.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let checks = Arc::new(AtomicUsize::new(0));
        let serving = tokio::spawn(serve(listener, checks.clone()));
        Self { address, checks, serving }
    }

    /// What it registers as.
    pub(crate) fn record(&self, registration: &str) -> Value {
        record_at(self.address, registration)
    }

    /// How often its health was asked.
    pub(crate) fn checks(&self) -> usize {
        self.checks.load(Ordering::Relaxed)
    }

    /// Dies at once, with every connection.
    pub(crate) async fn die(mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn record_at(address: SocketAddr, registration: &str) -> Value {
    json!({
        "keyServices": "default",
        "record": {
            "name": "ext",
            "domain": format!("http://{address}"),
            "root": "/ext",
            "methods": [{"name": "hello", "type": "GET", "path": "/hello"}],
            "metadata": {"description": "no WebAssembly"},
            "registration": registration,
        },
    })
}

async fn serve(listener: TcpListener, checks: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let checks = checks.clone();
        let service = service_fn(move |request| answer(request, checks.clone()));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    checks: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match request.uri().path() {
        "/healthcheck" => {
            checks.fetch_add(1, Ordering::Relaxed);
            (200, r#"{"status":"UP"}"#)
        }
        "/ext/hello" => (200, r#"{"hello":"from outside"}"#),
        _ => (404, r#"{"error":"not here"}"#),
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(text.as_bytes())));
    Ok(response.expect("the parts are sound"))
}
