//! Loads one module: everything between the folder and the plan.

use super::Refusal;
use super::folder::{Folder, Loaded, ReadLimits, module_name};
use super::verify::{Verified, verify};
use crate::call::Neighbours;
use crate::crew::Crew;
use crate::declaration::Declaration;
use crate::digest::Digest;
use crate::engine::{Engine, GuestHost, GuestLog, Prepared, Slots, World};
use crate::lane::Lane;
use crate::limits::HostLimits;
use crate::manifest::Manifest;
use crate::name::Name;
use crate::pool::{Parts, Service};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// What loading needs.
pub(super) struct Workshop {
    pub(super) folder: Folder,
    pub(super) engine: Arc<Engine>,
    pub(super) limits: HostLimits,
    pub(super) neighbours: Arc<dyn Neighbours>,
    pub(super) slots: Arc<Slots>,
    pub(super) crew: Crew,
    /// Modules held in memory at once while they load.
    pub(super) jobs: Lane,
}

/// Modules held in memory at once while they load.
pub(super) const JOBS_AT_ONCE: usize = 8;

/// A module whose bytes are verified and whose manifest is believed.
struct Sound {
    module: Name,
    digest: Digest,
    manifest: Manifest,
    verified: Verified,
}

impl Workshop {
    /// Loads a file. `registration` is the id of the service it gave before.
    pub(super) async fn load(
        self: Arc<Self>,
        file: String,
        registration: Option<(Name, String)>,
    ) -> Result<Arc<Service>, Refusal> {
        let _place = self.jobs.enter().await;
        let workshop = self.clone();
        let sound = spawn_blocking(move || workshop.read(&file)).await;
        let sound = sound.map_err(|_| Refusal::Lost)??;
        let compiled = self.engine.compile(&sound.verified.component).await?;
        let world = sound.verified.world;
        let declaration = match world {
            World::Picolet => self.describe(&compiled, &sound).await?,
            World::WasiHttp2 | World::WasiHttp3 => {
                Declaration::of_proxy(&sound.module, &sound.manifest)?
            }
        };
        let host = self.guest_host(declaration.name.as_str(), &sound);
        let prepared = self.engine.prepare(&compiled, world, sound.manifest.isolation, host)?;
        let registration = match registration {
            Some((name, id)) if name == declaration.name => id,
            _ => uuid::Uuid::new_v4().to_string(),
        };
        Ok(Service::new(Parts {
            module: sound.module,
            declaration,
            digest: sound.digest,
            manifest: sound.manifest,
            registration,
            prepared,
            slots: self.slots.clone(),
            crew: self.crew.clone(),
        }))
    }

    fn read(&self, file: &str) -> Result<Sound, Refusal> {
        let module = module_name(file)?;
        let limits = ReadLimits {
            module_bytes_max: self.limits.module_bytes_max,
            manifest_bytes_max: self.limits.manifest_bytes_max,
        };
        let Loaded { wasm, manifest: text } = self.folder.read(file, &limits)?;
        let manifest_file = format!("{module}.toml");
        let text = text.unwrap_or_default();
        let manifest = Manifest::parse(&text, &manifest_file).map_err(Refusal::Manifest)?;
        let verified = verify(&wasm, &self.limits)?;
        let digest = Digest::of(&[&wasm, text.as_bytes()]);
        Ok(Sound { module, digest, manifest, verified })
    }

    async fn describe(
        &self,
        compiled: &crate::engine::Compiled,
        sound: &Sound,
    ) -> Result<Declaration, Refusal> {
        let host = self.guest_host(sound.module.as_str(), sound);
        let prepared =
            self.engine.prepare(compiled, World::Picolet, sound.manifest.isolation, host)?;
        let Prepared::Service(blueprint) = prepared else { return Err(Refusal::Lost) };
        let raw = self.engine.describe(&blueprint).await?;
        Ok(Declaration::check(raw, &sound.manifest, &self.limits)?)
    }

    fn guest_host(&self, service: &str, sound: &Sound) -> Arc<GuestHost> {
        let limits = sound.manifest.limits;
        let revision = sound.digest.to_string();
        Arc::new(GuestHost {
            service: service.to_owned(),
            limits,
            env: sound.manifest.env.clone(),
            calls: sound.manifest.calls.clone(),
            neighbours: self.neighbours.clone(),
            log: Arc::new(GuestLog::new(service, &revision, limits.log_bytes_per_second)),
            slots: self.slots.clone(),
        })
    }
}
