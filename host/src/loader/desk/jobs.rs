//! What is done beside the desk: loads, and better code for what was loaded in
//! a hurry.

use super::super::Refusal;
use super::super::job::{Loaded, Sound};
use super::super::plan::Standing;
use super::super::tally::Loading;
use super::anew::{Restarting, carry_over};
use super::back::GoingBack;
use super::deploy::Told;
use super::orders::OrderError;
use super::{Loader, Module, Revision};
use crate::crew::StopSignal;
use crate::pool::{Service, StartCause, StopCause};
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{info, warn};

/// What came of a job for a file.
pub(super) struct Outcome {
    file: String,
    module_id: u64,
    started: Instant,
    job: Job,
}

enum Job {
    Load { batch: u64, before: Option<Arc<Service>>, loaded: Result<Loaded, Refusal> },
    Optimize(Result<Arc<Service>, Refusal>),
    RollBack { going_back: GoingBack, loaded: Result<Loaded, Refusal> },
    Restart { restarting: Restarting, loaded: Result<Loaded, Refusal> },
}

impl Job {
    /// Ends it when its module is gone: who waits is told. What it made is handed
    /// back if it is a revision of its own; what goes on as another one ends with that.
    fn end_removed(self) -> Option<Arc<Service>> {
        let (before, loaded) = match self {
            Self::Load { before, loaded, .. } => (before, loaded),
            Self::RollBack { going_back, loaded } => {
                let before = going_back.from.clone();
                going_back.end(Err(OrderError::TakenOut));
                (Some(before), loaded)
            }
            Self::Restart { restarting, loaded } => {
                let before = restarting.live.clone();
                restarting.end(Err(OrderError::TakenOut));
                (Some(before), loaded)
            }
            Self::Optimize(_) => return None,
        };
        let service = loaded.ok()?.service;
        let lives_on = before.is_some_and(|before| service.lives_on_in(&before));
        (!lives_on).then_some(service)
    }
}

/// Better code for what is live is wanted, and compiled unless something newer
/// is being loaded.
pub(super) struct Optimizing {
    pub(super) sound: Arc<Sound>,
    pub(super) before: Arc<Service>,
    /// Dropping it gives up the compile.
    under_way: Option<oneshot::Sender<()>>,
}

/// A revision that asks to be live.
struct Presented {
    file: String,
    revision: Revision,
    sound: Option<Arc<Sound>>,
}

/// What came of a load.
#[derive(Default)]
struct Took {
    presented: Option<Presented>,
    /// There is newer content to load.
    again: bool,
}

impl Presented {
    /// What better code is made from, for one that was compiled in a hurry.
    fn hurried(&mut self) -> Option<(String, Arc<Sound>, Arc<Service>)> {
        let sound = self.sound.take()?;
        Some((self.file.clone(), sound, self.revision.standing.service.clone()))
    }
}

impl Module {
    /// It is being loaded. Whoever waits for that goes before better code.
    fn begin_load(&mut self) {
        self.loading = true;
        if let Some(optimizing) = &mut self.optimizing {
            optimizing.under_way = None;
        }
    }
}

/// What came of a load; nothing when the host stops before.
async fn unless_stopped(
    mut stop: StopSignal,
    load: impl Future<Output = Result<Loaded, Refusal>>,
) -> Option<Result<Loaded, Refusal>> {
    tokio::select! {
        () = stop.stopped() => None,
        loaded = AssertUnwindSafe(load).catch_unwind() => {
            Some(loaded.unwrap_or(Err(Refusal::Lost)))
        }
    }
}

impl Loader {
    /// Begins to load a file, or notes that it must be loaded once more.
    pub(super) fn begin(&mut self, file: &str) {
        let Some(module) = self.modules.get_mut(file) else { return };
        if module.loading {
            module.again = true;
            return;
        }
        module.begin_load();
        let live = module.live.as_ref().map(|revision| revision.standing.service.clone());
        let (module_id, batch, before) = (module.id, self.batch, live.clone());
        let (file, workshop) = (file.to_owned(), self.workshop.clone());
        let cause = if live.is_some() { StartCause::Swap } else { StartCause::Load };
        self.hire("load", module_id, file.clone(), async move |stop: StopSignal| {
            let load = async { workshop.load(file, live).await?.started(cause).await };
            let loaded = unless_stopped(stop, load).await?;
            Some(Job::Load { batch, before, loaded })
        });
    }

