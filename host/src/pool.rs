//! Services ready to be called: one revision of one module, its instances,
//! and who may enter.
//!
//! A call is admitted, lent an instance, and its instance is given back only
//! if it ended cleanly; every other ending drops the instance, and with it the
//! permit.

mod answer;
mod aside;
mod demote;
mod hops;
mod instances;
mod life;
mod pace;
mod record;
mod session_log;
mod shared;
mod supply;
mod tally;
mod visit;

use crate::call::{Answer, Call, CallContext, CallHead, Entrance, Hop};
use crate::crew::Crew;
use crate::declaration::Declaration;
use crate::digest::Digest;
use crate::engine::{Answered, Head, Left, Prepared, Slots, Tier, Usage};
use crate::fault::Fault;
use crate::figures::{Figures, MethodFigures};
use crate::gate::{Admission, Gate, Permit};
use crate::limits::ModuleLimits;
use crate::manifest::Manifest;
use crate::name::Name;
use crate::traces::Traces;
use aside::{drop_aside, see_to};
use demote::{Demotable, Lost};
use futures::FutureExt;
use hops::Hops;
use http::Uri;
use instances::{Instances, Lent};
pub(crate) use life::{Life, StartCause, StopCause};
use pace::Paced;
use session_log::SessionLog;
use shared::SharedInstances;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use supply::Supply;
use tally::Counts;
pub(crate) use tally::Done;
use tokio::time::Instant;
use visit::Visit;

/// A live revision of a service.
pub(crate) struct Service {
    pub(crate) module: Name,
    pub(crate) declaration: Declaration,
    pub(crate) digest: Digest,
    pub(crate) tier: Tier,
    pub(crate) manifest: Manifest,
    /// Which one of several it is; stays the same from revision to revision.
    pub(crate) registration: String,
    pub(crate) counts: Arc<Counts>,
    /// Of each method, as it is declared.
    figures: Arc<[Figures]>,
    traces: Traces,
    traffic: AtomicU32,
    withdrawn: OnceLock<String>,
    life: Arc<Life>,
    hops: Hops,
    gate: Gate,
    paced: Option<Paced>,
    supply: Supply,
    crew: Crew,
}

