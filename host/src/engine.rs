//! The engine room: compiles, instantiates and calls guests.
//!
//! With `capability`, the only place that names wasmtime.

mod abroad;
mod artifact;
mod bindings;
mod cache;
mod compile;
mod config;
mod describe;
mod drive;
mod enter;
mod exports;
mod guest_log;
mod instance;
mod limit;
mod loan;
mod meter;
mod proxy;
mod pulse;
mod shared;
mod slots;
mod state;
mod strain;
mod stream;
mod tier;
mod usage;

pub(crate) use bindings::{
    OpenBucket, atomics, batch, bus, client, configured, context, directory, kept, keyvalue,
    messaging, outbound, prompt, types, watch,
};
pub(crate) use cache::Cache;
pub(crate) use compile::{COMMAND as COMPILE_COMMAND, CompileError, Compiler, worker_main};
pub(crate) use enter::{Head, HeadBody};
pub(crate) use guest_log::GuestLog;
pub(crate) use instance::{Answered, Blueprint, Effort, Instance, Left, Shortage};
pub(crate) use loan::Loan;
pub(crate) use proxy::ProxyRunner;
pub(crate) use pulse::Pulse;
pub(crate) use shared::{Arrivals, SharedBounds, SharedInstance, Visited};
pub(crate) use slots::{Given, Keeper, Slots};
pub(crate) use state::{AnswerToCome, GuestFolder, GuestHost, Place, State, Watch};
pub(crate) use strain::Strain;
pub(crate) use stream::{lift_body, lower, render, whole};
pub(crate) use tier::Tier;
pub(crate) use usage::Usage;

use crate::background::Background;
use crate::declaration::RawDeclaration;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::lane::Lane;
use crate::limits::HostLimits;
use crate::manifest::Isolation;
use std::sync::Arc;
use std::time::Duration;
use tier::Rooms;
use tracing::warn;
use wasmtime::component::{Component, InstancePre};

/// What a guest exports, as far as the host can call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum World {
    /// `picolet:service/service`.
    Picolet,
    /// `wasi:http/incoming-handler` of 0.2.
    WasiHttp2,
    /// `wasi:http/handler` of 0.3.
    WasiHttp3,
}

/// Compiles, prepares and describes guests. One for each host.
pub(crate) struct Engine {
    rooms: Arc<Rooms>,
    background: Background,
    compiler: Compiler,
    compiles: Lane,
    cache: Option<Cache>,
    describe_ms_max: u64,
}

/// Code that is mapped and can be linked.
pub(crate) struct Compiled {
    pub(crate) tier: Tier,
    component: Component,
}

/// A guest that is linked and can be instantiated.
pub(crate) enum Prepared {
    Service(Blueprint),
    Proxy(ProxyRunner),
}

/// Why the engine cannot serve a guest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("compiled code cannot be loaded: {0:#}")]
    Load(wasmtime::Error),
    #[error("threads for guests that compute cannot be started: {0}")]
    Threads(std::io::Error),
    #[error("{0}")]
    Link(String),
    #[error("describe takes longer than {ms} ms")]
    DescribeTime { ms: u64 },
    #[error("describe failed: {0}")]
    Describe(String),
}

