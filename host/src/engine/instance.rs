//! One instance of a `picolet:service` component, and calls into it.
//!
//! A call has two stages. Until the guest has answered, everything happens in
//! the future of whoever asked, and most calls are over with that. What a guest
//! still does afterwards, for the body or on its own, is a second stage that
//! can be carried elsewhere.

use super::drive::{Driver, Late};
use super::enter::{Entry, Head};
use super::exports::{ExportIndices, Exports};
use super::limit::Limit;
use super::pulse::Running;
use super::slots::Slot;
use super::state::{Beside, CpuSpent, GuestHost, State};
use super::stream;
use super::usage::Usage;
use crate::background::Background;
use crate::call::{Call, CallContext, Hop, RequestId};
use crate::fault::Fault;
use futures::channel::oneshot;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::time::{Instant, timeout_at};
use tracing::error;
use wasmtime::component::{Accessor, Instance as ComponentInstance, InstancePre};
use wasmtime::{AsContextMut, Store};

/// A component that can be instantiated.
#[derive(Clone)]
pub(crate) struct Blueprint {
    pre: InstancePre<State>,
    exports: ExportIndices,
    host: Arc<GuestHost>,
}

/// An instance, lent to one call at a time or [shared](super::SharedInstance).
pub(crate) struct Instance {
    pub(super) store: Store<State>,
    pub(super) exports: Exports,
    pub(super) made: ComponentInstance,
    pub(super) beside: Arc<Beside>,
    _slot: Slot,
}

/// Why there is no instance.
pub(crate) enum Shortage {
    /// Every place for an instance is taken.
    NoSlot,
    /// The guest could not be started.
    Guest { error: wasmtime::Error, memory_refused: bool },
}

impl Shortage {
    fn of(error: wasmtime::Error, state: &State) -> Self {
        // A component of many parts may find the engine's pools empty before
        // the places for instances are taken.
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            Self::NoSlot
        } else {
            Self::Guest { error, memory_refused: state.bounds.memory_refused }
        }
    }
}

impl Blueprint {
    pub(super) fn new(pre: InstancePre<State>, host: Arc<GuestHost>) -> wasmtime::Result<Self> {
        let exports = ExportIndices::find(&pre)?;
        Ok(Self { pre, exports, host })
    }

    /// What the component exports.
    pub(super) fn exports(&self) -> &ExportIndices {
        &self.exports
    }

    /// Where calls go on that compute.
    pub(crate) fn background(&self) -> &Background {
        &self.host.background
    }

    /// What its instances use.
    pub(crate) fn usage(&self) -> &Usage {
        &self.host.usage
    }

    /// Whether the next call is expected to compute for long or to be stopped.
    pub(crate) fn is_hard(&self) -> bool {
        self.host.strain.is_hard()
    }

    /// Makes an instance. Its start code runs under the same bounds as a call.
    pub(crate) async fn instantiate(&self) -> Result<Instance, Shortage> {
        self.instantiate_in(self.host.slots.take().await.ok_or(Shortage::NoSlot)?).await
    }

    /// Makes an instance that nobody waits for, if there is a place that nobody
    /// has to give up for it.
    pub(crate) async fn instantiate_ahead(&self) -> Result<Instance, Shortage> {
        self.instantiate_in(self.host.slots.take_free().ok_or(Shortage::NoSlot)?).await
    }

    async fn instantiate_in(&self, slot: Slot) -> Result<Instance, Shortage> {
        let _running = self.host.pulse.run();
        let mut store = new_store(self.pre.engine(), &self.host);
        let made = self.pre.instantiate_async(&mut store).await;
        let loaded = made.and_then(|made| {
            let exports = self.exports.load(store.as_context_mut(), &made)?;
            Ok((made, exports))
        });
        let (made, exports) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return Err(Shortage::of(error, store.data())),
        };
        let beside = store.data().beside.clone();
        Ok(Instance { store, exports, made, beside, _slot: slot })
    }

    /// Makes an instance for a call that begins now, within its bounds.
    pub(crate) async fn instantiate_for(
        &self,
        context: &CallContext,
        now: Instant,
    ) -> Result<Instance, Fault> {
        let limits = &self.host.limits;
        let limit = Limit::of_head(Limit::of_all(context.deadline, now, limits), now, limits);
        match timeout_at(limit.until, self.instantiate()).await {
            Ok(made) => made.map_err(|shortage| self.shortage(&shortage)),
            Err(_elapsed) => Err(limit.late(&self.host)),
        }
    }

    /// The fault for an instance that could not be made or stopped.
    pub(super) fn fault(&self, error: &wasmtime::Error, memory_refused: bool) -> Fault {
        fault_of(&self.host, error, memory_refused)
    }
}

