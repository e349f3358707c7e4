//! Loads one module: everything between the folder and the plan.

use super::Refusal;
use super::folder::{self, Folder, ReadLimits, module_name};
use super::past::{Kept, Past};
use super::verify::{Verified, verify};
use crate::abroad::Abroad;
use crate::bucket::BucketAccesses;
use crate::buckets::Buckets;
use crate::bus::Bus;
use crate::call::Neighbours;
use crate::crew::Crew;
use crate::declaration::Declaration;
use crate::digest::Digest;
use crate::engine::{
    Compiled, Engine, GuestFolder, GuestHost, GuestLog, Prepared, Slots, Strain, Tier, Usage, World,
};
use crate::grant::FileGrant;
use crate::keys::Complaint;
use crate::lane::Lane;
use crate::limits::HostLimits;
use crate::manifest::{CALLS_PER_INSTANCE, Manifest};
use crate::name::Name;
use crate::pool::{Done, Life, Parts, Service, StartCause};
use crate::secret::{Environment, SecretSource, Secrets};
use crate::sockets::{Reachable, Sockets};
use crate::traces::Traces;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// What loading needs.
pub(super) struct Workshop {
    pub(super) folder: Folder,
    pub(super) engine: Arc<Engine>,
    /// None where nothing is kept.
    pub(super) past: Option<Arc<Past>>,
    pub(super) limits: HostLimits,
    pub(super) neighbours: Arc<dyn Neighbours>,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) buckets: Buckets,
    pub(super) abroad: Abroad,
    pub(super) sockets: Sockets,
    /// Where secrets may be.
    pub(super) environment: Environment,
    /// For guests whose manifest says nothing else.
    pub(super) config: BTreeMap<String, String>,
    pub(super) slots: Arc<Slots>,
    pub(super) crew: Crew,
    pub(super) traces: Traces,
    /// Modules held in memory at once while they load.
    pub(super) jobs: Lane,
    /// For modules whose manifest does not say.
    pub(super) fast_reload: bool,
}

/// Modules held in memory at once while they load.
pub(super) const JOBS_AT_ONCE: usize = 8;

/// A service that can be published, and what a better one is made from when
/// its code was compiled in a hurry.
pub(super) struct Loaded {
    pub(super) service: Arc<Service>,
    /// What the file held that led to it.
    pub(super) file: Digest,
    pub(super) sound: Option<Arc<Sound>>,
}

/// A module whose bytes are verified and whose manifest is believed.
pub(super) struct Sound {
    module: Name,
    digest: Digest,
    file: Digest,
    text: String,
    manifest: Manifest,
    verified: Verified,
    folders: Vec<GuestFolder>,
    secrets: Arc<Secrets>,
}

/// What a service is known by.
struct Identity {
    declaration: Declaration,
    registration: String,
    life: Arc<Life>,
    done: Done,
}

/// What a revision is made from, unchecked.
struct Content {
    digest: Digest,
    file: Digest,
    wasm: Vec<u8>,
    text: String,
}

impl Loaded {
    /// Lets the service do what it does before its first call.
    pub(super) async fn started(self, cause: StartCause) -> Result<Self, Refusal> {
        self.service.start(cause).await.map_err(Refusal::Start)?;
        Ok(self)
    }
}

impl Workshop {
    /// Loads a file. `before` is the service that it gave until now.
    pub(super) async fn load(
        self: Arc<Self>,
        file: String,
        before: Option<Arc<Service>>,
    ) -> Result<Loaded, Refusal> {
        let _place = self.jobs.enter().await;
        let workshop = self.clone();
        let sound = spawn_blocking(move || workshop.read(&file)).await;
        let sound = sound.map_err(|_| Refusal::Lost)??;
        self.finish(Arc::new(sound), before).await
    }

    /// Loads a revision that was live before, in place of `live`.
    pub(super) async fn load_again(
        self: Arc<Self>,
        digest: Digest,
        live: Arc<Service>,
    ) -> Result<Loaded, Refusal> {
        let _place = self.jobs.enter().await;
        let (workshop, module) = (self.clone(), live.module.clone());
        let sound = spawn_blocking(move || workshop.read_kept(module, digest, digest)).await;
        let sound = sound.map_err(|_| Refusal::Lost)??;
        self.finish(Arc::new(sound), Some(live)).await
    }

    /// Makes a live revision anew: of its file, or of what is kept where that
    /// holds something else by now.
    pub(super) async fn load_same(self: Arc<Self>, live: Arc<Service>) -> Result<Loaded, Refusal> {
        let _place = self.jobs.enter().await;
        let (workshop, module, digest) = (self.clone(), live.module.clone(), live.digest);
        let sound = spawn_blocking(move || match workshop.read_whole(&format!("{module}.wasm")) {
            Ok(content) if content.digest == digest => workshop.check(module, content),
            _ => workshop.read_kept(module, digest, digest),
        });
        let sound = sound.await.map_err(|_| Refusal::Lost)??;
        self.finish(Arc::new(sound), Some(live)).await
    }

