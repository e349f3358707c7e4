//! Services ready to be called: one revision of one module, its instances,
//! and who may enter.
//!
//! A call is admitted, lent an instance, and its instance is given back only
//! if it ended cleanly; every other ending drops the instance, and with it the
//! permit.

use crate::call::{Answer, Call, CallContext, Hop};
use crate::crew::Crew;
use crate::declaration::{Declaration, Method, metadata_object};
use crate::digest::Digest;
use crate::engine::{Blueprint, GiveBack, Instance, Keeper, Prepared, ProxyRunner, Slots};
use crate::fault::Fault;
use crate::gate::{Admission, Gate};
use crate::limits::ModuleLimits;
use crate::manifest::{Isolation, Manifest};
use crate::name::Name;
use crate::record::{Record, RecordDate};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Calls an instance may serve, drawn anew for each, so that nobody leans on
/// memory that outlives a call.
const CALLS: RangeInclusive<u64> = 5_000..=20_000;
/// Seconds an instance may stay idle, drawn likewise.
const IDLE_SECONDS: RangeInclusive<u64> = 30..=90;

/// A live revision of a service.
pub(crate) struct Service {
    pub(crate) module: Name,
    pub(crate) declaration: Declaration,
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    /// Which one of several it is; stays the same from revision to revision.
    pub(crate) registration: String,
    pub(crate) counts: Counts,
    gate: Gate,
    supply: Supply,
    crew: Crew,
}

/// What a service has done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) calls: AtomicU64,
    pub(crate) faults: AtomicU64,
}

enum Supply {
    Instances(Arc<Instances>),
    Proxy(ProxyRunner),
}

/// What a service is made from.
pub(crate) struct Parts {
    pub(crate) module: Name,
    pub(crate) declaration: Declaration,
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) registration: String,
    pub(crate) prepared: Prepared,
    pub(crate) slots: Arc<Slots>,
    pub(crate) crew: Crew,
}

/// How a call went.
pub(crate) enum Served {
    /// It was answered, with an answer or a fault.
    Answered(Result<Answer, Fault>),
    /// The revision has been replaced and takes no call; nothing was begun.
    Closing(Box<Call>),
}

impl Service {
    /// Makes a service of its parts. Nothing runs yet.
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let limits = parts.manifest.limits;
        let supply = match parts.prepared {
            Prepared::Service(blueprint) => {
                let kept = match parts.manifest.isolation {
                    Isolation::Kept => limits.kept,
                    Isolation::Call => 0,
                };
                Supply::Instances(Instances::new(blueprint, kept, &parts.slots))
            }
            Prepared::Proxy(runner) => Supply::Proxy(runner),
        };
        let queue_wait = Duration::from_millis(limits.queue_ms);
        Arc::new(Self {
            gate: Gate::new(limits.concurrency, limits.queue, queue_wait),
            module: parts.module,
            declaration: parts.declaration,
            digest: parts.digest,
            manifest: parts.manifest,
            registration: parts.registration,
            counts: Counts::default(),
            supply,
            crew: parts.crew,
        })
    }

    /// A method by its index.
    pub(crate) fn method(&self, index: u32) -> Option<&Method> {
        self.declaration.methods.get(index as usize)
    }

    /// The bounds on its calls.
    pub(crate) fn limits(&self) -> &ModuleLimits {
        &self.manifest.limits
    }

    /// Calls inside, and calls in line.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.gate.inside(), self.gate.waiting())
    }

    /// Instances that wait for a call.
    pub(crate) fn idle(&self) -> usize {
        match &self.supply {
            Supply::Instances(instances) => instances.lock().len(),
            Supply::Proxy(_) => 0,
        }
    }

    /// Calls a method.
    pub(crate) async fn call(&self, call: Call) -> Served {
        let Some(hop) = self.hop(call.method) else {
            return Served::Answered(Err(Fault::Internal));
        };
        let permit = match self.admit(&call.context).await {
            Admission::Granted(permit) => permit,
            Admission::Closing => return Served::Closing(Box::new(call)),
            Admission::Shed => {
                let service = self.declaration.name.to_string();
                return Served::Answered(Err(Fault::Overloaded { service }));
            }
        };
        self.counts.calls.fetch_add(1, Ordering::Relaxed);
        let outcome = match &self.supply {
            Supply::Proxy(runner) => runner.call(call, hop, permit).await,
            Supply::Instances(instances) => {
                let until = call.context.deadline.min(Instant::now() + self.limits().wall());
                match timeout_at(until, instances.lend()).await {
                    Ok(Ok(Lent { instance, give_back })) => {
                        instance.call(call, hop, give_back).answer(permit, &self.crew).await
                    }
                    Ok(Err(fault)) => Err(fault),
                    Err(_elapsed) => Err(Fault::Deadline { doing: "the service was starting" }),
                }
            }
        };
        if outcome.is_err() {
            self.counts.faults.fetch_add(1, Ordering::Relaxed);
        }
        Served::Answered(outcome)
    }

    async fn admit(&self, context: &CallContext) -> Admission {
        let is_inside = |hop: &Hop| hop.service == self.declaration.name;
        if context.chain.iter().any(is_inside) {
            return self.gate.admit_again();
        }
        let patience = context.deadline.saturating_duration_since(Instant::now());
        self.gate.admit(patience).await
    }

    fn hop(&self, method: u32) -> Option<Hop> {
        let method = self.method(method)?.name.clone();
        Some(Hop { service: self.declaration.name.clone(), method })
    }

    /// Admits nobody any more.
    pub(crate) fn close(&self) {
        self.gate.close();
    }

    /// Resolves when the last call has ended.
    pub(crate) async fn emptied(&self) {
        self.gate.emptied().await;
    }

    /// Drops instances that have been idle for too long.
    pub(crate) fn reclaim(&self, now: Instant) {
        if let Supply::Instances(instances) = &self.supply {
            instances.lock().retain(|idle| now < idle.until);
        }
    }

    /// As the registry lists it.
    pub(crate) fn record(&self, domain: &str, node: &str) -> Record {
        let mut metadata = metadata_object(&self.declaration.metadata);
        metadata.insert("kind".into(), "wasm".into());
        metadata.insert("version".into(), self.declaration.version.to_string().into());
        metadata.insert("digest".into(), format!("sha256:{}", self.digest.hex()).into());
        metadata.insert("node".into(), node.into());
        metadata.insert("module".into(), self.module.as_str().into());
        if !self.declaration.description.is_empty() {
            metadata.insert("description".into(), self.declaration.description.clone().into());
        }
        Record {
            name: self.declaration.name.clone(),
            domain: domain.to_owned(),
            root: self.declaration.root.clone(),
            methods: self.declaration.methods.iter().map(Method::record).collect(),
            metadata,
            registration: self.registration.clone(),
            date: RecordDate::default(),
        }
    }
}

