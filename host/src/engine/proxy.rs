//! `wasi:http` guests of 0.2 and 0.3, run by the engine's own handler.
//!
//! That handler owns its instances and their tasks. What is added here: the
//! bounds on a call, the reason when one ends badly, and a body that is an
//! error, not an end, when its guest did not finish it.

mod body;
mod expiration;

use super::instance::{fault_of, log_stopped, new_store};
use super::limit::Limit;
use super::loan::Loan;
use super::pulse::{Running, ticks};
use super::slots::{Keeper, Slot};
use super::state::{GuestHost, State};
use super::usage::Usage;
use crate::call::{Answer, AnswerBody, Call, CallContext, Hop};
use crate::fault::Fault;
use crate::manifest::Isolation;
use body::{Held, WholeBody, into_request};
use expiration::{Expiration, Idleness, Serving, Waiting};
use futures::channel::oneshot;
use http_body::Body;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::error;
use wasmtime::component::GuestTaskId;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, InstantiationError, ProxyHandler, ProxyPre, ShouldAccept, WorkerState,
};

/// Runs the calls of one `wasi:http` guest.
#[derive(Clone)]
pub(crate) struct ProxyRunner {
    handler: ProxyHandler<Supply>,
    host: Arc<GuestHost>,
    waiting: Arc<Waiting>,
    /// Dropped with the last runner: instances that wait for a call end.
    _alive: Arc<watch::Sender<()>>,
}

/// What the engine's handler makes instances from.
struct Supply {
    pre: ProxyPre<State>,
    isolation: Isolation,
    host: Arc<GuestHost>,
    waiting: Arc<Waiting>,
    alive: watch::Receiver<()>,
}

/// What an instance is told with a call.
type Order = (Arc<Ticket>, oneshot::Receiver<()>);

/// One call, as its instance and its answer both know it.
struct Ticket {
    context: CallContext,
    hop: Arc<Hop>,
    until: Instant,
    late: Fault,
    /// When an instance took it.
    taken: OnceLock<Instant>,
    failure: OnceLock<Fault>,
}

/// Tells when an instance took a call, however the call ends: whoever waits for
/// its answer may leave at any time.
struct Telling<'t, F: FnMut(Instant)> {
    ticket: &'t Ticket,
    tell: F,
}

impl<F: FnMut(Instant)> Drop for Telling<'_, F> {
    fn drop(&mut self) {
        if let Some(at) = self.ticket.taken.get() {
            (self.tell)(*at);
        }
    }
}

/// The calls of one instance.
struct Worker {
    host: Arc<GuestHost>,
    isolation: Isolation,
    loan: Loan,
    tickets: Mutex<Vec<Weak<Ticket>>>,
    serving: Arc<Mutex<Serving>>,
    idleness: Arc<Idleness>,
    _slot: Slot,
    /// All its life: it may compute when it has no call.
    _running: Running,
}

/// Every place for an instance is taken.
#[derive(Debug, thiserror::Error)]
#[error("no place for another instance")]
struct NoSlot;

impl ProxyRunner {
    pub(super) fn new(pre: ProxyPre<State>, isolation: Isolation, host: Arc<GuestHost>) -> Self {
        let (sender, alive) = watch::channel(());
        let waiting = Waiting::new(host.limits.kept);
        let keeper: Weak<dyn Keeper> = Arc::downgrade(&waiting) as Weak<dyn Keeper>;
        host.slots.enlist(keeper);
        let supply = Supply { pre, isolation, host: host.clone(), waiting: waiting.clone(), alive };
        Self { handler: ProxyHandler::new(supply), host, waiting, _alive: Arc::new(sender) }
    }

    /// Instances that wait for a call.
    pub(crate) fn idle(&self) -> usize {
        self.waiting.count()
    }

    /// What its instances use.
    pub(crate) fn usage(&self) -> &Usage {
        &self.host.usage
    }

