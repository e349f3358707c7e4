//! A service that is no WebAssembly: a small HTTP server that can be slow, fail
//! and die.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A running program. It dies when it is dropped.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    conduct: Arc<Conduct>,
    serving: JoinHandle<()>,
}

/// How it behaves, and what it has seen.
#[derive(Debug)]
struct Conduct {
    delay_ms: AtomicU64,
    /// 0 breaks the connection instead.
    status: AtomicU16,
    checks: AtomicUsize,
    calls: AtomicUsize,
}

impl Program {
    /// A program that answers `GET` and `POST` of `/ext/hello`, and its health.
    pub(crate) async fn start() -> Self {
        Self::at(([127, 0, 0, 1], 0).into()).await
    }

    /// The same at a given address.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let conduct = Arc::new(Conduct {
            delay_ms: AtomicU64::new(0),
            status: AtomicU16::new(200),
            checks: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        });
        let serving = tokio::spawn(serve(listener, conduct.clone()));
        Self { address, conduct, serving }
    }

    /// Answers so much later from now on.
    pub(crate) fn delay(&self, delay: Duration) {
        self.conduct.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Relaxed);
    }

    /// Answers with this status from now on; with 0 it breaks the connection.
    pub(crate) fn answer_with(&self, status: u16) {
        self.conduct.status.store(status, Relaxed);
    }

    /// What it registers as.
    pub(crate) fn record(&self, registration: &str) -> Value {
        self.record_with(registration, &json!({"description": "no WebAssembly"}))
    }

    /// The same with these facts.
    pub(crate) fn record_with(&self, registration: &str, metadata: &Value) -> Value {
        json!({
            "keyServices": "default",
            "record": {
                "name": "ext",
                "domain": format!("http://{}", self.address),
                "root": "/ext",
                "methods": [
                    {"name": "hello", "type": "GET", "path": "/hello"},
                    {"name": "store", "type": "POST", "path": "/hello"},
                ],
                "metadata": metadata,
                "registration": registration,
            },
        })
    }

    /// How often its health was asked.
    pub(crate) fn checks(&self) -> usize {
        self.conduct.checks.load(Relaxed)
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> usize {
        self.conduct.calls.load(Relaxed)
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

async fn serve(listener: TcpListener, conduct: Arc<Conduct>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let conduct = conduct.clone();
        let service = service_fn(move |request| answer(request, conduct.clone()));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    conduct: Arc<Conduct>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (status, text) = match request.uri().path() {
        "/healthcheck" => {
            conduct.checks.fetch_add(1, Relaxed);
            (200, r#"{"status":"UP"}"#)
        }
        "/ext/hello" => {
            conduct.calls.fetch_add(1, Relaxed);
            tokio::time::sleep(Duration::from_millis(conduct.delay_ms.load(Relaxed))).await;
            match conduct.status.load(Relaxed) {
                0 => return Err(io::Error::other("told to break")),
                status => (status, r#"{"hello":"from outside"}"#),
            }
        }
        _ => (404, r#"{"error":"not here"}"#),
    };
    let mut response =
        Response::builder().status(status).header("content-type", "application/json");
    if status == 429 {
        response = response.header("retry-after", "60");
    }
    Ok(response.body(Full::new(Bytes::from_static(text.as_bytes()))).expect("the parts are sound"))
}