    async fn finish(
        self: &Arc<Self>,
        sound: Arc<Sound>,
        before: Option<Arc<Service>>,
    ) -> Result<Loaded, Refusal> {
        let is_in_a_hurry = sound.manifest.fast_reload.unwrap_or(self.fast_reload);
        let tier = if is_in_a_hurry { Tier::Baseline } else { Tier::Optimized };
        let compiled = self.engine.compile(&sound.verified.component, tier).await?;
        let declaration = match sound.verified.world {
            World::Picolet => self.describe(&compiled, &sound).await?,
            World::WasiHttp2 | World::WasiHttp3 => {
                Declaration::of_proxy(&sound.module, &sound.manifest)?
            }
        };
        let same = before.as_ref().filter(|before| before.declaration.name == declaration.name);
        let registration = same.map_or_else(new_registration, |same| same.registration.clone());
        let same = before.as_ref().filter(|before| before.digest == sound.digest);
        let life = same.map_or_else(Arc::default, |same| same.life());
        let done = Done::nothing(&declaration);
        let identity = Identity { declaration, registration, life, done };
        let service = self.make(&sound, &compiled, identity)?;
        if let Some(before) = before {
            service.warm_up(&before).await;
        }
        self.keep(&sound).await;
        let (is_best, file) = (compiled.tier == Tier::Optimized, sound.file);
        Ok(Loaded { service, file, sound: (!is_best).then_some(sound) })
    }

    /// Keeps what a service was made from, for a rollback.
    async fn keep(&self, sound: &Arc<Sound>) {
        let Some(past) = self.past.clone() else { return };
        let sound = sound.clone();
        // One that cannot be kept serves all the same.
        let _ = spawn_blocking(move || {
            past.keep(&sound.module, &sound.digest, &sound.text, &sound.verified.component);
        })
        .await;
    }

    /// Makes a service again, of the same bytes, with the best code there is.
    pub(super) async fn optimize(
        &self,
        sound: &Sound,
        before: &Service,
    ) -> Result<Arc<Service>, Refusal> {
        let compiled = self.engine.compile(&sound.verified.component, Tier::Optimized).await?;
        let (declaration, registration) = (before.declaration.clone(), before.registration.clone());
        let identity =
            Identity { declaration, registration, life: before.life(), done: before.done() };
        let service = self.make(sound, &compiled, identity)?;
        service.warm_up(before).await;
        Ok(service)
    }

    fn make(
        &self,
        sound: &Sound,
        compiled: &Compiled,
        identity: Identity,
    ) -> Result<Arc<Service>, Refusal> {
        let Identity { declaration, registration, life, done } = identity;
        let host = self.guest_host(Some(&declaration.name), sound);
        let (world, isolation) = (sound.verified.world, sound.manifest.isolation);
        let prepared = self.engine.prepare(compiled, world, isolation, host)?;
        let service = Service::new(Parts {
            module: sound.module.clone(),
            declaration,
            digest: sound.digest,
            tier: compiled.tier,
            manifest: sound.manifest.clone(),
            registration,
            life,
            done,
            prepared,
            slots: self.slots.clone(),
            traces: self.traces.clone(),
            crew: self.crew.clone(),
        });
        let past = self.past.as_ref();
        if let Some(why) = past.and_then(|past| past.withdrawn(&sound.module, &sound.digest)) {
            service.withdraw(why);
        }
        Ok(service)
    }

    fn read(&self, file: &str) -> Result<Sound, Refusal> {
        let module = module_name(file)?;
        let content = self.read_whole(file)?;
        let digest = content.digest;
        let pin = self.past.as_ref().and_then(|past| past.read(&module, digest));
        if let Some(to) = pin.and_then(|pin| Digest::parse(&pin.to)) {
            return self.read_kept(module, to, digest);
        }
        self.check(module, content)
    }

    /// What a file and its manifest hold.
    fn read_whole(&self, file: &str) -> Result<Content, Refusal> {
        let limits = ReadLimits {
            module_bytes_max: self.limits.module_bytes_max,
            manifest_bytes_max: self.limits.manifest_bytes_max,
        };
        let folder::Loaded { wasm, manifest: text } = self.folder.read(file, &limits)?;
        let text = text.unwrap_or_default();
        let digest = Digest::of(&[&wasm, text.as_bytes()]);
        Ok(Content { digest, file: digest, wasm, text })
    }

