//! What a store knows: the guest's world, its bounds, and the calls it serves.

use super::abroad::Hooks;
use super::guest_log::{CurrentRequest, GuestLog};
use super::meter::{Burst, CpuMeter};
use super::pulse::{Pulse, ticks};
use super::slots::Slots;
use super::strain::Strain;
use super::usage::{Met, Usage, Used};
use crate::abroad::Exit;
use crate::background::Background;
use crate::bucket::BucketAccesses;
use crate::buckets::Buckets;
use crate::bus::Bus;
use crate::call::{Answer, CallContext, EndpointEvent, Hop, Neighbours};
use crate::fault::Fault;
use crate::limits::ModuleLimits;
use crate::secret::Secrets;
use crate::sockets::{Reachable, Sockets};
use crate::subject::SubjectPattern;
use crate::traces::Traces;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// What all instances of one revision share.
pub(crate) struct GuestHost {
    pub(crate) service: String,
    pub(crate) limits: ModuleLimits,
    pub(crate) env: Vec<(String, String)>,
    /// Services it may call; see `Manifest::calls`.
    pub(crate) calls: Vec<String>,
    pub(crate) neighbours: Arc<dyn Neighbours>,
    pub(crate) bus: Arc<dyn Bus>,
    /// Subjects it may publish on.
    pub(crate) publish: Vec<SubjectPattern>,
    pub(crate) event_bytes_max: usize,
    pub(crate) sockets: Sockets,
    /// What of them it may send to. None while a guest is asked what it declares.
    pub(crate) reachable: Option<Reachable>,
    pub(crate) buckets: Buckets,
    /// None while a guest is asked what it declares.
    pub(crate) bucket_accesses: Option<BucketAccesses>,
    /// None while a guest is asked what it declares.
    pub(crate) exit: Option<Exit>,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) folders: Vec<GuestFolder>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) log: Arc<GuestLog>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) pulse: Arc<Pulse>,
    /// Where guests go on that compute.
    pub(crate) background: Background,
    pub(crate) strain: Strain,
    pub(crate) traces: Traces,
    pub(crate) usage: Usage,
}

/// A folder of the host that a guest finds.
#[derive(Clone, Debug)]
pub(crate) struct GuestFolder {
    pub(crate) path: PathBuf,
    pub(crate) guest_path: String,
    pub(crate) may_write: bool,
}

impl GuestHost {
    /// Whether the manifest lets the guest call a service, with or without a
    /// version behind its name.
    pub(crate) fn may_call(&self, service: &str) -> bool {
        let name = service.split('@').next().unwrap_or_default();
        self.calls.iter().any(|granted| match granted.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == granted,
        })
    }
}

/// The data of one store.
pub(crate) struct State {
    /// Goes first of all: who sees it gone knows that what follows from the
    /// guest is no end that it meant.
    _alive: Arc<()>,
    pub(crate) host: Arc<GuestHost>,
    pub(crate) bounds: Bounds,
    pub(crate) beside: Arc<Beside>,
    calls: Vec<LiveCall>,
    tickets: Vec<Ticket>,
    current: Arc<CurrentRequest>,
    /// The last id that was given out, of a call or a ticket.
    last_id: u64,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    pub(super) hooks: Hooks,
    table: ResourceTable,
}

/// A call that this store is serving.
pub(crate) struct LiveCall {
    pub(crate) id: u64,
    pub(crate) hop: Arc<Hop>,
    pub(crate) context: CallContext,
    /// What it is told of the endpoints, from when it first asked.
    pub(crate) watch: Option<Watch>,
}

/// Changes of the endpoints. Clones share them, and take them in turns.
pub(crate) type Watch = Arc<futures::lock::Mutex<BoxStream<'static, Vec<EndpointEvent>>>>;

/// A call to a neighbour that goes on by itself.
struct Ticket {
    id: u64,
    /// The call that made it.
    by: u64,
    answered: AnswerToCome,
}

/// Where the answer of a call to a neighbour arrives.
pub(crate) type AnswerToCome = oneshot::Receiver<Result<Answer, Fault>>;

/// The guest computed longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("guest computed longer than it may")]
pub(crate) struct CpuSpent;

/// A guest that has computed for so long is not taken for one that had to wait
/// for its core.
const COMPUTES_FROM: Duration = Duration::from_millis(4);

/// Handles and fields that one instance may hold.
const TABLE_CAPACITY: usize = 10_000;

impl State {
    pub(crate) fn new(host: Arc<GuestHost>) -> Self {
        let mut wasi = WasiCtx::builder();
        let current = Arc::default();
        wasi.stdout(host.log.output("stdout", &current));
        wasi.stderr(host.log.output("stderr", &current));
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        for (name, value) in &host.env {
            wasi.env(name, value);
        }
        for GuestFolder { path, guest_path, may_write } in &host.folders {
            let may = if *may_write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            // It was there when the module was loaded.
            if let Err(error) = wasi.preopened_dir(path, guest_path, may) {
                warn!(service = %host.service, path = %path.display(), %error, "folder is gone");
            }
        }
        let mut table = ResourceTable::new();
        table.set_max_capacity(TABLE_CAPACITY);
        let (alive, beside) = (Arc::new(()), Arc::<Beside>::default());
        beside.met.go_on(ticks());
        Self {
            hooks: Hooks::new(host.clone(), beside.clone(), &alive),
            _alive: alive,
            bounds: Bounds::new(&host),
            beside,
            calls: Vec::new(),
            tickets: Vec::new(),
            current,
            last_id: 0,
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            table,
            host,
        }
    }

