//! Endpoints that are no modules: one that answers, and can be killed and come
//! back, and some that do not behave.

use crate::Measured;
use crate::connection::Connection;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::runtime::Runtime;

/// A small HTTP server on a thread of its own.
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicU64>,
    runtime: Option<Runtime>,
}

/// What it answers a call.
pub(crate) const HELLO: &str = r#"{"hello":"from outside"}"#;

/// An address that nobody has yet.
pub(crate) const ANY: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

impl Endpoint {
    pub(crate) fn start(address: SocketAddr) -> Measured<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address))?;
        let address = listener.local_addr()?;
        let calls = Arc::new(AtomicU64::new(0));
        let counted = calls.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection without it is as good a server as one with it.
                let _ = stream.set_nodelay(true);
                let calls = counted.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(request, &calls));
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    let _ = connection.await;
                });
            }
        });
        Ok(Self { address, calls, runtime: Some(runtime) })
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // With it go the listener and every connection.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    calls: &AtomicU64,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/healthcheck" {
        calls.fetch_add(1, Relaxed);
    }
    Ok(Response::new(Full::new(Bytes::from_static(HELLO.as_bytes()))))
}

/// Registers an endpoint with the method `hello`.
pub(crate) fn register(
    admin: SocketAddr,
    name: &str,
    registration: &str,
    address: SocketAddr,
) -> Measured {
    let record = json!({ "record": {
        "name": name,
        "domain": format!("http://{address}"),
        "methods": [{ "name": "hello", "type": "GET", "path": "/hello" }],
        "registration": registration,
    } });
    post_record(admin, &record.to_string())
}

/// Registers what is written here.
pub(crate) fn post_record(admin: SocketAddr, record: &str) -> Measured {
    let answer = Connection::open(admin)?.post("/api/services", record)?;
    if answer.status == 200 {
        return Ok(());
    }
    Err(format!("registered with {}: {}", answer.status, String::from_utf8_lossy(&answer.body))
        .into())
}

/// Takes every connection and answers each request with this text, or not at
/// all. The thread ends with the process.
pub(crate) fn mean(text: &'static str) -> Measured<SocketAddr> {
    let listener = TcpListener::bind(ANY)?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut seen = [0; 4_096];
                while let Ok(1..) = stream.read(&mut seen) {
                    if stream.write_all(text.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}

/// An address where connections are neither made nor refused: the line of its
/// listener is full.
pub(crate) struct Deaf {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _line: Vec<TcpStream>,
}

impl Deaf {
    pub(crate) fn start() -> Measured<Self> {
        let listener = TcpListener::bind(ANY)?;
        rustix::net::listen(&listener, 0)?;
        let address = listener.local_addr()?;
        let mut line = Vec::new();
        let patience = std::time::Duration::from_millis(100);
        while let Ok(stream) = TcpStream::connect_timeout(&address, patience) {
            line.push(stream);
        }
        Ok(Self { address, _listener: listener, _line: line })
    }
}
