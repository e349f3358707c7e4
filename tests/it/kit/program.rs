//! A service that is no WebAssembly: a small HTTP server that can be slow, fail
//! and die.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
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
    connections: AtomicUsize,
    /// Told to leave its HTTP/2 connections.
    leave: Notify,
    /// Headers of the last call.
    headers: Mutex<HeaderMap>,
    /// The same of the last health check.
    check_headers: Mutex<HeaderMap>,
}

#[derive(Clone, Copy)]
enum Protocol {
    Http1,
    Http2,
}

impl Program {
    /// A program that answers `GET` and `POST` of `/ext/hello`, and its health.
    pub(crate) async fn start() -> Self {
        Self::at(([127, 0, 0, 1], 0).into()).await
    }

    /// The same at a given address.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        Self::serving(address, Protocol::Http1).await
    }

    /// One that knows HTTP/2 by prior knowledge and nothing else.
    pub(crate) async fn http2() -> Self {
        Self::serving(([127, 0, 0, 1], 0).into(), Protocol::Http2).await
    }

    async fn serving(address: SocketAddr, protocol: Protocol) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let conduct = Arc::new(Conduct {
            delay_ms: AtomicU64::new(0),
            status: AtomicU16::new(200),
            checks: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            leave: Notify::new(),
            headers: Mutex::default(),
            check_headers: Mutex::default(),
        });
        let serving = tokio::spawn(serve(listener, conduct.clone(), protocol));
        Self { address, conduct, serving }
    }

    /// Answers so much later from now on.
    pub(crate) fn delay(&self, delay: Duration) {
        self.conduct.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Relaxed);
    }

    /// Answers with this status from now on; with 0 it breaks the connection,
    /// with 1 it refuses the stream.
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

    /// How many connections it has taken.
    pub(crate) fn connections(&self) -> usize {
        self.conduct.connections.load(Relaxed)
    }

    /// Says on its HTTP/2 connections that it takes no more requests there.
    pub(crate) fn leave_connections(&self) {
        self.conduct.leave.notify_waiters();
    }

    /// A header of the last call, empty without one.
    pub(crate) fn header(&self, name: &str) -> String {
        header(&self.conduct.headers, name)
    }

    /// The same of the last health check.
    pub(crate) fn check_header(&self, name: &str) -> String {
        header(&self.conduct.check_headers, name)
    }

    /// Dies at once, with every connection.
    pub(crate) async fn die(mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }
}

fn header(headers: &Mutex<HeaderMap>, name: &str) -> String {
    let headers = headers.lock().unwrap();
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

impl Drop for Program {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

async fn serve(listener: TcpListener, conduct: Arc<Conduct>, protocol: Protocol) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        conduct.connections.fetch_add(1, Relaxed);
        let (conduct, io) = (conduct.clone(), TokioIo::new(stream));
        let answering = conduct.clone();
        let service = service_fn(move |request| answer(request, answering.clone()));
        match protocol {
            Protocol::Http1 => {
                let connection = http1::Builder::new().serve_connection(io, service);
                connections.spawn(async move { drop(connection.await) });
            }
            Protocol::Http2 => {
                let builder = http2::Builder::new(TokioExecutor::new());
                let connection = builder.serve_connection(io, service);
                connections.spawn(async move {
                    let mut connection = pin!(connection);
                    tokio::select! {
                        _ = connection.as_mut() => return,
                        () = conduct.leave.notified() => connection.as_mut().graceful_shutdown(),
                    }
                    let _ = connection.await;
                });
            }
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    conduct: Arc<Conduct>,
) -> Result<Response<Full<Bytes>>, Broken> {
    let (status, text) = match request.uri().path() {
        "/healthcheck" => {
            conduct.check_headers.lock().unwrap().clone_from(request.headers());
            conduct.checks.fetch_add(1, Relaxed);
            (200, r#"{"status":"UP"}"#)
        }
        "/ext/hello" => {
            conduct.calls.fetch_add(1, Relaxed);
            conduct.headers.lock().unwrap().clone_from(request.headers());
            tokio::time::sleep(Duration::from_millis(conduct.delay_ms.load(Relaxed))).await;
            match conduct.status.load(Relaxed) {
                0 => return Err(io::Error::other("told to break").into()),
                1 => return Err(h2::Error::from(h2::Reason::REFUSED_STREAM).into()),
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
