//! One instance of a `picolet:service` component, and calls into it.

use super::bindings::{Picoservice, PicoservicePre, declared, types};
use super::drive::{Beside, Drive};
use super::slots::Slot;
use super::state::{CpuSpent, GuestHost, State};
use super::stream;
use crate::block;
use crate::call::{Answer, AnswerBody, Call, CallBody, Hop};
use crate::crew::Crew;
use crate::fault::Fault;
use bytes::Bytes;
use futures::channel::oneshot;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, ready};
use http::StatusCode;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;
use tracing::error;
use wasmtime::Store;
use wasmtime::component::Accessor;

/// A component that can be instantiated.
#[derive(Clone)]
pub(crate) struct Blueprint {
    pre: PicoservicePre<State>,
    host: Arc<GuestHost>,
}

/// An instance, lent to one call at a time.
pub(crate) struct Instance {
    store: Store<State>,
    exports: Arc<Picoservice>,
    _slot: Slot,
}

/// Why there is no instance.
pub(crate) enum Shortage {
    /// Every place for an instance is taken.
    NoSlot,
    /// The guest could not be started.
    Guest(wasmtime::Error),
}

impl Shortage {
    fn of(error: wasmtime::Error) -> Self {
        // A component of many parts may find the engine's pools empty before
        // the places for instances are taken.
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            Self::NoSlot
        } else {
            Self::Guest(error)
        }
    }
}

/// Gets the instance back after a call that ended cleanly.
pub(crate) type GiveBack = Box<dyn FnOnce(Instance) + Send>;

impl Blueprint {
    pub(super) fn new(pre: PicoservicePre<State>, host: Arc<GuestHost>) -> Self {
        Self { pre, host }
    }

    /// Makes an instance. Its start code runs under the same bounds as a call.
    pub(crate) async fn instantiate(&self) -> Result<Instance, Shortage> {
        let slot = self.host.slots.take().ok_or(Shortage::NoSlot)?;
        let mut store = new_store(self.pre.engine(), &self.host);
        let exports = self.pre.instantiate_async(&mut store).await.map_err(Shortage::of)?;
        Ok(Instance { store, exports: Arc::new(exports), _slot: slot })
    }

    /// The fault for an instance that could not be made or stopped.
    pub(super) fn fault(&self, error: &wasmtime::Error, memory_refused: bool) -> Fault {
        fault_of(&self.host, error, memory_refused)
    }
}

impl Blueprint {
    /// The fault when there is no instance for a call.
    pub(crate) fn shortage(&self, shortage: &Shortage) -> Fault {
        match shortage {
            Shortage::NoSlot => Fault::HostOverloaded,
            Shortage::Guest(error) => {
                let cause = format!("{error:?}");
                error!(service = %self.host.service, cause, "guest cannot be started");
                self.fault(error, false)
            }
        }
    }
}

/// A store under the bounds of its service.
pub(super) fn new_store(engine: &wasmtime::Engine, host: &Arc<GuestHost>) -> Store<State> {
    let mut store = Store::new(engine, State::new(host.clone()));
    store.limiter(|state| &mut state.bounds);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(State::on_tick);
    store.set_hostcall_fuel(HOSTCALL_BYTES_MAX);
    store
}

/// Bytes that a guest may hand to the host in one host call.
const HOSTCALL_BYTES_MAX: usize = 16 << 20;

/// What an error of the engine means to the caller.
pub(super) fn fault_of(host: &GuestHost, error: &wasmtime::Error, memory_refused: bool) -> Fault {
    let service = host.service.clone();
    let limits = &host.limits;
    if error.downcast_ref::<CpuSpent>().is_some() {
        return Fault::CpuLimit { service, cpu_ms: limits.cpu_ms };
    }
    if memory_refused {
        return Fault::MemoryLimit { service, memory_mib: limits.memory_mib };
    }
    Fault::Trapped { service }
}

impl Instance {
    /// Asks what the module declares.
    pub(super) async fn describe(&mut self) -> wasmtime::Result<declared::Declaration> {
        self.exports.clone().picolet_service_service().call_describe(&mut self.store).await
    }

    /// Whether the guest was refused memory.
    pub(super) fn memory_refused(&self) -> bool {
        self.store.data().bounds.memory_refused
    }

