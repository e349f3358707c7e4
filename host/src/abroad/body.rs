//! Bodies to and from strangers, within the time of their exchange.

use super::{AbroadError, Terms};
use crate::call::{AnswerBody, CallBody};
use crate::fault::Fault;
use crate::origin::Origin;
use bytes::Bytes;
use futures::future::FutureExt;
use futures::stream::{self, StreamExt};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Empty, Full, StreamBody};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};

/// A body that leaves the host.
pub(crate) type OutBody = UnsyncBoxBody<Bytes, Fault>;

/// What an answer may have at most; a guest reads it at its own pace.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// The body of a call as one that leaves the host.
pub(crate) fn out_body(body: CallBody) -> OutBody {
    match body {
        CallBody::Empty => Empty::new().map_err(|never| match never {}).boxed_unsync(),
        CallBody::Bytes(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed_unsync(),
        CallBody::Stream(chunks) => {
            StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
        }
    }
}

/// A body that a guest sends; broken off when the time is over.
pub(super) struct OwnBody {
    body: OutBody,
    alarm: Alarm,
}

impl OwnBody {
    pub(super) fn new(body: OutBody, until: Instant) -> Self {
        Self { body, alarm: Alarm::at(until) }
    }
}

impl Body for OwnBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(self.alarm.poll(cx));
        Poll::Ready(Some(Err(Fault::Deadline { doing: "a request was sent" })))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that a stranger sends.
pub(crate) struct ForeignBody {
    body: Incoming,
    terms: Terms,
    alarm: Alarm,
    taken: u64,
    is_over: bool,
}

impl ForeignBody {
    pub(super) fn new(body: Incoming, terms: Terms) -> Self {
        Self { body, terms, alarm: Alarm::at(next(terms)), taken: 0, is_over: false }
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AbroadError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            ready!(self.alarm.poll(cx));
            return Poll::Ready(Some(Err(AbroadError::BodyTime)));
        };
        let Some(frame) = frame else { return Poll::Ready(None) };
        let Ok(frame) = frame else { return Poll::Ready(Some(Err(AbroadError::BrokenAnswer))) };
        self.taken += frame.data_ref().map_or(0, Bytes::len) as u64;
        if ANSWER_BYTES_MAX < self.taken {
            let bytes_max = ANSWER_BYTES_MAX;
            return Poll::Ready(Some(Err(AbroadError::LargeAnswer { bytes_max })));
        }
        if self.terms.between.is_some() {
            self.alarm = Alarm::at(next(self.terms));
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

/// When the next part of a body must be there.
fn next(terms: Terms) -> Instant {
    let between = terms.between.map(|between| Instant::now() + between);
    between.map_or(terms.deadline, |next| next.min(terms.deadline))
}

impl Body for ForeignBody {
    type Data = Bytes;
    type Error = AbroadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AbroadError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let frame = ready!(self.poll_next(cx));
        self.is_over = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Most bodies are over before anybody has to watch the time.
struct Alarm {
    at: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    fn at(at: Instant) -> Self {
        Self { at, sleep: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at))).as_mut().poll(cx)
    }
}

/// The body of an answer as a call has it. One that came along with its head is
/// taken whole.
pub(crate) fn begun(mut body: ForeignBody, origin: Origin) -> AnswerBody {
    if body.is_end_stream() {
        return AnswerBody::Empty;
    }
    let first = match body.frame().now_or_never() {
        Some(None) => return AnswerBody::Empty,
        Some(Some(Ok(frame))) => frame.into_data().ok(),
        Some(Some(Err(error))) => {
            let broken = Err(error.fault(&origin));
            return AnswerBody::Stream(stream::iter([broken]).boxed());
        }
        None => None,
    };
    if let Some(whole) = first.as_ref().filter(|_| body.is_end_stream()) {
        return AnswerBody::Bytes(whole.clone());
    }
    let rest = BodyStream::new(body).filter_map(move |frame| {
        let chunk = frame.map(|frame| frame.into_data().ok()).transpose();
        let chunk = chunk.map(|chunk| chunk.map_err(|error| error.fault(&origin)));
        std::future::ready(chunk)
    });
    AnswerBody::Stream(stream::iter(first.map(Ok)).chain(rest).boxed())
}