    /// Begins to load a revision that was live before.
    pub(super) fn begin_again(&mut self, file: &str, going_back: GoingBack) {
        let Some(module) = self.modules.get_mut(file) else { return };
        module.begin_load();
        let (module_id, workshop) = (module.id, self.workshop.clone());
        let (digest, live) = (going_back.to, going_back.from.clone());
        self.hire("roll back", module_id, file.to_owned(), async move |stop: StopSignal| {
            let load = async {
                workshop.load_again(digest, live).await?.started(StartCause::Rollback).await
            };
            let loaded = unless_stopped(stop, load).await?;
            Some(Job::RollBack { going_back, loaded })
        });
    }

    /// Begins to make the live revision anew.
    pub(super) fn begin_anew(&mut self, file: &str, restarting: Restarting) {
        let Some(module) = self.modules.get_mut(file) else { return };
        module.begin_load();
        let (module_id, workshop) = (module.id, self.workshop.clone());
        let live = restarting.live.clone();
        self.hire("restart", module_id, file.to_owned(), async move |stop: StopSignal| {
            // It is the same revision, which has started.
            let loaded = unless_stopped(stop, workshop.load_same(live)).await?;
            Some(Job::Restart { restarting, loaded })
        });
    }

    /// Begins to compile better code for a service.
    pub(super) fn optimize(&mut self, file: &str, sound: Arc<Sound>, before: Arc<Service>) {
        let Some(module) = self.modules.get_mut(file) else { return };
        let (sender, given_up) = oneshot::channel();
        module.optimizing = Some(Optimizing {
            sound: sound.clone(),
            before: before.clone(),
            under_way: Some(sender),
        });
        let (module_id, workshop) = (module.id, self.workshop.clone());
        self.hire("optimize", module_id, file.to_owned(), async move |mut stop: StopSignal| {
            let optimize = AssertUnwindSafe(workshop.optimize(&sound, &before)).catch_unwind();
            tokio::select! {
                () = stop.stopped() => None,
                _ = given_up => None,
                made = optimize => Some(Job::Optimize(made.unwrap_or(Err(Refusal::Lost)))),
            }
        });
    }

