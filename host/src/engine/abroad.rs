//! Requests of `wasi:http` guests, of 0.2 and 0.3, that leave the host.

use super::state::{Beside, GuestHost, Place};
use crate::abroad::{AbroadError, ForeignBody, Terms};
use crate::call::{CallContext, Deed, End, Hop};
use crate::fault::Fault;
use crate::origin::Origin;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use tokio::time::Instant;
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpHooks};

/// What requests of one store go through.
pub(super) struct Hooks {
    host: Arc<GuestHost>,
    beside: Arc<Beside>,
    alive: Weak<()>,
    calls: usize,
    /// When the newest call must be over.
    deadline: Option<Instant>,
    /// That call, where somebody asked for its trace.
    newest: Option<(Arc<Hop>, CallContext)>,
}

type Sent = (Response<WasiBody>, Transfer);
type Transfer = Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>;

/// A request that may be sent.
struct Prepared {
    origin: Origin,
    request: Request<crate::abroad::OutBody>,
    terms: Terms,
    place: Place,
    newest: Option<(Arc<Hop>, CallContext)>,
}

impl Hooks {
    pub(super) fn new(host: Arc<GuestHost>, beside: Arc<Beside>, alive: &Arc<()>) -> Self {
        Self { host, beside, alive: Arc::downgrade(alive), calls: 0, deadline: None, newest: None }
    }

    /// How many calls the guest has now, and when the newest must be over.
    pub(super) fn note_calls(&mut self, calls: usize, deadline: Option<Instant>) {
        (self.calls, self.deadline) = (calls, deadline);
    }

    /// What is sent from now on counts as sent for this call.
    pub(super) fn note_newest(&mut self, hop: &Arc<Hop>, context: &CallContext) {
        if context.trail.is_some() {
            self.newest = Some((hop.clone(), context.clone()));
        }
    }

    /// `wasi:http` does not tell for which call a request is made, so it has
    /// the time of the newest.
    fn prepare(
        &self,
        request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<Prepared, HttpError> {
        let exit = self.host.exit.as_ref().ok_or(HttpError::HttpRequestDenied)?;
        if request.method() == Method::CONNECT {
            return Err(HttpError::HttpRequestMethodInvalid);
        }
        let invalid = || HttpError::HttpRequestUriInvalid;
        let (origin, target) = Origin::of_uri(request.uri()).map_err(|_| invalid())?;
        let uri = origin.uri(target).map_err(|_| invalid())?;
        let limits = &self.host.limits;
        let Some(place) = self.beside.place(limits.outbound * self.calls.max(1)) else {
            exit.note_limit();
            return Err(HttpError::ConnectionLimitReached);
        };
        let terms = Terms {
            deadline: self.deadline.unwrap_or_else(|| Instant::now() + limits.wall()),
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between: options.between_bytes_timeout,
        };
        let (mut parts, body) = request.into_parts();
        parts.uri = uri;
        let body = GuestBody { body, alive: self.alive.clone() };
        let request = Request::from_parts(parts, body.boxed_unsync());
        Ok(Prepared { origin, request, terms, place, newest: self.newest.clone() })
    }
}

impl WasiHttpHooks for Hooks {
    /// It is written from the origin that was checked.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _read: Transfer,
    ) -> Box<dyn Future<Output = wasmtime_wasi_http::Result<Sent>> + Send> {
        let prepared = self.prepare(request, options.unwrap_or_default());
        Box::new(send(self.host.clone(), prepared))
    }
}

async fn send(
    host: Arc<GuestHost>,
    prepared: Result<Prepared, HttpError>,
) -> wasmtime_wasi_http::Result<Sent> {
    let Prepared { origin, request, terms, place, mut newest } = prepared?;
    let exit = host.exit.as_ref().ok_or(HttpError::HttpRequestDenied)?;
    let open = newest.as_mut().and_then(|(by, context)| {
        let deed = || Deed::fetch(by.clone(), request.method(), origin.clone());
        host.traces.begin(context, Instant::now(), deed)
    });
    let answered = exit.send(&origin, request, terms).await;
    if let Some(open) = open {
        let end = match &answered {
            Ok(response) => End::with_status(response.status().as_u16()),
            Err(error) => End::in_fault(&error.fault(&origin)),
        };
        open.end(Instant::now(), end);
    }
    let response = answered.map_err(as_http_error)?;
    let placed = |body: ForeignBody| PlacedBody { body, place: Some(place) }.boxed_unsync();
    let written: Transfer = Box::new(std::future::ready(Ok(())));
    Ok((response.map(placed), written))
}

/// A body that a guest sends. One whose guest is gone was not finished, though
/// it looks so.
struct GuestBody {
    body: WasiBody,
    alive: Weak<()>,
}

impl Body for GuestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match frame {
            None if self.alive.strong_count() == 0 => Some(Err(Fault::ClientLeft)),
            Some(Err(_)) => Some(Err(Fault::ClientLeft)),
            Some(Ok(frame)) => Some(Ok(frame)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && 0 < self.alive.strong_count()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, which counts as under way until it is over.
struct PlacedBody {
    body: ForeignBody,
    place: Option<Place>,
}

impl Body for PlacedBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.place = None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(as_http_error)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn as_http_error(error: AbroadError) -> HttpError {
    match error {
        AbroadError::NotGranted => HttpError::HttpRequestDenied,
        AbroadError::Prohibited => HttpError::DestinationIpProhibited,
        AbroadError::Unresolved => HttpError::DnsError { rcode: None, info_code: None },
        AbroadError::Unconnected => HttpError::ConnectionRefused,
        AbroadError::Certificate => HttpError::TlsCertificateError,
        AbroadError::Tls => HttpError::TlsProtocolError,
        AbroadError::Broken => HttpError::ConnectionTerminated,
        AbroadError::Garbled => HttpError::HttpProtocolError,
        AbroadError::LargeHead => HttpError::HttpResponseHeaderSectionSize(None),
        AbroadError::BrokenAnswer => HttpError::HttpResponseIncomplete,
        AbroadError::LargeAnswer { bytes_max } => HttpError::HttpResponseBodySize(Some(bytes_max)),
        AbroadError::ConnectTime => HttpError::ConnectionTimeout,
        AbroadError::AnswerTime => HttpError::HttpResponseTimeout,
        AbroadError::BodyTime => HttpError::ConnectionReadTimeout,
    }
}
