//! An HTTP server that belongs to nobody here, and tells what it was asked.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A running server. It is gone when it is dropped.
pub(crate) struct Stranger {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: AtomicUsize,
    broken_bodies: AtomicUsize,
    may_answer: watch::Sender<bool>,
}

impl Stranger {
    /// On a port of its own at the address of the machine itself.
    pub(crate) async fn start() -> Self {
        Self::behind(|stream| async move { Some(stream) }).await
    }

    /// The same with something between it and its connections.
    pub(crate) async fn behind<S, F>(open: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Seen>::default();
        let shared = seen.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Relaxed);
                connections.spawn(serve(open(stream), shared.clone()));
            }
        });
        Self { address, seen, serving }
    }

    /// A URL of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections it has taken.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Relaxed)
    }

    /// How many requests it has read.
    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Relaxed)
    }

    /// How many bodies were broken off.
    pub(crate) fn broken_bodies(&self) -> usize {
        self.seen.broken_bodies.load(Relaxed)
    }

    /// Answers those who asked for `/wait`.
    pub(crate) fn release(&self) {
        self.seen.may_answer.send_replace(true);
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve<S>(opened: impl Future<Output = Option<S>>, seen: Arc<Seen>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let Some(stream) = opened.await else { return };
    let service = service_fn(move |request| answer(request, seen.clone()));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Seen>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    seen.requests.fetch_add(1, Relaxed);
    let uri = request.uri().clone();
    let response = Response::builder().header("x-stranger", "1").header("keep-alive", "timeout=9");
    let (response, text) = match uri.path() {
        "/hello" => (response, Bytes::from_static(b"hello")),
        "/verb" => (response, request.method().to_string().into()),
        "/missing" => (response.status(404), Bytes::from_static(b"not here")),
        "/to" => {
            let response = response.status(302).header("location", uri.query().unwrap_or_default());
            (response, Bytes::new())
        }
        "/wait" => {
            let _ = seen.may_answer.subscribe().wait_for(|may| *may).await;
            (response, Bytes::new())
        }
        "/headers" => {
            let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
            let headers = request.headers().iter();
            let headers = headers.map(|(name, value)| (name.to_string(), text(value).into()));
            (response, Value::Object(headers.collect::<Map<_, _>>()).to_string().into())
        }
        "/echo" => match request.into_body().collect().await {
            Ok(body) => (response, body.to_bytes()),
            Err(_broken) => {
                seen.broken_bodies.fetch_add(1, Relaxed);
                (response.status(400), Bytes::new())
            }
        },
        _ => (response.status(404), Bytes::new()),
    };
    Ok(response.body(Full::new(text)).expect("the parts are sound"))
}