    /// Begins a call; [`Calling::answer`] waits for the head of its answer.
    pub(crate) fn call(mut self, mut call: Call, hop: Hop, give_back: GiveBack) -> Calling {
        let host = self.store.data().host.clone();
        let errands = self.store.data().errands.clone();
        let wall = Instant::now() + host.limits.wall();
        let (until, late) = if call.context.deadline < wall {
            (call.context.deadline, Fault::Deadline { doing: "the service was answering" })
        } else {
            let service = host.service.clone();
            (wall, Fault::WallLimit { service, wall_ms: host.limits.wall_ms })
        };
        call.context.deadline = until;
        let (head, answer) = oneshot::channel();
        let bytes_max = host.limits.response_body_bytes;
        let meter = self.store.data().meter.clone();
        let service = host.service.clone();
        let run = async move {
            let request_id = call.context.request_id.clone();
            match self.run(call, hop, head).await {
                Ok(()) => {
                    give_back(self);
                    Ok(())
                }
                Err(error) => {
                    let fault = fault_of(&host, &error, self.memory_refused());
                    let cause = format!("{error:?}");
                    let reply = fault.reply();
                    error!(service = %host.service, %request_id, fault = %reply.name, cause, "guest stopped");
                    Err(fault)
                }
            }
        };
        let drive = Drive::new(run.boxed(), Beside { errands, meter }, until, late);
        Calling { drive, answer, service, bytes_max }
    }

    async fn run(
        &mut self,
        call: Call,
        hop: Hop,
        head: oneshot::Sender<Result<Head, Fault>>,
    ) -> wasmtime::Result<()> {
        self.store.set_epoch_deadline(1);
        let id = self.store.data_mut().begin(hop, call.context);
        let exports = self.exports.clone();
        let block = block::encode_request(&call.head);
        let (method, body) = (call.method, call.body);
        let outcome = self
            .store
            .run_concurrent(async move |accessor: &Accessor<State>| {
                let body = accessor.with(|mut access| match body {
                    CallBody::Empty => Ok(types::Body::Empty),
                    CallBody::Bytes(bytes) => Ok(types::Body::Bytes(bytes.to_vec())),
                    CallBody::Stream(chunks) => {
                        let store = wasmtime::AsContextMut::as_context_mut(&mut access);
                        stream::lower(store, chunks).map(types::Body::Streamed)
                    }
                })?;
                let request = types::Request { call: id, head: block, body };
                let service = exports.picolet_service_service();
                let response = service.call_handle(accessor, method, request).await?;
                let response = response.map_err(stream::parse);
                let mut lifted = match response {
                    Err(fault) => Err(fault),
                    Ok(response) => accessor.with(|mut access| {
                        let store = wasmtime::AsContextMut::as_context_mut(&mut access);
                        Head::lift(store, response)
                    })?,
                };
                let drained = lifted.as_mut().ok().and_then(Head::drained);
                // Whoever asked may have left; the guest still ends in order.
                let _ = head.send(lifted);
                if let Some(drained) = drained {
                    let _ = drained.await;
                }
                poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                wasmtime::error::Ok(())
            })
            .await;
        self.store.data_mut().end(id);
        outcome?
    }
}

/// A lifted response: its body may still be coming.
struct Head {
    status: StatusCode,
    headers: http::HeaderMap,
    body: HeadBody,
}

enum HeadBody {
    Empty,
    Bytes(Bytes),
    Streamed(stream::Lifted),
}

impl Head {
    fn drained(&mut self) -> Option<oneshot::Receiver<stream::Never>> {
        match &mut self.body {
            HeadBody::Streamed(lifted) => lifted.drained.take(),
            _ => None,
        }
    }

    fn lift(
        store: wasmtime::StoreContextMut<'_, State>,
        response: types::Response,
    ) -> wasmtime::Result<Result<Self, Fault>> {
        let bytes_max = store.data().host.limits.response_body_bytes;
        let bad = |reason: String| Fault::BadAnswer {
            service: store.data().host.service.clone(),
            reason,
        };
        let status = match StatusCode::from_u16(response.status) {
            Ok(status) if 200 <= status.as_u16() && status.as_u16() < 600 => status,
            _ => return Ok(Err(bad(format!("status {}", response.status)))),
        };
        let headers = match block::decode_headers(&response.head) {
            Ok(headers) => headers,
            Err(error) => return Ok(Err(bad(error.to_string()))),
        };
        let body = match response.body {
            types::Body::Empty => HeadBody::Empty,
            types::Body::Bytes(bytes) if bytes_max < bytes.len() as u64 => {
                return Ok(Err(Fault::AnswerTooLarge { bytes_max }));
            }
            types::Body::Bytes(bytes) => HeadBody::Bytes(bytes.into()),
            types::Body::Streamed(body) => HeadBody::Streamed(stream::lift(store, body)?),
        };
        Ok(Ok(Self { status, headers, body }))
    }
}