    fn read_kept(&self, module: Name, digest: Digest, file: Digest) -> Result<Sound, Refusal> {
        let kept = self.past.as_ref().and_then(|past| past.find(&module, &digest));
        let Kept { manifest: text, component: wasm } = kept.ok_or(Refusal::NotKept(digest))?;
        self.check(module, Content { digest, file, wasm, text })
    }

    fn check(&self, module: Name, content: Content) -> Result<Sound, Refusal> {
        let Content { digest, file, wasm, text } = content;
        let manifest_file = format!("{module}.toml");
        let manifest = Manifest::parse(&text, &manifest_file).map_err(Refusal::Manifest)?;
        let verified = verify(&wasm, &self.limits)?;
        if verified.world != World::Picolet && manifest.limits.calls_per_instance != 1 {
            return Err(Refusal::Manifest(vec![Complaint {
                key: CALLS_PER_INSTANCE.to_owned(),
                found_in: manifest_file,
                text: "is for modules of picolet:service".to_owned(),
            }]));
        }
        let find = |grant: &FileGrant| {
            let path = self.folder.find_below(&grant.folder)?;
            Ok(GuestFolder { path, guest_path: grant.guest_path(), may_write: grant.may_write })
        };
        let folders: Result<_, Refusal> = manifest.files.iter().map(find).collect();
        let (folders, secrets) = (folders?, Arc::new(self.find_secrets(&manifest)?));
        Ok(Sound { module, digest, file, text, manifest, verified, folders, secrets })
    }

    /// What the secrets of a manifest are now.
    fn find_secrets(&self, manifest: &Manifest) -> Result<Secrets, Refusal> {
        let mut secrets = Secrets::default();
        for (name, source) in &manifest.secrets {
            let refused = |why| Refusal::Secret { name: name.clone(), why };
            let text = match source {
                SecretSource::File(file) => self.folder.read_secret(file).map_err(refused)?,
                SecretSource::Variable(variable) => match self.environment.get(variable) {
                    Some(text) => Zeroizing::new(text.to_owned()),
                    None => {
                        let why = format!("the host was started without {variable}");
                        return Err(refused(why));
                    }
                },
            };
            secrets.add(name, &text).map_err(|why| refused(why.to_owned()))?;
        }
        Ok(secrets)
    }

    async fn describe(&self, compiled: &Compiled, sound: &Sound) -> Result<Declaration, Refusal> {
        let host = self.guest_host(None, sound);
        let prepared =
            self.engine.prepare(compiled, World::Picolet, sound.manifest.isolation, host)?;
        let Prepared::Service(blueprint) = prepared else { return Err(Refusal::Lost) };
        let raw = self.engine.describe(&blueprint).await?;
        Ok(Declaration::check(raw, &sound.manifest, &self.limits)?)
    }

    fn config_of(&self, manifest: &Manifest) -> BTreeMap<String, String> {
        let mut config = self.config.clone();
        config.extend(manifest.config.clone());
        config
    }

    /// For a service, or for a module that has not declared one yet.
    fn guest_host(&self, service: Option<&Name>, sound: &Sound) -> Arc<GuestHost> {
        let limits = sound.manifest.limits;
        let revision = sound.digest.to_string();
        let accesses = service.map(|service| BucketAccesses {
            service: service.clone(),
            shared: sound.manifest.buckets.clone(),
            bytes_max: limits.state_mib << 20,
        });
        let exit = service.map(|service| {
            let reach = sound.manifest.reach();
            self.abroad.exit(service.as_str(), reach)
        });
        let reachable = service.map(|service| Reachable {
            service: service.clone(),
            namespace: sound.manifest.namespace.clone(),
        });
        let service = service.unwrap_or(&sound.module).as_str();
        Arc::new(GuestHost {
            service: service.to_owned(),
            limits,
            env: sound.manifest.env.clone(),
            calls: sound.manifest.calls.clone(),
            neighbours: self.neighbours.clone(),
            bus: self.bus.clone(),
            publish: sound.manifest.publish.clone(),
            event_bytes_max: self.limits.event_bytes_max,
            sockets: self.sockets.clone(),
            reachable,
            buckets: self.buckets.clone(),
            bucket_accesses: accesses,
            exit,
            folders: sound.folders.clone(),
            secrets: sound.secrets.clone(),
            config: self.config_of(&sound.manifest),
            log: Arc::new(GuestLog::new(
                service,
                &revision,
                limits.log_bytes_per_second,
                sound.secrets.clone(),
            )),
            slots: self.slots.clone(),
            pulse: self.engine.pulse(),
            background: self.engine.background(),
            strain: Strain::default(),
            traces: self.traces.clone(),
            usage: Usage::default(),
        })
    }
}

fn new_registration() -> String {
    uuid::Uuid::new_v4().to_string()
}