    fn hire<J, F>(&self, task: &'static str, module_id: u64, file: String, job: J)
    where
        J: FnOnce(StopSignal) -> F + Send + 'static,
        F: Future<Output = Option<Job>> + Send,
    {
        let (started, sender) = (Instant::now(), self.results.0.clone());
        // Not where requests are served: it reads and checks megabytes, and
        // runs a guest of which nothing is known yet.
        let background = self.workshop.engine.background();
        self.workshop.crew.hire_on(background.handle(), task, |stop| async move {
            let Some(job) = job(stop).await else { return };
            // The loader has stopped when nobody listens.
            let _ = sender.send(Outcome { file, module_id, started, job }).await;
        });
    }

    /// Takes everything that is done by now. What was loaded is presented
    /// together: a table is built whole, whether one service joins it or fifty.
    pub(super) fn take_outcomes(&mut self, first: Outcome) {
        let mut next = Some(first);
        let (mut loaded, mut again, mut hurried) = (Vec::new(), Vec::new(), Vec::new());
        let mut ended = Vec::new();
        while let Some(outcome) = next {
            let Outcome { file, module_id, started, job } = outcome;
            let load_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            match (self.modules.get(&file).is_some_and(|module| module.id == module_id), job) {
                (false, job) => {
                    info!(file, "was removed while it was loading");
                    if let Some(service) = job.end_removed() {
                        self.let_go(service, StopCause::Removed);
                    }
                }
                (true, Job::Load { batch, loaded: outcome, .. }) => {
                    let took = self.take_loaded(&file, batch, load_ms, outcome);
                    loaded.extend(took.presented);
                    again.extend(took.again.then_some(file.clone()));
                    ended.push(file);
                }
                (true, Job::Optimize(Ok(service))) => self.take_optimized(&file, service, load_ms),
                (true, Job::RollBack { going_back, loaded: outcome }) => {
                    let took = self.take_rolled_back(&file, load_ms, going_back, outcome);
                    hurried.extend(took.hurried);
                    again.extend(took.again.then_some(file));
                }
                (true, Job::Restart { restarting, loaded: outcome }) => {
                    let anew = self.take_anew(&file, load_ms, restarting, outcome);
                    hurried.extend(anew.hurried);
                    again.extend(anew.again.then_some(file));
                }
                (true, Job::Optimize(Err(refusal))) => {
                    warn!(file, %refusal, "no better code, what was compiled in a hurry serves on");
                    self.modules.entry(file).and_modify(|module| module.optimizing = None);
                }
            }
            next = self.results.1.try_recv().ok();
        }
        hurried.extend(loaded.iter_mut().filter_map(Presented::hurried));
        self.present_all(loaded.into_iter().map(|new| (new.file, new.revision)).collect());
        for (file, sound, service) in hurried {
            self.optimize(&file, sound, service);
        }
        // Before what was saved meanwhile is loaded: that is not what was asked for.
        let told: Vec<Told> = ended.iter().filter_map(|file| self.judged(file)).collect();
        for file in again {
            self.begin(&file);
        }
        self.render();
        // Whoever is told finds it in the views.
        told.into_iter().for_each(Told::tell);
    }

    fn take_loaded(
        &mut self,
        file: &str,
        batch: u64,
        load_ms: u64,
        outcome: Result<Loaded, Refusal>,
    ) -> Took {
        let mut took = Took::default();
        let Some(module) = self.modules.get_mut(file) else { return took };
        module.loading = false;
        took.again = std::mem::take(&mut module.again);
        match outcome {
            Ok(Loaded { service, file: content, sound }) => {
                module.optimizing = None;
                let batch = module.live.is_none().then_some(batch);
                let standing = Standing { service, batch };
                let live_since = SystemTime::now();
                let revision = Revision { standing, file: content, load_ms, live_since };
                // When there is newer content, it is that which is optimized.
                let sound = sound.filter(|_| !took.again);
                took.presented = Some(Presented { file: file.to_owned(), revision, sound });
            }
            Err(refusal) => {
                self.loads.note(Loading::Refused, load_ms);
                let parked = module.parked.take();
                if refusal.is_passing() {
                    // The next look through the folder tries it again.
                    module.taken = None;
                }
                let wanted = if took.again { None } else { module.optimizing.take() };
                self.refuse(file, &refusal);
                if let Some(parked) = parked {
                    self.let_go(parked.standing.service, StopCause::Refused);
                }
                if let Some(Optimizing { sound, before, .. }) = wanted {
                    // What it gave way to was nothing.
                    self.optimize(file, sound, before);
                }
            }
        }
        if !took.again {
            self.awaited.remove(file);
        }
        took
    }

    /// Puts better code in the place of the same content.
    fn take_optimized(&mut self, file: &str, service: Arc<Service>, load_ms: u64) {
        let Some(module) = self.modules.get_mut(file) else { return };
        module.optimizing = None;
        let is_same = |known: &Revision| known.standing.service.digest == service.digest;
        if let Some(parked) = module.parked.as_mut().filter(|parked| is_same(parked)) {
            parked.standing.service = service;
        } else if let Some(live) = module.live.as_ref().filter(|live| is_same(live)) {
            carry_over(&live.standing.service, &service);
            let (content, live_since) = (live.file, live.live_since);
            let standing = Standing { service, batch: None };
            self.present(file, Revision { standing, file: content, load_ms, live_since });
        }
    }
}
