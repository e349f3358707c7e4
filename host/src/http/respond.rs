//! Answers and faults as HTTP responses.

use crate::call::{Answer, AnswerBody, RequestId};
use crate::fault::{Fault, SocketFault};
use crate::gate::Permit;
use crate::travel::{FAULT, REQUEST_ID};
use crate::upgrade;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, ready};
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tracing::debug;

/// The body of a response. An error breaks the response off: it never looks
/// whole to the client.
pub(super) struct Respond {
    content: Content,
    /// Held until the body is over.
    permit: Option<Permit>,
}

enum Content {
    Bytes(Option<Bytes>),
    Stream(Chunks),
}

/// Parts of a body as they come.
pub(super) type Chunks = BoxStream<'static, Result<Bytes, Fault>>;

impl Respond {
    /// A body that is there.
    pub(super) fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self { content: Content::Bytes(Some(bytes.into())), permit: None }
    }

    /// How long it is, where it is there.
    pub(super) fn length(&self) -> Option<usize> {
        match &self.content {
            Content::Bytes(bytes) => Some(bytes.as_ref().map_or(0, Bytes::len)),
            Content::Stream(_) => None,
        }
    }

    /// Leaves the body of a response out. HTTP/1.1 does this by itself where none
    /// may follow; a stream of HTTP/2 would break.
    pub(super) fn leave_out(response: &mut Response<Self>) {
        response.body_mut().content = Content::Bytes(None);
    }

    /// The same body, changed as it comes.
    pub(super) fn map(self, change: impl FnOnce(Chunks) -> Chunks) -> Self {
        let chunks = match self.content {
            Content::Bytes(bytes) => futures::stream::iter(bytes.map(Ok)).boxed(),
            Content::Stream(chunks) => chunks,
        };
        Self { content: Content::Stream(change(chunks)), permit: self.permit }
    }

    /// A body that comes as it is read, and takes no place among the requests.
    pub(super) fn stream(chunks: Chunks) -> Self {
        Self { content: Content::Stream(chunks), permit: None }
    }
}

impl Body for Respond {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let next = match &mut self.content {
            Content::Bytes(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()).map(Ok),
            Content::Stream(chunks) => ready!(Pin::new(chunks).poll_next(cx)),
        };
        if !matches!(next, Some(Ok(_))) || self.is_end_stream() {
            self.permit = None;
        }
        if let Some(Err(fault)) = &next {
            debug!(%fault, "answer broken off");
        }
        Poll::Ready(next.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Bytes(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Content::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Bytes(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Stream(_) => SizeHint::default(),
        }
    }
}

/// An answer as a response, with the id by which logs and traces know the request.
pub(super) fn answer_of(
    answer: Answer,
    verb: &Method,
    request_id: &RequestId,
    permit: Permit,
) -> Response<Respond> {
    let mut response = self::answer(answer, verb, permit);
    name(&mut response, request_id);
    response
}

fn answer(answer: Answer, verb: &Method, permit: Permit) -> Response<Respond> {
    let Answer { status, mut headers, body } = answer;
    remove_connection_headers(&mut headers);
    let content = match body {
        AnswerBody::Empty => Content::Bytes(None),
        AnswerBody::Bytes(bytes) => Content::Bytes(Some(bytes)),
        AnswerBody::Stream(_) if verb == Method::HEAD => Content::Bytes(None),
        AnswerBody::Stream(chunks) => Content::Stream(chunks),
    };
    if matches!(content, Content::Bytes(_)) && verb != Method::HEAD {
        headers.remove(CONTENT_LENGTH);
    }
    let mut response = Response::new(Respond { content, permit: Some(permit) });
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Headers that belong to a connection, which is the host's. Hardly any answer
/// has one.
fn remove_connection_headers(headers: &mut HeaderMap) {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    const ALL: [HeaderName; 6] =
        [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TRAILER, TRANSFER_ENCODING, UPGRADE];
    if !headers.keys().any(|name| ALL.contains(name)) {
        return;
    }
    for name in ALL {
        headers.remove(name);
    }
}

/// A fault as JSON.
fn fault(fault: &Fault) -> Response<Respond> {
    let reply = fault.reply();
    let mut response = Response::new(Respond::bytes(fault.body()));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    if let Ok(name) = HeaderValue::from_str(&reply.name) {
        headers.insert(FAULT, name);
    }
    if let Some(after) = reply.retry_after {
        headers.insert(RETRY_AFTER, after.as_secs().into());
    }
    if let Fault::VerbNotAllowed { allow, .. } = fault
        && let Ok(allow) = HeaderValue::from_str(allow)
    {
        headers.insert(ALLOW, allow);
    }
    if let Fault::Socket(SocketFault::UpgradeRequired) = fault {
        upgrade::advise(headers);
    }
    // What the client sent may still be on its way; it is not waited for.
    if matches!(fault, Fault::BodyTooLarge { .. } | Fault::SlowSender) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A fault as JSON, with the id under which the log has more.
pub(super) fn fault_of(fault: &Fault, request_id: &RequestId) -> Response<Respond> {
    let mut response = self::fault(fault);
    name(&mut response, request_id);
    response
}

/// Says in an answer what the request is called in the log.
pub(super) fn name(response: &mut Response<Respond>, request_id: &RequestId) {
    if let Some(id) = request_id.header() {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}

/// The connection goes on as a WebSocket.
pub(super) fn switching(headers: HeaderMap) -> Response<Respond> {
    let mut response = Response::new(Respond::bytes(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, WEBSOCKET);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response
}

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// What a path takes, for `OPTIONS`.
pub(super) fn options(allow: &str) -> Response<Respond> {
    let mut response = Response::new(Respond::bytes(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// What a path takes that only shows something.
pub(super) const SHOWN: &str = "GET, HEAD, OPTIONS";

/// The fault of a verb that a path of the host does not take.
pub(super) fn not_allowed<B>(request: &Request<B>, allow: &str) -> Fault {
    let (verb, path) = (request.method().to_string(), request.uri().path().to_owned());
    Fault::VerbNotAllowed { verb, path, allow: allow.to_owned() }
}

/// JSON that is written already.
pub(super) fn json_text(text: Bytes) -> Response<Respond> {
    let mut response = Response::new(Respond::bytes(text));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// A JSON value.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Response<Respond> {
    let mut response = json_text(value.to_string().into());
    *response.status_mut() = status;
    response
}

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
