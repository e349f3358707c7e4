//! Requests for `wasi:http` guests, and the bodies of their answers.

use super::{GuestHost, Ticket};
use crate::call::{CallBody, CallHead};
use crate::fault::Fault;
use bytes::Bytes;
use futures::{Stream, StreamExt, ready};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::{Sleep, sleep_until};
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

/// A call as the engine's handler takes it.
pub(super) fn into_request(
    head: CallHead,
    body: CallBody,
) -> Result<http::Request<WasiBody>, Fault> {
    let body = match body {
        CallBody::Empty => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        CallBody::Bytes(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
        CallBody::Stream(chunks) => {
            let frames = chunks.map(|chunk| match chunk {
                Ok(chunk) => Ok(Frame::data(chunk)),
                Err(_broken) => Err(HttpError::ConnectionTerminated),
            });
            StreamBody::new(frames).boxed_unsync()
        }
    };
    let mut request = http::Request::new(body);
    *request.method_mut() = head.verb;
    *request.uri_mut() = head.uri;
    *request.headers_mut() = head.headers;
    if request.uri().authority().is_none() && !request.headers().contains_key(http::header::HOST) {
        let host = http::HeaderValue::from_static("localhost");
        request.headers_mut().insert(http::header::HOST, host);
    }
    Ok(request)
}

/// An answer's body that ends only when its guest ended it.
pub(super) struct WholeBody {
    body: WasiBody,
    ticket: Arc<Ticket>,
    host: Arc<GuestHost>,
    alarm: Option<Pin<Box<Sleep>>>,
    taken: u64,
}

impl Stream for WholeBody {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.alarm.is_some()
            && let Poll::Ready(late) = self.poll_late(cx)
        {
            return Poll::Ready(late);
        }
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return self.poll_late(cx),
            };
            let chunk = match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(chunk))) => chunk,
                Some(Ok(Err(_trailers))) => continue,
                Some(Err(_)) => return Poll::Ready(Some(Err(self.broken()))),
                None => return Poll::Ready(self.ticket.failure.get().cloned().map(Err)),
            };
            self.taken += chunk.len() as u64;
            let bytes_max = self.host.limits.response_body_bytes;
            if bytes_max < self.taken {
                return Poll::Ready(Some(Err(Fault::AnswerTooLarge { bytes_max })));
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
    }
}

impl WholeBody {
    pub(super) fn new(body: WasiBody, ticket: Arc<Ticket>, host: Arc<GuestHost>) -> Self {
        Self { body, ticket, host, alarm: None, taken: 0 }
    }

    /// Most bodies are over before anybody has to watch the time.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        let until = self.ticket.until;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Some(Err(self.ticket.late.clone())))
    }

    fn broken(&self) -> Fault {
        let trapped = || Fault::Trapped { service: self.host.service.clone() };
        self.ticket.failure.get().cloned().unwrap_or_else(trapped)
    }
}

/// Chunks, and what is held until they are over.
pub(super) struct Held<S, H> {
    pub(super) chunks: S,
    pub(super) _held: H,
}

impl<S: Stream + Unpin, H: Unpin> Stream for Held<S, H> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        Pin::new(&mut self.chunks).poll_next(cx)
    }
}