/// Notes in full why the engine stopped a guest, in which call of it.
pub(super) fn log_stopped(
    host: &GuestHost,
    id: Option<&RequestId>,
    fault: &Fault,
    error: &wasmtime::Error,
) {
    let (service, revision) = (&host.service, host.log.revision());
    let (request_id, trace_id) = (id.map(RequestId::to_string), id.map(RequestId::trace_id));
    let (cause, fault) = (causes(error), fault.reply().name);
    error!(%service, %revision, request_id, trace_id, %fault, cause, "guest stopped");
}

/// An error with all its causes. Its `Debug` would add a backtrace of the host
/// where the environment asks for backtraces: slow, long, and of no guest.
pub(super) fn causes(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join("\n\nCaused by:\n    ")
}

impl Blueprint {
    /// The fault when there is no instance for a call.
    fn shortage(&self, shortage: &Shortage) -> Fault {
        match shortage {
            Shortage::NoSlot => Fault::HostOverloaded,
            Shortage::Guest { error, memory_refused } => {
                let cause = causes(error);
                let (service, revision) = (&self.host.service, self.host.log.revision());
                error!(%service, %revision, cause, "guest cannot be started");
                self.fault(error, *memory_refused)
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
    store.set_max_component_handles(HANDLES_MAX);
    store
}

/// Bytes that a guest may hand to the host in one host call.
const HOSTCALL_BYTES_MAX: usize = 16 << 20;
/// Handles of any kind, streams among them, that an instance may have at once.
const HANDLES_MAX: usize = 10_000;

/// What an error of the engine means to the caller. To stop a guest and to say
/// why takes as long as many calls.
pub(super) fn fault_of(host: &GuestHost, error: &wasmtime::Error, memory_refused: bool) -> Fault {
    let service = host.service.clone();
    let limits = &host.limits;
    host.strain.note_hard();
    if error.downcast_ref::<CpuSpent>().is_some() {
        return Fault::CpuLimit { service, cpu_ms: limits.cpu_ms };
    }
    if memory_refused {
        return Fault::MemoryLimit { service, memory_mib: limits.memory_mib };
    }
    Fault::Trapped { service }
}

impl Instance {
    /// How long the call takes that it is lent to.
    pub(crate) fn effort(&self) -> Effort {
        Effort(self.beside.clone())
    }

    /// Bytes of all its memories.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().bounds.memory_bytes()
    }

    /// Whether the guest was refused memory.
    pub(super) fn memory_refused(&self) -> bool {
        self.store.data().bounds.memory_refused
    }

    /// Makes a call that begins now, and waits until the guest has answered.
    pub(crate) async fn call(
        mut self,
        mut call: Box<Call>,
        hop: Arc<Hop>,
        now: Instant,
    ) -> Answered {
        let running = self.store.data().host.pulse.run();
        let mut context = call.context.clone();
        let limits = &self.store.data().host.limits;
        let whole = Limit::of_all(context.deadline, now, limits);
        let until_answered = Limit::of_head(whole, now, limits);
        context.deadline = whole.until;
        let id = self.store.data_mut().begin(hop, context);
        let mut driver = Driver::new(self.beside.clone(), until_answered.until);
        let entered = driver.run(pin!(self.enter(Entry::new(id, &mut call)))).await;
        match entered {
            Ok(Ok(Entered { head, drained: None, is_done: true })) => {
                self.ended(id);
                Answered { head, left: Left::Done(self) }
            }
            Ok(Ok(Entered { head, drained, .. })) => {
                driver.extend(whole.until);
                let instance = self;
                let working = Working { instance, driver, id, drained, limit: whole, running };
                Answered { head, left: Left::Working(Box::new(working)) }
            }
            Ok(Err(error)) => Answered::stopped(self.stopped(id, &error), self),
            Err(Late) => Answered::stopped(self.late(until_answered), self),
        }
    }

    /// Enters the guest and leaves when it has answered.
    async fn enter(&mut self, entry: Entry) -> wasmtime::Result<Entered> {
        self.store.set_epoch_deadline(1);
        let exports = &self.exports;
        let enter = async move |accessor: &Accessor<State>| {
            let mut head = entry.enter(accessor, exports).await?;
            let drained = head.as_mut().ok().and_then(Head::drained);
            let is_done =
                poll_fn(|cx| Poll::Ready(accessor.poll_no_interesting_tasks(cx).is_ready()));
            wasmtime::error::Ok(Entered { head, drained, is_done: is_done.await })
        };
        self.store.run_concurrent(enter).await?
    }

    /// A call ended cleanly.
    fn ended(&mut self, id: u64) {
        if !self.beside.meter.is_long() {
            self.store.data().host.strain.note_easy();
        }
        self.store.data_mut().end(id);
    }

    /// Why the engine stopped the guest, which the log says in full.
    fn stopped(&self, call: u64, error: &wasmtime::Error) -> Fault {
        let state = self.store.data();
        let fault = fault_of(&state.host, error, self.memory_refused());
        let id = state.call(call).map(|call| &call.context.request_id);
        log_stopped(&state.host, id, &fault, error);
        fault
    }

    fn late(&self, limit: Limit) -> Fault {
        limit.late(&self.store.data().host)
    }
}

/// What the guest has done by the time it answers.
struct Entered {
    head: Result<Head, Fault>,
    drained: Option<oneshot::Receiver<stream::Never>>,
    is_done: bool,
}

/// What a call came to.
pub(crate) struct Answered {
    pub(crate) head: Result<Head, Fault>,
    pub(crate) left: Left,
}

/// What is left of an instance when its guest has answered.
pub(crate) enum Left {
    /// The guest is done, and the instance can serve again.
    Done(Instance),
    /// The guest still works, on the body or on something of its own.
    Working(Box<Working>),
    /// The guest was stopped; nothing can be done but to drop it.
    Stopped(Instance),
}

impl Answered {
    fn stopped(fault: Fault, instance: Instance) -> Self {
        Self { head: Err(fault), left: Left::Stopped(instance) }
    }
}

/// A guest that works on after it has answered. Dropping it cancels the call.
pub(crate) struct Working {
    instance: Instance,
    driver: Driver,
    id: u64,
    drained: Option<oneshot::Receiver<stream::Never>>,
    limit: Limit,
    running: Running,
}

/// Tells whether a call computes for long.
pub(crate) struct Effort(Arc<Beside>);

impl Effort {
    /// From its second tick on it does.
    pub(crate) fn is_long(&self) -> bool {
        self.0.meter.is_long()
    }
}

impl Working {
    /// How long it takes.
    pub(crate) fn effort(&self) -> Effort {
        self.instance.effort()
    }

    /// Lets the guest work until it is done. Gives the instance, which can
    /// serve again.
    pub(crate) async fn finish(self) -> Result<Instance, Fault> {
        let Self { mut instance, mut driver, id, drained, limit, running: _running } = self;
        let work = instance.store.run_concurrent(async move |accessor: &Accessor<State>| {
            if let Some(drained) = drained {
                let _ = drained.await;
            }
            poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        });
        let worked = driver.run(pin!(work)).await;
        match worked {
            Ok(Ok(())) => {
                instance.ended(id);
                Ok(instance)
            }
            Ok(Err(error)) => Err(instance.stopped(id, &error)),
            Err(Late) => Err(instance.late(limit)),
        }
    }
}
