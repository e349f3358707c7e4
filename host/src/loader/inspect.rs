//! Loads one file as the folder would, without serving it.

use super::Refusal;
use super::folder::{Folder, ReadLimits};
use super::job::{Loaded, Workshop};
use super::verify::verify;
use crate::abroad::Abroad;
use crate::buckets::Buckets;
use crate::bus::LocalBus;
use crate::call::{
    Answer, CallContext, DirectoryEntry, EndpointEvent, Hop, Neighbours, OutgoingCall,
};
use crate::crew::Crew;
use crate::engine::{Compiler, Engine, Slots, World};
use crate::fault::Fault;
use crate::lane::Lane;
use crate::limits::HostLimits;
use crate::pool::Service;
use crate::secret::Environment;
use crate::sockets::Sockets;
use crate::traces::Traces;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a file is.
pub(crate) struct Inspection {
    pub(crate) service: Arc<Service>,
    pub(crate) world: World,
    pub(crate) imports: Vec<String>,
    pub(crate) bytes: usize,
}

/// Loads a file; `program` is the binary that becomes the compiler.
pub(crate) async fn inspect(
    path: &Path,
    program: PathBuf,
    environment: Environment,
) -> Result<Inspection, Refusal> {
    let limits = HostLimits::DEFAULT;
    let compiler =
        Compiler { program, ms_max: limits.compile_ms_max, mib_max: limits.compile_mib_max };
    let engine = Arc::new(Engine::new(&limits, compiler, None)?);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = Folder { path: parent.unwrap_or(Path::new(".")).to_owned(), links_out: true };
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let file = file.unwrap_or_default();
    let read_limits = ReadLimits {
        module_bytes_max: limits.module_bytes_max,
        manifest_bytes_max: limits.manifest_bytes_max,
    };
    let loaded = folder.read(&file, &read_limits)?;
    let verified = verify(&loaded.wasm, &limits)?;
    let workshop = Workshop {
        folder,
        engine,
        past: None,
        limits,
        neighbours: Arc::new(Nobody),
        bus: Arc::new(LocalBus::default()),
        buckets: Buckets::nowhere(),
        abroad: Abroad::new(&[], None).map_err(|_| Refusal::Lost)?,
        sockets: Sockets::new(0),
        config: BTreeMap::new(),
        environment,
        slots: Slots::new(limits.instances_max),
        crew: Crew::default(),
        traces: Traces::none(),
        jobs: Lane::new(1),
        fast_reload: false,
    };
    let Loaded { service, .. } = Arc::new(workshop).load(file, None).await?;
    let (world, imports, bytes) = (verified.world, verified.imports, loaded.wasm.len());
    Ok(Inspection { service, world, imports, bytes })
}

/// Where nothing is served, nobody can be called.
struct Nobody;

impl Neighbours for Nobody {
    fn invoke(
        &self,
        _from: CallContext,
        _by: Arc<Hop>,
        call: OutgoingCall,
    ) -> BoxFuture<'static, Result<Answer, Fault>> {
        std::future::ready(Err(Fault::NoSuchService { name: call.service })).boxed()
    }

    fn entries(&self, _key: &str) -> Vec<DirectoryEntry> {
        Vec::new()
    }

    fn endpoint_events(&self) -> BoxStream<'static, Vec<EndpointEvent>> {
        stream::pending().boxed()
    }
}
