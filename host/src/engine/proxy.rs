//! `wasi:http` guests of 0.2 and 0.3, run by the engine's own handler.
//!
//! That handler owns its instances and their tasks. What is added here: the
//! bounds on a call, the reason when one ends badly, and a body that is an
//! error, not an end, when its guest did not finish it.

use super::instance::{fault_of, new_store};
use super::limit::Limit;
use super::pulse::Running;
use super::slots::Slot;
use super::state::{Beside, GuestHost, State};
use crate::call::{Answer, AnswerBody, Call, CallBody, CallContext, CallHead, Hop};
use crate::fault::Fault;
use crate::manifest::Isolation;
use bytes::Bytes;
use futures::channel::oneshot;
use futures::{Stream, StreamExt, ready};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::error;
use wasmtime::component::GuestTaskId;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, InstantiationError, ProxyHandler, ProxyPre, ShouldAccept,
    WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{Error as HttpError, WasiBody, WasiHttpView};

/// Time an instance may wait for its next call.
const IDLE: Duration = Duration::from_secs(60);
/// What the second line of defence waits beyond the bound of a call.
const GRACE: Duration = Duration::from_millis(100);

/// Runs the calls of one `wasi:http` guest.
#[derive(Clone)]
pub(crate) struct ProxyRunner {
    handler: ProxyHandler<Supply>,
    host: Arc<GuestHost>,
    /// Dropped with the last runner: instances that wait for a call end.
    _alive: Arc<watch::Sender<()>>,
}

/// What the engine's handler makes instances from.
struct Supply {
    pre: ProxyPre<State>,
    isolation: Isolation,
    host: Arc<GuestHost>,
    alive: watch::Receiver<()>,
}

/// What an instance is told with a call.
type Order = (Arc<Ticket>, oneshot::Receiver<()>);

/// The call that an instance is serving.
struct Serving {
    until: Instant,
    /// Sent when the answer has begun; dropped when nobody waits for it.
    answered: Option<oneshot::Receiver<()>>,
}

/// One call, as its instance and its answer both know it.
struct Ticket {
    context: CallContext,
    hop: Arc<Hop>,
    until: Instant,
    late: Fault,
    failure: OnceLock<Fault>,
}

/// The calls of one instance.
struct Worker {
    host: Arc<GuestHost>,
    isolation: Isolation,
    tickets: Mutex<Vec<Weak<Ticket>>>,
    serving: Arc<Mutex<Option<Serving>>>,
    _slot: Slot,
    /// All its life: it may compute when it has no call.
    _running: Running,
}

/// Every place for an instance is taken.
#[derive(Debug, thiserror::Error)]
#[error("no place for another instance")]
struct NoSlot;

/// Ends an instance that overstays.
struct Expiration {
    serving: Arc<Mutex<Option<Serving>>>,
    retired: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    alarm: Pin<Box<Sleep>>,
    beside: Arc<Beside>,
}

impl ProxyRunner {
    pub(super) fn new(pre: ProxyPre<State>, isolation: Isolation, host: Arc<GuestHost>) -> Self {
        let (sender, alive) = watch::channel(());
        let supply = Supply { pre, isolation, host: host.clone(), alive };
        Self { handler: ProxyHandler::new(supply), host, _alive: Arc::new(sender) }
    }