/// A call under way whose answer has not begun.
pub(crate) struct Calling {
    drive: Drive,
    answer: oneshot::Receiver<Result<Head, Fault>>,
    service: String,
    bytes_max: u64,
}

impl Calling {
    /// Waits for the head of the answer. `held` lives until the whole answer
    /// is over; what the guest still does after a whole answer, `crew` sees to.
    pub(crate) async fn answer(
        mut self,
        held: impl Send + Unpin + 'static,
        crew: &Crew,
    ) -> Result<Answer, Fault> {
        let outcome = poll_fn(|cx| {
            let driven =
                if self.drive.has_ended() { Poll::Pending } else { self.drive.poll_unpin(cx) };
            match (self.answer.poll_unpin(cx), driven) {
                (Poll::Ready(Ok(head)), _) => Poll::Ready(head),
                (_, Poll::Ready(Err(fault))) => Poll::Ready(Err(fault)),
                (Poll::Ready(Err(_)), _) => {
                    Poll::Ready(Err(Fault::Trapped { service: self.service.clone() }))
                }
                (Poll::Pending, _) => Poll::Pending,
            }
        })
        .await;
        let head = match outcome {
            Ok(head) => head,
            Err(fault) => {
                self.finish(held, crew);
                return Err(fault);
            }
        };
        let Head { status, headers, body } = head;
        let body = match body {
            HeadBody::Streamed(lifted) => {
                let broken = Fault::Trapped { service: self.service };
                let chunks = stream::whole(lifted, broken);
                let bytes_max = self.bytes_max;
                AnswerBody::Stream(Box::pin(Driven {
                    drive: (!self.drive.has_ended()).then_some(self.drive),
                    bytes_left: bytes_max,
                    bytes_max,
                    chunks,
                    failure: None,
                    held: Some(held),
                    crew: crew.clone(),
                }))
            }
            whole => {
                self.finish(held, crew);
                match whole {
                    HeadBody::Bytes(bytes) => AnswerBody::Bytes(bytes),
                    _ => AnswerBody::Empty,
                }
            }
        };
        Ok(Answer { status, headers, body })
    }

    fn finish(self, held: impl Send + 'static, crew: &Crew) {
        see_off(self.drive, held, crew);
    }
}

/// Lets a guest whose answer is complete finish what it still does.
fn see_off(drive: Drive, held: impl Send + 'static, crew: &Crew) {
    if drive.has_ended() {
        return;
    }
    crew.hire("after answer", |mut stop| async move {
        let _held = held;
        tokio::select! {
            _ended = drive => (),
            () = stop.stopped() => (),
        }
    });
}

/// Chunks of an answer, with the call that makes them.
struct Driven<H> {
    drive: Option<Drive>,
    chunks: BoxStream<'static, Result<Bytes, Fault>>,
    failure: Option<Fault>,
    bytes_left: u64,
    bytes_max: u64,
    held: Option<H>,
    crew: Crew,
}

impl<H: Send + Unpin + 'static> Stream for Driven<H> {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let driven = self.drive.as_mut().map(|drive| drive.poll_unpin(cx));
        if let Some(Poll::Ready(outcome)) = driven {
            // Dropping the call closes the guest's ends of its streams.
            self.drive = None;
            self.failure = outcome.err();
        }
        match ready!(Pin::new(&mut self.chunks).poll_next(cx)) {
            Some(Ok(chunk)) => {
                let Some(left) = self.bytes_left.checked_sub(chunk.len() as u64) else {
                    self.drive = None;
                    let bytes_max = self.bytes_max;
                    return Poll::Ready(Some(Err(Fault::AnswerTooLarge { bytes_max })));
                };
                self.bytes_left = left;
                Poll::Ready(Some(Ok(chunk)))
            }
            Some(Err(fault)) => {
                self.drive = None;
                Poll::Ready(Some(Err(self.failure.take().unwrap_or(fault))))
            }
            None => {
                if let (Some(drive), Some(held)) = (self.drive.take(), self.held.take()) {
                    see_off(drive, held, &self.crew);
                }
                Poll::Ready(None)
            }
        }
    }
}