/// Idle instances of one revision.
struct Instances {
    blueprint: Blueprint,
    idle: Mutex<Vec<Idle>>,
    kept_max: usize,
    slots: Arc<Slots>,
}

struct Idle {
    instance: Instance,
    until: Instant,
    calls_left: u64,
}

/// An instance on loan. Dropping `instance` throws it away; only handing it to
/// `give_back` keeps it.
struct Lent {
    instance: Instance,
    give_back: GiveBack,
}

impl Instances {
    fn new(blueprint: Blueprint, kept_max: usize, slots: &Arc<Slots>) -> Arc<Self> {
        let slots = slots.clone();
        let instances = Arc::new(Self { blueprint, idle: Mutex::default(), kept_max, slots });
        let keeper: Weak<dyn Keeper> = Arc::downgrade(&instances) as Weak<dyn Keeper>;
        instances.slots.enlist(keeper);
        instances
    }

    async fn lend(self: &Arc<Self>) -> Result<Lent, Fault> {
        let idle = self.lock().pop();
        let (instance, calls_left) = match idle {
            Some(idle) => (idle.instance, idle.calls_left),
            None => match self.blueprint.instantiate().await {
                Ok(instance) => (instance, draw(CALLS)),
                Err(shortage) => return Err(self.blueprint.shortage(&shortage)),
            },
        };
        let home = Arc::downgrade(self);
        let give_back = Box::new(move |instance| {
            if let Some(home) = home.upgrade() {
                home.keep(instance, calls_left.saturating_sub(1));
            }
        });
        Ok(Lent { instance, give_back })
    }

    fn keep(&self, instance: Instance, calls_left: u64) {
        if calls_left == 0 {
            return;
        }
        let until = Instant::now() + Duration::from_secs(draw(IDLE_SECONDS));
        let mut idle = self.lock();
        if idle.len() < self.kept_max {
            idle.push(Idle { instance, until, calls_left });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper for Instances {
    fn give_up_one(&self) -> bool {
        let given_up = self.lock().pop();
        given_up.is_some()
    }
}

/// A number from a range; which one cannot be foreseen.
fn draw(range: RangeInclusive<u64>) -> u64 {
    let random = RandomState::new().build_hasher().finish();
    range.start() + random % (range.end() - range.start() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_lies_in_its_range() {
        for _ in 0..1_000 {
            assert!(CALLS.contains(&draw(CALLS)));
        }
        assert_eq!(draw(7..=7), 7);
    }
}