impl Engine {
    /// Sets the engine up and starts its clock.
    pub(crate) fn new(
        limits: &HostLimits,
        compiler: Compiler,
        cache: Option<Cache>,
    ) -> Result<Self, EngineError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            rooms: Rooms::new(limits).map_err(EngineError::Load)?,
            background: Background::start().map_err(EngineError::Threads)?,
            compiles: Lane::new(limits.compiles_max.min(cores)),
            describe_ms_max: limits.describe_ms_max,
            compiler,
            cache,
        })
    }

    /// Where its guests go on that compute.
    pub(crate) fn background(&self) -> Background {
        self.background.clone()
    }

    /// The clock of its guests.
    pub(crate) fn pulse(&self) -> Arc<Pulse> {
        self.rooms.pulse.clone()
    }

    /// Code of a component, by the compiler that is asked for or a better one
    /// if its code is at hand.
    pub(crate) async fn compile(
        &self,
        component: &[u8],
        tier: Tier,
    ) -> Result<Compiled, EngineError> {
        if let Some(compiled) = self.find(component, Tier::Optimized) {
            return Ok(compiled);
        }
        if tier == Tier::Baseline
            && let Some(compiled) = self.find(component, tier)
        {
            return Ok(compiled);
        }
        let room = self.rooms.of(tier).map_err(EngineError::Load)?;
        let code = self.compiler.compile(component, tier, &self.compiles).await?;
        if let Some(cache) = &self.cache
            && let Err(error) = cache.keep(&entry_name(&room.engine, component, tier), &code)
        {
            warn!(%error, "compiled code cannot be kept");
        }
        let component = code.load(&room.engine).map_err(EngineError::Load)?;
        Ok(Compiled { tier, component })
    }

    /// Code that was kept.
    fn find(&self, component: &[u8], tier: Tier) -> Option<Compiled> {
        let cache = self.cache.as_ref()?;
        let room = self.rooms.of(tier).ok()?;
        let code = cache.find(&entry_name(&room.engine, component, tier))?;
        match code.load(&room.engine) {
            Ok(component) => Some(Compiled { tier, component }),
            Err(error) => {
                warn!(%error, "cached code does not load and is compiled again");
                None
            }
        }
    }

    /// Links a guest to what the host offers.
    pub(crate) fn prepare(
        &self,
        compiled: &Compiled,
        world: World,
        isolation: Isolation,
        host: Arc<GuestHost>,
    ) -> Result<Prepared, EngineError> {
        let Compiled { tier, component } = compiled;
        let room = self.rooms.of(*tier).map_err(EngineError::Load)?;
        let pre = room.linker.instantiate_pre(component).map_err(|error| link_error(&error))?;
        match world {
            World::Picolet => {
                let blueprint = Blueprint::new(pre, host).map_err(|error| link_error(&error))?;
                Ok(Prepared::Service(blueprint))
            }
            World::WasiHttp2 | World::WasiHttp3 => {
                let pre = proxy_pre(pre, world).map_err(|error| link_error(&error))?;
                Ok(Prepared::Proxy(ProxyRunner::new(pre, isolation, host)))
            }
        }
    }

    /// Asks a guest what it declares, in an instance that is thrown away.
    pub(crate) async fn describe(
        &self,
        blueprint: &Blueprint,
    ) -> Result<RawDeclaration, EngineError> {
        let time = Duration::from_millis(self.describe_ms_max);
        let describe = async {
            let mut instance = match blueprint.instantiate().await {
                Ok(instance) => instance,
                Err(Shortage::NoSlot) => return Err(Fault::HostOverloaded.to_string()),
                Err(Shortage::Guest { error, memory_refused }) => {
                    return Err(describe_error(blueprint, &error, memory_refused));
                }
            };
            let declared = instance.describe(blueprint.exports()).await;
            let refused = instance.memory_refused();
            declared.map_err(|error| describe_error(blueprint, &error, refused))
        };
        match tokio::time::timeout(time, describe).await {
            Ok(described) => described.map_err(EngineError::Describe),
            Err(_elapsed) => Err(EngineError::DescribeTime { ms: self.describe_ms_max }),
        }
    }
}

/// The name under which code is kept: what it was compiled from, and with.
fn entry_name(engine: &wasmtime::Engine, component: &[u8], tier: Tier) -> Digest {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    (tier == Tier::Baseline).hash(&mut hasher);
    let settings = hasher.finish().to_le_bytes();
    Digest::of(&[component, WASMTIME_VERSION.as_bytes(), &settings])
}

/// Kept the same as the lock file by a test.
const WASMTIME_VERSION: &str = "48.0.8";

/// The engine's version, as `--version` prints it.
pub(crate) fn wasmtime_version() -> &'static str {
    WASMTIME_VERSION
}

fn proxy_pre(
    pre: InstancePre<State>,
    world: World,
) -> wasmtime::Result<wasmtime_wasi_http::handler::ProxyPre<State>> {
    use wasmtime_wasi_http::{handler::ProxyPre, p2, p3};
    if world == World::WasiHttp2 {
        p2::bindings::ProxyPre::new(pre).map(ProxyPre::P2)
    } else {
        p3::bindings::ServicePre::new(pre).map(ProxyPre::P3)
    }
}

fn link_error(error: &wasmtime::Error) -> EngineError {
    let text = format!("{error:#}");
    EngineError::Link(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn describe_error(blueprint: &Blueprint, error: &wasmtime::Error, memory_refused: bool) -> String {
    match blueprint.fault(error, memory_refused) {
        Fault::Trapped { .. } => {
            let cause = error.root_cause().to_string();
            format!("the guest trapped: {}", cause.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        limit => limit.to_string(),
    }
}