    /// Makes a call. `held` lives until the whole answer is over.
    pub(crate) async fn call(
        &self,
        call: Call,
        hop: Arc<Hop>,
        held: impl Send + Unpin + 'static,
    ) -> Result<Answer, Fault> {
        let (now, limits) = (Instant::now(), &self.host.limits);
        let all = Limit::of_all(call.context.deadline, now, limits);
        let until_answered = Limit::of_head(all, now, limits);
        let (until, late) = (all.until, all.late(&self.host));
        let mut context = call.context;
        context.deadline = until;
        let ticket = Arc::new(Ticket { context, hop, until, late, failure: OnceLock::new() });
        let request = into_request(call.head, call.body)?;
        // Dropped unsent when the caller leaves or the time is over.
        let (answered, unanswered) = oneshot::channel();
        let background = self.background();
        let mut handled = pin!(self.handler.handle((ticket.clone(), unanswered), request));
        let handled = poll_fn(|cx| {
            // Tasks of instances start wherever this seems to be polled.
            let _there = background.as_ref().map(Handle::enter);
            handled.as_mut().poll(cx)
        });
        let response = match tokio::time::timeout_at(until_answered.until, handled).await {
            Ok(Ok(response)) => {
                let _ = answered.send(());
                response
            }
            Ok(Err(error)) => return Err(self.fault(&ticket, &error)),
            Err(_elapsed) => return Err(until_answered.late(&self.host)),
        };
        let (parts, body) = response.into_parts();
        let body = if body.is_end_stream() && ticket.failure.get().is_none() {
            AnswerBody::Empty
        } else {
            let alarm = Box::pin(sleep_until(until));
            let whole = WholeBody { body, ticket, host: self.host.clone(), alarm, taken: 0 };
            AnswerBody::Stream(Box::pin(Held { chunks: whole, _held: held }))
        };
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Where new instances run, when their kind has been found computing.
    fn background(&self) -> Option<Handle> {
        let computes = self.host.computes.load(Ordering::Relaxed);
        computes.then(|| self.host.background.handle().clone())
    }

    fn fault(&self, ticket: &Ticket, error: &wasmtime::Error) -> Fault {
        if let Some(failure) = ticket.failure.get() {
            return failure.clone();
        }
        let service = &self.host.service;
        let request_id = &ticket.context.request_id;
        let cause = format!("{error:#}");
        if let Some(failed) = error.downcast_ref::<InstantiationError<Order>>() {
            let is_full = failed.error.is::<NoSlot>()
                || failed.error.is::<wasmtime::PoolConcurrencyLimitError>();
            if is_full {
                return Fault::HostOverloaded;
            }
            error!(%service, %request_id, cause, "guest cannot be started");
            return fault_of(&self.host, &failed.error, false);
        }
        if error.downcast_ref::<wasmtime_wasi_http::handler::ExpirationError>().is_some() {
            return ticket.late.clone();
        }
        error!(%service, %request_id, cause, "guest gave no answer");
        fault_of(&self.host, error, false)
    }
}

fn into_request(head: CallHead, body: CallBody) -> Result<http::Request<WasiBody>, Fault> {
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

impl HandlerState for Supply {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Worker>> {
        let slot = self.host.slots.take().ok_or(NoSlot)?;
        let engine = match &self.pre {
            ProxyPre::P2(pre) => pre.engine(),
            ProxyPre::P3(pre) => pre.engine(),
        };
        let running = self.host.pulse.run();
        let mut store = new_store(engine, &self.host);
        let beside = store.data().beside.clone();
        let proxy = self.pre.instantiate_async(&mut store).await?;
        let alarm = Box::pin(sleep_until(Instant::now() + IDLE));
        let serving = Arc::new(Mutex::new(None));
        let mut alive = self.alive.clone();
        let retired = Box::pin(async move { while alive.changed().await.is_ok() {} });
        Ok(Instance {
            store,
            proxy,
            view: State::http,
            expiration: Expiration { serving: serving.clone(), retired, alarm, beside },
            state: Worker {
                host: self.host.clone(),
                isolation: self.isolation,
                tickets: Mutex::default(),
                serving,
                _slot: slot,
                _running: running,
            },
        })
    }
}

impl WorkerState for Worker {
    type StoreData = State;
    type RequestData = Order;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        match (self.isolation, concurrent, total) {
            (_, 0, 0) => ShouldAccept::Yes,
            (Isolation::Call, ..) => ShouldAccept::Never,
            (Isolation::Kept, 0, _) => ShouldAccept::Yes,
            (Isolation::Kept, ..) => ShouldAccept::No,
        }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, State>,
        (ticket, answered): Order,
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        store.set_epoch_deadline(1);
        let state = store.data_mut();
        state.end_all();
        state.begin(ticket.hop.clone(), ticket.context.clone());
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|ticket| 0 < ticket.strong_count());
        tickets.push(Arc::downgrade(&ticket));
        let serving = Serving { until: ticket.until, answered: Some(answered) };
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = Some(serving);
        Box::pin(sleep_until(ticket.until))
    }

    fn drop(&self, store: Store<State>, result: Result<(), wasmtime::Error>) {
        let Err(error) = result else { return };
        let fault = fault_of(&self.host, &error, store.data().bounds.memory_refused);
        let tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let open: Vec<Arc<Ticket>> = tickets.iter().filter_map(Weak::upgrade).collect();
        let request_id = open.first().map(|ticket| ticket.context.request_id.to_string());
        let cause = format!("{error:?}");
        let reply = fault.reply();
        error!(service = %self.host.service, request_id, fault = %reply.name, cause, "guest stopped");
        // Before the store goes, and with it the guest's ends of its bodies.
        for ticket in open {
            let _ = ticket.failure.set(fault.clone());
        }
    }
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        start: std::time::Instant,
    ) -> Poll<()> {
        // Asked whenever the instance has come to rest.
        self.beside.meter.paused(Instant::now);
        if status == WorkerStatus::Idle && self.retired.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let idle_until = Instant::from_std(start + IDLE);
        let at = match self.look_at_call(cx, status) {
            Poll::Ready(()) => return Poll::Ready(()),
            Poll::Pending if status == WorkerStatus::Idle => idle_until,
            Poll::Pending => self.call_until().unwrap_or(idle_until),
        };
        if self.alarm.deadline() != at {
            self.alarm.as_mut().reset(at);
        }
        self.alarm.as_mut().poll(cx)
    }
}

impl Expiration {
    /// Ready when nobody waits for the answer any more.
    fn look_at_call(&self, cx: &mut Context<'_>, status: WorkerStatus) -> Poll<()> {
        let mut serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(serving) = serving.as_mut().filter(|_| status == WorkerStatus::Requests) else {
            return Poll::Pending;
        };
        let Some(answered) = serving.answered.as_mut() else { return Poll::Pending };
        match ready!(Pin::new(answered).poll(cx)) {
            Ok(()) => {
                serving.answered = None;
                Poll::Pending
            }
            Err(_nobody_waits) => Poll::Ready(()),
        }
    }

    fn call_until(&self) -> Option<Instant> {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        serving.as_ref().map(|serving| serving.until + GRACE)
    }
}

/// An answer's body that ends only when its guest ended it.
struct WholeBody {
    body: WasiBody,
    ticket: Arc<Ticket>,
    host: Arc<GuestHost>,
    alarm: Pin<Box<Sleep>>,
    taken: u64,
}

impl Stream for WholeBody {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.alarm.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(self.ticket.late.clone())));
        }
        loop {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
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
    fn broken(&self) -> Fault {
        let trapped = || Fault::Trapped { service: self.host.service.clone() };
        self.ticket.failure.get().cloned().unwrap_or_else(trapped)
    }
}

/// Chunks, and what is held until they are over.
struct Held<S, H> {
    chunks: S,
    _held: H,
}

impl<S: Stream + Unpin, H: Unpin> Stream for Held<S, H> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        Pin::new(&mut self.chunks).poll_next(cx)
    }
}
