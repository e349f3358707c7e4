//! A small collector of OTLP over HTTP, which keeps what it is sent.

use http_body_util::{BodyExt, Full};
use hyper::HeaderMap;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The headers of a request, and what it brought.
type Received = (HeaderMap, ExportTraceServiceRequest);

/// A running collector. It ends when it is dropped.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    serving: JoinHandle<()>,
}

impl Collector {
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
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let kept = received.clone();
        let serving = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let kept = kept.clone();
                let service = service_fn(move |request| take(request, kept.clone()));
                let opening = open(stream);
                tokio::spawn(async move {
                    let Some(stream) = opening.await else { return };
                    let stream = TokioIo::new(stream);
                    let _ = http1::Builder::new().serve_connection(stream, service).await;
                });
            }
        });
        Self { address, received, serving }
    }

    /// Every span that was sent, as the admin side would show it.
    pub(crate) fn all(&self) -> Vec<Value> {
        let received = self.received.lock().unwrap();
        let resources = received.iter().flat_map(|(_, request)| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| &scope.spans).map(shown).collect()
    }

    /// Those of one trace.
    pub(crate) fn spans_of(&self, trace: &str) -> Vec<Value> {
        let mut spans = self.all();
        spans.retain(|span| span["trace_id"] == trace);
        spans
    }

    /// What is said of who sent them.
    pub(crate) fn resource(&self, key: &str) -> String {
        let received = self.received.lock().unwrap();
        let resource = received[0].1.resource_spans[0].resource.clone().unwrap();
        attribute(&resource.attributes, key)
    }

    /// A header of the first request.
    pub(crate) fn header(&self, name: &str) -> String {
        self.received.lock().unwrap()[0].0[name].to_str().unwrap().to_owned()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(
    request: Request<Incoming>,
    kept: Arc<Mutex<Vec<Received>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    let is_right = request.uri().path() == "/v1/traces"
        && request.headers().get("content-type").is_some_and(|it| it == "application/x-protobuf");
    let headers = request.headers().clone();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    match ExportTraceServiceRequest::decode(body) {
        Ok(message) if is_right => kept.lock().unwrap().push((headers, message)),
        _ => *response.status_mut() = hyper::StatusCode::BAD_REQUEST,
    }
    Ok(response)
}

fn shown(span: &Span) -> Value {
    let kind = match span.kind() {
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        _ => "internal",
    };
    json!({
        "trace_id": hex(&span.trace_id),
        "span_id": hex(&span.span_id),
        "parent_id": hex(&span.parent_span_id),
        "name": span.name,
        "kind": kind,
        "service": attribute(&span.attributes, "picolet.service"),
        "error": span.status.as_ref().is_some_and(|status| status.code == 2),
        "message": span.status.as_ref().map(|status| status.message.as_str()),
    })
}

fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_ref());
    match value.and_then(|value| value.value.as_ref()) {
        Some(AnyValue::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
