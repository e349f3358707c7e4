//! Puts the host together. The only module that knows every other module.
//!
//! Three steps, three types: settings, a built host with its sockets bound and
//! nothing running, a run that ends with a report.

mod admin_side;
mod run;
mod wire;

use crate::abroad::Abroad;
use crate::admin::Admin;
use crate::buckets::{Buckets, StateBounds};
use crate::bus::{Bus, LocalBus};
use crate::cores::Cores;
use crate::crew::{Crew, Report};
use crate::engine::{Cache, Compiler, Engine};
use crate::http::{Front, bind};
use crate::loader::{Loader, Past};
use crate::otlp::{Collector, Exporter};
use crate::outbound::Outbound;
use crate::settings::Settings;
use crate::sockets::Sockets;
use crate::telemetry::Announcer;
use crate::tls::{self, RootsError};
use crate::traces::Traces;
use http::HeaderName;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tracing::warn;

/// A host with its sockets bound and nothing running yet.
pub struct Host {
    settings: Settings,
    listeners: Vec<TcpListener>,
    admin_listener: TcpListener,
    front: Arc<Front>,
    admin: Admin,
    loader: Loader,
    /// None where spans are sent to nobody.
    exporter: Option<Exporter>,
    crews: Crews,
    announcer: Announcer,
}

/// Whose tasks run in a host.
#[derive(Default)]
struct Crews {
    /// Tasks that begin work.
    outer: Crew,
    /// The loader, which ends when everything else of a service has.
    loading: Crew,
    /// Tasks that finish what was begun.
    inner: Crew,
}

/// What a host is wired of, opened and started.
struct Ready {
    announcer: Announcer,
    engine: Arc<Engine>,
    past: Arc<Past>,
    buckets: Buckets,
    abroad: Abroad,
    cores: Arc<Cores>,
    bus: Arc<dyn Bus>,
    sockets: Sockets,
    domain: String,
    outbound: Outbound,
    traces: Traces,
    exporter: Option<Exporter>,
}

/// Why a host cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("cannot listen on {address}: {source}; choose another with {flag}")]
    Bind { address: SocketAddr, flag: &'static str, source: io::Error },
    #[error("folder {} cannot be used: {source}; make it first, or name another", .folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("state folder {} cannot be used: {source}; name another with --state", .folder.display())]
    State { folder: PathBuf, source: io::Error },
    #[error("state in {} cannot be opened: {reason}", .folder.display())]
    Buckets { folder: PathBuf, reason: String },
    #[error("the engine cannot be set up: {0}")]
    Engine(String),
    #[error("outbound.roots: {reason}")]
    Roots { reason: String },
    #[error("telemetry.otlp_headers.{header}: {reason}")]
    Collector { header: HeaderName, reason: String },
    #[error("threads that serve cannot be started: {0}")]
    Threads(#[source] io::Error),
}

impl Host {
    /// Binds the sockets and wires the parts. `program` is the binary that
    /// becomes the compiler.
    pub async fn build(settings: Settings, program: PathBuf) -> Result<Self, BuildError> {
        Self::build_saying(settings, program, Announcer::stderr()).await
    }

    /// The same, with its state lines going elsewhere.
    pub(crate) async fn build_saying(
        settings: Settings,
        program: PathBuf,
        announcer: Announcer,
    ) -> Result<Self, BuildError> {
        raise_file_limit();
        check_folder(&settings)?;
        let (listeners, admin_listener) = bind_all(&settings, &announcer)?;
        let (engine, past) = open_engine(&settings, program)?;
        let buckets = open_buckets(&settings)?;
        let cores = Arc::new(start_cores(settings.threads)?);
        let abroad = open_abroad(&settings, &admin_listener)?;
        let domain = domain(&settings, &listeners);
        let bus: Arc<dyn Bus> = Arc::new(LocalBus::default());
        let sockets = Sockets::new(settings.limits.websockets_max);
        let outbound = Outbound::default();
        let (traces, exporter) = open_traces(&settings)?;
        let ready = Ready {
            announcer,
            engine,
            past,
            buckets,
            abroad,
            cores,
            bus,
            sockets,
            domain,
            outbound,
            traces,
            exporter,
        };
        Ok(Self::wire(settings, ready, listeners, admin_listener))
    }

    /// The first address of services, and that of the admin side.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = |listener: &TcpListener| listener.local_addr().unwrap_or(unknown);
        (self.listeners.first().map_or(unknown, address), address(&self.admin_listener))
    }

    /// Resolves once everything that was there at the start is served or refused.
    pub fn ready(&self) -> impl Future<Output = ()> + use<> {
        self.admin.desk.clone().ready()
    }

    /// Serves until `stop` resolves, then drains: says that it goes down, stops
    /// taking connections, lets what runs finish within the bound, and ends.
    /// `hurry` resolving ends the drain at once.
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
        hurry: impl Future<Output = ()>,
    ) -> Report {
        let run = self.start();
        stop.await;
        run.front.begin_stop();
        run.announcer.say("stopping");
        let [inner, loading, outer] = tokio::select! {
            reports = run.drain() => reports,
            () = hurry => run.cut().await,
        };
        run.announcer.say("stopped");
        Report {
            finished: inner.finished + loading.finished + outer.finished,
            panicked: inner.panicked + loading.panicked + outer.panicked,
            cut_short: inner.cut_short,
        }
    }
}

