//! Answers, with the calls that are still making them.

use crate::call::{Answer, AnswerBody};
use crate::crew::Crew;
use crate::engine::{Head, HeadBody, whole};
use crate::fault::Fault;
use crate::gate::Permit;
use crate::name::Name;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a call still has to do when its guest has answered, and what it holds
/// until then.
pub(super) struct Rest<'a> {
    pub(super) work: Option<Work>,
    pub(super) permit: Permit,
    pub(super) crew: &'a Crew,
}

pub(super) type Work = BoxFuture<'static, Result<(), Fault>>;

/// Makes an answer. A streamed body takes the rest of its call along; the rest
/// of any other is seen to by the crew.
pub(super) fn compose(
    head: Result<Head, Fault>,
    rest: Rest<'_>,
    service: &Name,
    bytes_max: u64,
) -> Result<Answer, Fault> {
    let Head { status, headers, body } = match head {
        Ok(head) => head,
        Err(fault) => {
            see_off(rest.work, rest.permit, rest.crew);
            return Err(fault);
        }
    };
    let body = match body {
        HeadBody::Streamed(lifted) => {
            let broken = Fault::Trapped { service: service.to_string() };
            AnswerBody::Stream(Box::pin(Driven {
                work: rest.work,
                chunks: whole(lifted, broken),
                failure: None,
                bytes_left: bytes_max,
                bytes_max,
                permit: Some(rest.permit),
                crew: rest.crew.clone(),
            }))
        }
        HeadBody::Bytes(bytes) => {
            see_off(rest.work, rest.permit, rest.crew);
            AnswerBody::Bytes(bytes)
        }
        HeadBody::Empty => {
            see_off(rest.work, rest.permit, rest.crew);
            AnswerBody::Empty
        }
    };
    Ok(Answer { status, headers, body })
}

/// Lets a guest whose answer is complete finish what it still does.
fn see_off(work: Option<Work>, permit: Permit, crew: &Crew) {
    let Some(work) = work else { return };
    crew.hire("after answer", |mut stop| async move {
        let _permit = permit;
        tokio::select! {
            _ended = work => (),
            () = stop.stopped() => (),
        }
    });
}

/// Chunks of an answer, with the call that makes them.
struct Driven {
    work: Option<Work>,
    chunks: BoxStream<'static, Result<Bytes, Fault>>,
    failure: Option<Fault>,
    bytes_left: u64,
    bytes_max: u64,
    permit: Option<Permit>,
    crew: Crew,
}

impl Stream for Driven {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let worked = self.work.as_mut().map(|work| work.poll_unpin(cx));
        if let Some(Poll::Ready(outcome)) = worked {
            // Dropping the call closes the guest's ends of its streams.
            self.work = None;
            self.failure = outcome.err();
        }
        match ready!(Pin::new(&mut self.chunks).poll_next(cx)) {
            Some(Ok(chunk)) => {
                let Some(left) = self.bytes_left.checked_sub(chunk.len() as u64) else {
                    self.work = None;
                    let bytes_max = self.bytes_max;
                    return Poll::Ready(Some(Err(Fault::AnswerTooLarge { bytes_max })));
                };
                self.bytes_left = left;
                Poll::Ready(Some(Ok(chunk)))
            }
            Some(Err(fault)) => {
                self.work = None;
                Poll::Ready(Some(Err(self.failure.take().unwrap_or(fault))))
            }
            None => {
                if let Some(permit) = self.permit.take() {
                    see_off(self.work.take(), permit, &self.crew);
                }
                Poll::Ready(None)
            }
        }
    }
}
