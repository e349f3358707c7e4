//! One connection: its protocol, its bounds, its end.

use super::Front;
use super::accept::Place;
use super::access::{Access, Left};
use super::clock::{Clocked, Handing, InRequest};
use super::respond::Respond;
use super::watch::Order;
use crate::crew::Crew;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tracing::debug;

/// Serves a connection until it ends, overstays, or the host stops.
/// A connection that becomes a WebSocket takes its place along.
pub(super) async fn serve(front: Arc<Front>, stream: TcpStream, place: Arc<Place>) {
    let from = place.from();
    let watched = front.watch.enter();
    let io = Clocked::new(TokioIo::new(stream), watched.clock.clone());
    let service = service_fn({
        let (front, clock) = (front.clone(), watched.clock.clone());
        move |mut request: Request<Incoming>| {
            // What may become something else has an extension by hyper.
            if !request.extensions().is_empty() {
                request.extensions_mut().insert(place.clone());
            }
            let is_http2 = request.version() == Version::HTTP_2;
            let is_head = request.method() == Method::HEAD;
            let guard = clock.request(is_http2);
            let is_last = front.limits.connection_requests_max <= clock.requests_total();
            let handing = is_http2.then(|| Handing::new(&clock));
            let front = front.clone();
            let mut access = front.has_access_log.then(|| {
                let client = front.client_of(&request, from);
                Box::new(Access::begin(&request, client))
            });
            async move {
                let mut response = front.answer(request, from).await;
                if is_last && !is_http2 && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    let close = http::HeaderValue::from_static("close");
                    response.headers_mut().insert(http::header::CONNECTION, close);
                }
                if let Some(access) = &mut access {
                    access.answered(&mut response);
                }
                if is_http2 {
                    keep_bodiless(&mut response, is_head);
                }
                let response =
                    response.map(|body| Guarded { body, handing, access, _guard: guard });
                Ok::<Response<Guarded>, Infallible>(response)
            }
        }
    });
    let builder = builder(&front);
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
    let mut is_draining = false;
    let ended = poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            match watched.order(cx) {
                Order::Drain if !is_draining => {
                    is_draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                Order::Carry | Order::Drain => return Poll::Pending,
                Order::Close => return Poll::Ready(Ok(())),
            }
        }
    });
    if let Err(error) = ended.await {
        debug!(%error, "connection ended");
    }
}

/// Sees to it that no body follows where HTTP has none, as it is done for HTTP/1.1
/// anyway.
fn keep_bodiless(response: &mut Response<Respond>, is_head: bool) {
    let has_none = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    // A stream has been left out already: how long it is, nobody knows.
    let length = response.body().length().filter(|length| 0 < *length);
    if let Some(length) = length.filter(|_| is_head && !has_none) {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    if is_head || has_none {
        Respond::leave_out(response);
    }
}

fn builder(front: &Front) -> auto::Builder<CrewExecutor> {
    let limits = &front.limits;
    let mut builder = auto::Builder::new(CrewExecutor(front.streams.clone()));
    // The host judges heads itself and answers in its own words; these are the
    // bounds of what it is ready to look at. A head over that of HTTP/2 gets a bare
    // 431.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(limits.headers_max * 2)
        .max_buf_size((limits.head_bytes_max * 4).max(64 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(1 << 20)
        .max_header_list_size(u32::try_from(limits.head_bytes_max / 2).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Starts the tasks of HTTP/2 streams as part of the crew.
#[derive(Clone)]
struct CrewExecutor(Crew);

impl<F> hyper::rt::Executor<F> for CrewExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, work: F) {
        self.0.hire("stream", |_stop| work);
    }
}

/// A body that keeps its request open until it is over.
struct Guarded {
    body: Respond,
    handing: Option<Handing>,
    /// Told of what goes by, where there is a line for each request.
    access: Option<Box<Access>>,
    _guard: InRequest,
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = crate::fault::Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(handing) = &self.handing {
            handing.wanted();
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let (Some(handing), Poll::Ready(Some(Ok(_)))) = (&self.handing, &frame) {
            handing.handed();
        }
        let this = &mut *self;
        if let (Some(access), Poll::Ready(frame)) = (&mut this.access, &frame) {
            let left = if this.body.is_end_stream() { Left::Nothing } else { Left::More };
            access.passed(frame, left);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