    /// Makes a call. `held` lives until the whole answer is over; `taken` is told
    /// when an instance took the call, if one did.
    pub(crate) async fn call(
        &self,
        call: Call,
        hop: Arc<Hop>,
        held: impl Send + Unpin + 'static,
        taken: impl FnMut(Instant),
    ) -> Result<Answer, Fault> {
        let (now, limits) = (Instant::now(), &self.host.limits);
        let all = Limit::of_all(call.context.deadline, now, limits);
        let until_answered = Limit::of_head(all, now, limits);
        let (until, late) = (all.until, all.late(&self.host));
        let mut context = call.context;
        context.deadline = until;
        let (taken_at, failure) = (OnceLock::new(), OnceLock::new());
        let ticket = Arc::new(Ticket { context, hop, until, late, taken: taken_at, failure });
        let telling = Telling { ticket: &ticket, tell: taken };
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
        drop(telling);
        if ticket.failure.get().is_none() {
            self.host.strain.note_easy();
        }
        let (parts, body) = response.into_parts();
        let body = if body.is_end_stream() && ticket.failure.get().is_none() {
            AnswerBody::Empty
        } else {
            let whole = WholeBody::new(body, ticket, self.host.clone());
            AnswerBody::Stream(Box::pin(Held { chunks: whole, _held: held }))
        };
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Where new instances run, when their kind is hard on who serves them.
    fn background(&self) -> Option<Handle> {
        self.host.strain.is_hard().then(|| self.host.background.handle().clone())
    }

    fn fault(&self, ticket: &Ticket, error: &wasmtime::Error) -> Fault {
        if let Some(failure) = ticket.failure.get() {
            return failure.clone();
        }
        let service = &self.host.service;
        let (revision, request_id) = (self.host.log.revision(), &ticket.context.request_id);
        let trace_id = request_id.trace_id();
        let cause = format!("{error:#}");
        if let Some(failed) = error.downcast_ref::<InstantiationError<Order>>() {
            let is_full = failed.error.is::<NoSlot>()
                || failed.error.is::<wasmtime::PoolConcurrencyLimitError>();
            if is_full {
                return Fault::HostOverloaded;
            }
            error!(%service, %revision, %request_id, trace_id, cause, "guest cannot be started");
            return fault_of(&self.host, &failed.error, false);
        }
        if error.downcast_ref::<wasmtime_wasi_http::handler::ExpirationError>().is_some() {
            return ticket.late.clone();
        }
        error!(%service, %revision, %request_id, trace_id, cause, "guest gave no answer");
        fault_of(&self.host, error, false)
    }
}

impl HandlerState for Supply {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Worker>> {
        let slot = self.host.slots.take().await.ok_or(NoSlot)?;
        let engine = match &self.pre {
            ProxyPre::P2(pre) => pre.engine(),
            ProxyPre::P3(pre) => pre.engine(),
        };
        let running = self.host.pulse.run();
        let mut store = new_store(engine, &self.host);
        let beside = store.data().beside.clone();
        let proxy = self.pre.instantiate_async(&mut store).await?;
        let (loan, idleness) = (Loan::draw(), Idleness::new(self.waiting.clone()));
        let expiration = Expiration::new(beside, idleness.clone(), loan, self.alive.clone());
        let serving = expiration.serving.clone();
        Ok(Instance {
            store,
            proxy,
            view: State::http,
            expiration,
            state: Worker {
                host: self.host.clone(),
                isolation: self.isolation,
                loan,
                tickets: Mutex::default(),
                serving,
                idleness,
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
            (Isolation::Kept, _, calls) if self.loan.calls_left() <= calls as u64 => {
                ShouldAccept::Never
            }
            (Isolation::Kept, 0, _) if !self.idleness.is_due() => ShouldAccept::Yes,
            (Isolation::Kept, ..) => ShouldAccept::No,
        }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, State>,
        (ticket, answered): Order,
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        let _ = ticket.taken.set(Instant::now());
        store.set_epoch_deadline(1);
        let state = store.data_mut();
        state.end_all();
        state.beside.met.go_on(ticks());
        state.begin(ticket.hop.clone(), ticket.context.clone());
        state.hooks.note_newest(&ticket.hop, &ticket.context);
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|ticket| 0 < ticket.strong_count());
        tickets.push(Arc::downgrade(&ticket));
        let serving = Serving::of(ticket.until, answered);
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = serving;
        self.idleness.begin_call();
        // The caller keeps the time, and the instance sees it leave.
        Box::pin(std::future::pending())
    }

    fn drop(&self, store: Store<State>, result: Result<(), wasmtime::Error>) {
        let Err(error) = result else { return };
        let fault = fault_of(&self.host, &error, store.data().bounds.memory_refused);
        let tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let open: Vec<Arc<Ticket>> = tickets.iter().filter_map(Weak::upgrade).collect();
        let id = open.first().map(|ticket| &ticket.context.request_id);
        log_stopped(&self.host, id, &fault, &error);
        // Before the store goes, and with it the guest's ends of its bodies.
        for ticket in open {
            let _ = ticket.failure.set(fault.clone());
        }
    }
}