impl From<RootsError> for BuildError {
    fn from(error: RootsError) -> Self {
        Self::Roots { reason: error.to_string() }
    }
}

/// What compiles, and what is kept of it on disk.
fn open_engine(
    settings: &Settings,
    program: PathBuf,
) -> Result<(Arc<Engine>, Arc<Past>), BuildError> {
    let (limits, state) = (&settings.limits, &settings.state);
    let (ms_max, mib_max) = (limits.compile_ms_max, limits.compile_mib_max);
    let compiler = Compiler { program, ms_max, mib_max };
    let no_state = |source| BuildError::State { folder: state.clone(), source };
    let cache = Cache::open(state, limits.cache_mib_max << 20).map_err(no_state)?;
    let engine = Engine::new(limits, compiler, Some(cache))
        .map_err(|error| BuildError::Engine(error.to_string()))?;
    let past = Past::open(state, &settings.folder, limits.revisions_mib_max << 20);
    Ok((Arc::new(engine), Arc::new(past.map_err(no_state)?)))
}

/// What services keep.
fn open_buckets(settings: &Settings) -> Result<Buckets, BuildError> {
    let (limits, folder) = (&settings.limits, &settings.state);
    let bounds = StateBounds {
        total_bytes_max: limits.state_mib_max << 20,
        buckets_max: limits.buckets_max,
        free_bytes_min: limits.disk_free_mib_min << 20,
    };
    Buckets::open(folder, bounds)
        .map_err(|error| BuildError::Buckets { folder: folder.clone(), reason: error.to_string() })
}

/// The way out of guests. It does not lead to the admin side.
fn open_abroad(settings: &Settings, admin: &TcpListener) -> Result<Abroad, BuildError> {
    let closed = [admin.local_addr().unwrap_or(settings.admin)];
    Ok(Abroad::new(&closed, settings.outbound_roots.as_deref())?)
}

/// Where traces are kept, and who sends them where they are wanted.
fn open_traces(settings: &Settings) -> Result<(Traces, Option<Exporter>), BuildError> {
    let (traces, segments) = Traces::new(&settings.traces);
    let Some((segments, to)) = segments.zip(settings.traces.otlp.clone()) else {
        return Ok((traces, None));
    };
    let tls = tls::config(settings.outbound_roots.as_deref())?;
    let mut collector = Collector::new(to, tls);
    for (header, source) in &settings.traces.otlp_headers {
        let value = source.read(&settings.folder, &settings.environment);
        value
            .and_then(|value| collector.add_secret(header.clone(), &value))
            .map_err(|reason| BuildError::Collector { header: header.clone(), reason })?;
    }
    let exporter = Exporter::new(collector, settings.node.clone(), traces.clone(), segments);
    Ok((traces, Some(exporter)))
}

/// Threads that serve, as many as the host may use unless it is told.
fn start_cores(threads: usize) -> Result<Cores, BuildError> {
    let count = match threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        count => count,
    };
    Cores::start(count).map_err(BuildError::Threads)
}

fn check_folder(settings: &Settings) -> Result<(), BuildError> {
    let folder = settings.folder.clone();
    match std::fs::read_dir(&folder) {
        Ok(_) => Ok(()),
        Err(source) => Err(BuildError::Folder { folder, source }),
    }
}

fn bind_all(
    settings: &Settings,
    announcer: &Announcer,
) -> Result<(Vec<TcpListener>, TcpListener), BuildError> {
    let bind =
        |address, flag| bind(address).map_err(|source| BuildError::Bind { address, flag, source });
    let listeners: Result<Vec<TcpListener>, BuildError> =
        settings.listen.iter().map(|address| bind(*address, "--listen")).collect();
    let (listeners, admin) = (listeners?, bind(settings.admin, "--admin")?);
    say_addresses(announcer, &listeners, &admin);
    Ok((listeners, admin))
}

fn domain(settings: &Settings, listeners: &[TcpListener]) -> String {
    let first = listeners.first().and_then(|listener| listener.local_addr().ok());
    settings.advertise.clone().unwrap_or_else(|| {
        format!("http://{}", first.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))))
    })
}

fn say_addresses(announcer: &Announcer, listeners: &[TcpListener], admin: &TcpListener) {
    for listener in listeners {
        if let Ok(address) = listener.local_addr() {
            announcer.say(&format!("listening services {address}"));
        }
    }
    if let Ok(address) = admin.local_addr() {
        announcer.say(&format!("listening admin {address}"));
    }
}

/// Raises the soft limit of open files to the hard one.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            warn!(%error, "the limit of open files stays as it is");
        }
    }
}