/// What a service is made from.
pub(crate) struct Parts {
    pub(crate) module: Name,
    pub(crate) declaration: Declaration,
    pub(crate) digest: Digest,
    pub(crate) tier: Tier,
    pub(crate) manifest: Manifest,
    pub(crate) registration: String,
    /// That of the same revision, when this one only has other code.
    pub(crate) life: Arc<Life>,
    /// The same.
    pub(crate) done: Done,
    pub(crate) prepared: Prepared,
    pub(crate) slots: Arc<Slots>,
    pub(crate) traces: Traces,
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
        let supply = Supply::new(parts.prepared, &parts.manifest, &parts.slots);
        let queue_wait = Duration::from_millis(limits.queue_ms);
        Arc::new(Self {
            hops: Hops::of(&parts.declaration, parts.digest),
            figures: parts.done.figures,
            counts: parts.done.counts,
            traces: parts.traces,
            life: parts.life,
            gate: Gate::new(limits.concurrency, limits.queue, queue_wait),
            paced: Paced::of(&limits),
            module: parts.module,
            declaration: parts.declaration,
            digest: parts.digest,
            tier: parts.tier,
            traffic: AtomicU32::new(parts.manifest.traffic),
            withdrawn: OnceLock::new(),
            manifest: parts.manifest,
            registration: parts.registration,
            supply,
            crew: parts.crew,
        })
    }

    /// The bounds on its calls, as its manifest has them.
    pub(crate) fn limits(&self) -> &ModuleLimits {
        &self.manifest.limits
    }

    /// The same with what was changed while it runs.
    pub(crate) fn limits_now(&self) -> ModuleLimits {
        ModuleLimits { concurrency: self.gate.places(), ..self.manifest.limits }
    }

    /// Changes how many calls may run at once, for as long as this revision
    /// lives.
    pub(crate) fn set_concurrency(&self, calls: usize) {
        self.gate.set_places(calls);
    }

    /// What it weighs beside other versions of its service.
    pub(crate) fn traffic(&self) -> u32 {
        self.traffic.load(Ordering::Relaxed)
    }

    /// Changes that, for as long as this revision lives.
    pub(crate) fn set_traffic(&self, weight: u32) {
        self.traffic.store(weight, Ordering::Relaxed);
    }

    /// Takes it out of traffic, for as long as this revision lives.
    pub(crate) fn withdraw(&self, reason: String) {
        self.set_traffic(0);
        // The first reason stands.
        let _ = self.withdrawn.set(reason);
    }

    /// Why it was taken out of traffic.
    pub(crate) fn withdrawn(&self) -> Option<&str> {
        self.withdrawn.get().map(String::as_str)
    }

    /// How its methods did, in the order of their declaration.
    pub(crate) fn figures(&self) -> Vec<MethodFigures> {
        self.figures.iter().map(Figures::read).collect()
    }

    /// What it has done, to be shared by the same revision with other code.
    pub(crate) fn done(&self) -> Done {
        Done { counts: self.counts.clone(), figures: self.figures.clone() }
    }

    /// Calls inside, and calls in line.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.gate.inside(), self.gate.waiting())
    }

    /// Whether the next call has to wait in line.
    pub(crate) fn is_full(&self) -> bool {
        self.gate.places() <= self.gate.inside()
    }

    /// Instances that wait for a call.
    pub(crate) fn idle(&self) -> usize {
        self.supply.idle()
    }

    /// What its guests use.
    pub(crate) fn usage(&self) -> &Usage {
        self.supply.usage()
    }

    /// Makes a call.
    pub(crate) async fn call(&self, mut call: Box<Call>) -> Served {
        let Some(hop) = self.hops.of_entrance(call.entrance) else {
            return Served::Answered(Err(Fault::Internal));
        };
        let now = Instant::now();
        let visit = Visit::begin(self, &mut call, hop, now);
        if call.context.deadline <= now {
            let fault = Fault::TooLate { service: self.declaration.name.to_string() };
            visit.turned_away(&fault, &mut call.context);
            return Served::Answered(Err(fault));
        }
        let paced = self.paced.as_ref();
        let paced = paced.map_or(Ok(()), |own| own.admit(&self.declaration.name, call.entrance));
        if let Err(fault) = paced {
            self.counts.over_pace.fetch_add(1, Ordering::Relaxed);
            visit.turned_away(&fault, &mut call.context);
            return Served::Answered(Err(fault));
        }
        let permit = match self.admit(&call.context).await {
            Admission::Granted(permit) => permit,
            Admission::Closing => {
                visit.forget(&mut call.context);
                return Served::Closing(call);
            }
            Admission::Shed => {
                let service = self.declaration.name.to_string();
                let is_late = call.context.deadline <= Instant::now();
                let late = Fault::Deadline { doing: "the call waited for a place" };
                let fault = if is_late { late } else { Fault::Overloaded { service } };
                visit.turned_away(&fault, &mut call.context);
                return Served::Answered(Err(fault));
            }
        };
        Served::Answered(self.serve(call, visit, permit).await)
    }

    /// Serves a call that was let in.
    async fn serve(
        &self,
        mut call: Box<Call>,
        mut visit: Visit<'_>,
        permit: Permit,
    ) -> Result<Answer, Fault> {
        self.counts.calls.fetch_add(1, Ordering::Relaxed);
        if self.manifest.strip && matches!(call.entrance, Entrance::Method(_)) {
            strip_root(&mut call.head, &self.declaration.root);
        }
        let hop = visit.hop.clone();
        let log = SessionLog::begin(&call.context, &hop, self.digest);
        let now = Instant::now();
        visit.admitted(now);
        let outcome = match &self.supply {
            Supply::Proxy(runner) => runner.call(*call, hop, permit, |at| visit.lent(at)).await,
            Supply::Instances(instances) => {
                self.enter((instances, now), call, &mut visit, permit).await
            }
            Supply::Shared(shared) => self.share((shared, now), call, &mut visit, permit).await,
        };
        visit.end(&outcome);
        if let Some(log) = log {
            log.end(&outcome);
        }
        outcome
    }

    async fn admit(&self, context: &CallContext) -> Admission {
        let is_inside = |hop: &Hop| hop.service == self.declaration.name;
        if context.chain.latest_first().any(is_inside) {
            return self.gate.admit_again();
        }
        let patience = || context.deadline.saturating_duration_since(Instant::now());
        self.gate.admit(patience).await
    }

    /// Lends an instance to a call, and takes it back if the call leaves it
    /// able to serve again.
    async fn enter(
        &self,
        (instances, now): (&Arc<Instances>, Instant),
        call: Box<Call>,
        visit: &mut Visit<'_>,
        permit: Permit,
    ) -> Result<Answer, Fault> {
        let background = instances.blueprint().background();
        let Lent { instance, loan } = match instances.lend_idle() {
            Some(lent) => {
                visit.lent(now);
                lent
            }
            None => {
                let lent = instances.lend_new(&call.context, now, &self.crew).await?;
                visit.lent(Instant::now());
                lent
            }
        };
        let hop = visit.hop.clone();
        let effort = (!instances.blueprint().is_hard()).then(|| instance.effort());
        let call = instance.call(call, hop, now);
        let Answered { head, left } = Demotable::new(call, effort, background, &self.crew).await?;
        let rest = match left {
            Left::Stopped(instance) => {
                drop_aside(instance, background, &self.crew);
                None
            }
            Left::Done(instance) => {
                let kept = instances.keep(instance, loan, now);
                see_to(kept, instances, &self.crew);
                None
            }
            Left::Working(working) => {
                let (home, crew) = (Arc::downgrade(instances), self.crew.clone());
                let effort = Some(working.effort());
                let rest = async move {
                    let instance = working.finish().await?;
                    let Some(home) = home.upgrade() else { return Ok(()) };
                    let kept = home.keep(instance, loan, Instant::now());
                    see_to(kept, &home, &crew);
                    Ok(())
                };
                let rest = Demotable::new(rest, effort, background, &self.crew);
                Some(rest.map(|worked| worked?).boxed())
            }
        };
        self.compose(head, rest, permit)
    }

    /// Lets a call into an instance beside others.
    async fn share(
        &self,
        (shared, now): (&SharedInstances, Instant),
        call: Box<Call>,
        visit: &mut Visit<'_>,
        permit: Permit,
    ) -> Result<Answer, Fault> {
        let (head, rest) = shared.call(call, (visit, now), &self.crew).await?;
        self.compose(head, rest, permit)
    }

    fn compose(
        &self,
        head: Result<Head, Fault>,
        work: Option<answer::Work>,
        permit: Permit,
    ) -> Result<Answer, Fault> {
        let bytes_max = self.limits().response_body_bytes;
        let rest = answer::Rest { work, permit, crew: &self.crew };
        answer::compose(head, rest, &self.declaration.name, bytes_max)
    }

    /// Makes instances before the first call, as many as a revision before this
    /// one has in use.
    pub(crate) async fn warm_up(&self, before: &Self) {
        let Some(instances) = self.supply.instances() else { return };
        let in_use = before.gate.inside().div_ceil(before.limits().calls_per_instance);
        instances.make_ahead(in_use + before.idle()).await;
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
        if let Some(instances) = self.supply.instances() {
            instances.reclaim(now);
        }
    }
}

/// Takes the root off a path, for guests that want to see only what follows.
fn strip_root(head: &mut CallHead, root: &str) {
    let rest = head.uri.path().strip_prefix(root).unwrap_or(head.uri.path());
    let path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let target = match head.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = head.uri.clone().into_parts();
    parts.path_and_query = target.parse().ok();
    head.uri = Uri::from_parts(parts).unwrap_or_default();
}

impl From<Lost> for Fault {
    fn from(_: Lost) -> Self {
        Self::Stopping
    }
}