    /// A call begins; gives the id by which the guest will name it.
    pub(crate) fn begin(&mut self, hop: Arc<Hop>, context: CallContext) -> u64 {
        if self.calls.is_empty() {
            self.beside.meter.reset();
        }
        self.last_id += 1;
        self.calls.push(LiveCall { id: self.last_id, hop, context, watch: None });
        self.note_current();
        self.last_id
    }

    /// A call is over; its id means nothing from now on.
    pub(crate) fn end(&mut self, id: u64) {
        self.calls.retain(|call| call.id != id);
        self.tickets.retain(|ticket| ticket.by != id);
        self.note_current();
    }

    /// What the guest prints belongs to the one call that there is; of several
    /// nobody can tell. Of a call that is over there may still be half a line.
    fn note_current(&mut self) {
        let newest = self.calls.last().map(|call| call.context.deadline);
        self.hooks.note_calls(self.calls.len(), newest);
        match self.calls.as_slice() {
            [] => (),
            [one] => self.current.set(Some(one.context.request_id.clone())),
            _ => self.current.set(None),
        }
    }

    /// No call is under way in this store.
    pub(crate) fn end_all(&mut self) {
        self.calls.clear();
        self.tickets.clear();
        self.note_current();
    }

    /// How many calls the guest has.
    pub(crate) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// A call by the id the guest was given.
    pub(crate) fn call(&self, id: u64) -> Option<&LiveCall> {
        self.calls.iter().find(|call| call.id == id)
    }

    /// The same, to change it.
    pub(crate) fn call_mut(&mut self, id: u64) -> Option<&mut LiveCall> {
        self.calls.iter_mut().find(|call| call.id == id)
    }

    /// A call to a neighbour goes on; gives the id by which the guest asks for
    /// its answer.
    pub(crate) fn add_ticket(&mut self, by: u64, answered: AnswerToCome) -> u64 {
        self.last_id += 1;
        self.tickets.push(Ticket { id: self.last_id, by, answered });
        self.last_id
    }

    /// The answer of a call to a neighbour, to wait for.
    pub(crate) fn take_ticket(&mut self, id: u64) -> Option<AnswerToCome> {
        let index = self.tickets.iter().position(|ticket| ticket.id == id)?;
        Some(self.tickets.swap_remove(index).answered)
    }

    /// Called when a tick passed while the guest was computing.
    pub(crate) fn on_tick(
        mut store: StoreContextMut<'_, Self>,
    ) -> wasmtime::Result<UpdateDeadline> {
        let state = store.data_mut();
        if state.beside.met.is_new(ticks()) {
            state.host.usage.tick();
        }
        match state.beside.meter.tick(Instant::now()) {
            Burst::Young => Ok(UpdateDeadline::Continue(1)),
            Burst::Long { spent } if state.host.limits.cpu() < spent => Err(CpuSpent.into()),
            Burst::Long { spent } => {
                if COMPUTES_FROM <= spent {
                    state.host.strain.note_hard();
                }
                Ok(UpdateDeadline::Yield(1))
            }
        }
    }
}

/// What a store shares with whoever drives it.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) meter: CpuMeter,
    pub(super) met: Met,
    /// Work that the guest asked for and that is done beside its store: a
    /// store's event loop cannot run inside another's.
    errands: Mutex<Vec<BoxFuture<'static, ()>>>,
    errands_under_way: AtomicUsize,
}

/// Counts an errand for as long as it is under way.
pub(crate) struct Place(Arc<Beside>);

impl Beside {
    /// A place for one more errand, unless there are too many.
    pub(crate) fn place(self: &Arc<Self>, places: usize) -> Option<Place> {
        if places <= self.errands_under_way.fetch_add(1, Ordering::Relaxed) {
            self.errands_under_way.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(self.clone()))
    }

    /// Asks for an errand.
    pub(crate) fn send_out(&self, errand: BoxFuture<'static, ()>) {
        self.errands.lock().unwrap_or_else(PoisonError::into_inner).push(errand);
    }

    /// Errands that were asked for since the last time.
    pub(super) fn take_errands(&self) -> Vec<BoxFuture<'static, ()>> {
        if self.errands_under_way.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        std::mem::take(&mut *self.errands.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.errands_under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Memory and tables of one store.
pub(crate) struct Bounds {
    used: Used,
    memory_bytes_max: usize,
    table_elements_max: usize,
    /// Whether the guest was refused memory; a trap after that is its fault.
    pub(crate) memory_refused: bool,
}

impl Bounds {
    fn new(host: &Arc<GuestHost>) -> Self {
        let limits = &host.limits;
        Self {
            used: Used::by_one(host.clone()),
            memory_bytes_max: limits.memory_bytes(),
            table_elements_max: limits.table_elements,
            memory_refused: false,
        }
    }
}

impl Bounds {
    /// All memories together.
    pub(super) fn memory_bytes(&self) -> usize {
        self.used.memory_bytes()
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // The bound is on all memories of the instance together.
        let total = self.used.memory_bytes().saturating_sub(current).saturating_add(desired);
        if self.memory_bytes_max < total {
            self.memory_refused = true;
            return Ok(false);
        }
        self.used.set_memory_bytes(total);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements_max)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        64
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, hooks: &mut self.hooks, table: &mut self.table }
    }
}
