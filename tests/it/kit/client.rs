//! Requests as any well-behaved client sends them.

use super::within;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// What a request carries.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// A body that is there.
pub(crate) fn body(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never| match never {}).boxed()
}

/// A body whose chunks come one by one.
pub(crate) fn chunks(chunks: impl Stream<Item = Bytes> + Send + Sync + 'static) -> Body {
    BodyExt::boxed(StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk)))))
}

/// A request to one of a host's addresses.
#[track_caller]
pub(crate) fn request(
    verb: &str,
    to: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Request<Body> {
    let builder = Request::builder().method(verb).uri(format!("http://{to}{path}"));
    let add = |builder: http::request::Builder, (name, value): &(&str, &str)| {
        builder.header(*name, *value)
    };
    headers.iter().fold(builder, add).body(body).expect("the test's request is sound")
}

/// A client that keeps its connections.
pub(crate) struct Client(legacy::Client<HttpConnector, Body>);

impl Default for Client {
    fn default() -> Self {
        Self(legacy::Client::builder(TokioExecutor::new()).build_http())
    }
}

impl Client {
    /// Sends a request and reads the whole answer.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Reply {
        let what = format!("{} {}", request.method(), request.uri());
        let response = self.open(request).await;
        within(&what, Reply::read(response)).await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// The same with a host that may go away meanwhile.
    pub(crate) async fn try_ask(
        &self,
        request: Request<Body>,
    ) -> Result<Reply, Box<dyn std::error::Error>> {
        let asking = async { Ok(Reply::read(self.0.request(request).await?).await?) };
        within("an answer, or the end of the host", asking).await
    }

    /// Sends a request and reads the head of the answer.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response<Incoming> {
        let what = format!("{} {}", request.method(), request.uri());
        within(&what, self.0.request(request))
            .await
            .unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }
}

/// A connection of HTTP/2 by prior knowledge.
pub(crate) async fn http2(to: SocketAddr) -> SendRequest<Body> {
    let stream = TcpStream::connect(to).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// Reads an answer to its end.
    pub(crate) async fn read(response: Response<Incoming>) -> hyper::Result<Self> {
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Self { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// A header's text, empty without one.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}
