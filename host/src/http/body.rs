//! Bodies of requests: bounded in size and in the time they take, never held
//! whole unless they are small and already there.

use crate::call::CallBody;
use crate::fault::Fault;
use crate::limits::HostLimits;
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, Stream, StreamExt};
use http::header::{CONTENT_LENGTH, HeaderMap};
use http_body::Body;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// A body of a known length up to this is waited for and handed over whole.
const WHOLE_BYTES_MAX: u64 = 64 << 10;
/// Time a sender has before its rate counts.
const RATE_GRACE: Duration = Duration::from_secs(5);

/// Takes a body as it comes from the connection.
pub(super) async fn begin(
    body: Incoming,
    headers: &HeaderMap,
    bytes_max: u64,
    limits: &HostLimits,
) -> Result<CallBody, Fault> {
    if body.is_end_stream() {
        return Ok(CallBody::Empty);
    }
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|announced| bytes_max < announced) {
        return Err(Fault::BodyTooLarge { bytes_max });
    }
    let mut arriving = Arriving {
        body,
        bytes: 0,
        bytes_max,
        idle: Duration::from_millis(limits.body_idle_ms_max),
        rate_min: limits.body_bytes_per_second_min,
        waited: Duration::ZERO,
        waiting: None,
    };
    if announced.is_some_and(|announced| announced <= WHOLE_BYTES_MAX) {
        return whole(arriving).await;
    }
    // A chunked body that is already here is handed over whole, too.
    let mut here = BytesMut::new();
    loop {
        match arriving.next().now_or_never() {
            Some(Some(chunk)) => here.extend_from_slice(&chunk?),
            Some(None) => return Ok(CallBody::Bytes(here.freeze())),
            None => break,
        }
        if WHOLE_BYTES_MAX < here.len() as u64 {
            break;
        }
    }
    // Nobody waits until the service reads.
    arriving.waiting = None;
    if here.is_empty() {
        return Ok(CallBody::Stream(arriving.boxed()));
    }
    let first = futures::stream::iter([Ok(here.freeze())]);
    Ok(CallBody::Stream(first.chain(arriving).boxed()))
}

/// Takes a body whole, up to a bound.
pub(super) async fn gather(
    body: Incoming,
    headers: &HeaderMap,
    bytes_max: u64,
    limits: &HostLimits,
) -> Result<Bytes, Fault> {
    let mut chunks = match begin(body, headers, bytes_max, limits).await? {
        CallBody::Empty => return Ok(Bytes::new()),
        CallBody::Bytes(bytes) => return Ok(bytes),
        CallBody::Stream(chunks) => chunks,
    };
    let mut all = BytesMut::new();
    while let Some(chunk) = chunks.next().await.transpose()? {
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

async fn whole(mut arriving: Arriving) -> Result<CallBody, Fault> {
    let Some(first) = arriving.next().await.transpose()? else { return Ok(CallBody::Empty) };
    let Some(second) = arriving.next().await.transpose()? else {
        return Ok(CallBody::Bytes(first));
    };
    let mut bytes = BytesMut::from(first);
    bytes.extend_from_slice(&second);
    while let Some(chunk) = arriving.next().await.transpose()? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(CallBody::Bytes(bytes.freeze()))
}

/// A body that is judged while it arrives.
struct Arriving {
    body: Incoming,
    bytes: u64,
    bytes_max: u64,
    idle: Duration,
    rate_min: u64,
    /// Time spent waiting for the sender; time the service takes is not its.
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Arriving {
    fn judge(&mut self, chunk: Bytes) -> Result<Bytes, Fault> {
        self.bytes += chunk.len() as u64;
        if self.bytes_max < self.bytes {
            return Err(Fault::BodyTooLarge { bytes_max: self.bytes_max });
        }
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        let wanted = self.waited.as_secs().saturating_mul(self.rate_min);
        if RATE_GRACE < self.waited && self.bytes < wanted {
            return Err(Fault::SlowSender);
        }
        Ok(chunk)
    }

    fn is_slow(&mut self, cx: &mut Context<'_>) -> bool {
        let idle = self.idle;
        let start = || (Instant::now(), Box::pin(sleep(idle)));
        let (_, alarm) = self.waiting.get_or_insert_with(start);
        alarm.as_mut().poll(cx).is_ready()
    }
}

impl Stream for Arriving {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending if self.is_slow(cx) => {
                    return Poll::Ready(Some(Err(Fault::SlowSender)));
                }
                Poll::Pending => return Poll::Pending,
            };
            return Poll::Ready(match frame {
                None => None,
                Some(Err(_broken)) => Some(Err(Fault::ClientLeft)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => Some(self.judge(chunk)),
                    Err(_trailers) => continue,
                },
            });
        }
    }
}
