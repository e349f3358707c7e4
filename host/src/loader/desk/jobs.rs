//! What is done beside the desk: loads, and better code for what was loaded in
//! a hurry.

use super::super::Refusal;
use super::super::job::{Loaded, Sound};
use super::super::plan::Standing;
use super::{Loader, Revision};
use crate::crew::StopSignal;
use crate::pool::Service;
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
    Load { batch: u64, loaded: Result<Loaded, Refusal> },
    Optimize(Result<Arc<Service>, Refusal>),
}

/// Dropping it gives up the compile.
pub(super) struct Optimizing(#[expect(dead_code, reason = "held")] oneshot::Sender<()>);

impl Loader {
    /// Begins to load a file, or notes that it must be loaded once more.
    pub(super) fn begin(&mut self, file: &str) {
        let Some(module) = self.modules.get_mut(file) else { return };
        if module.loading {
            module.again = true;
            return;
        }
        module.loading = true;
        let live = module.live.as_ref().map(|revision| revision.standing.service.clone());
        let (module_id, batch) = (module.id, self.batch);
        let (file, workshop) = (file.to_owned(), self.workshop.clone());
        self.hire("load", module_id, file.clone(), async move |mut stop: StopSignal| {
            tokio::select! {
                () = stop.stopped() => None,
                loaded = AssertUnwindSafe(workshop.load(file, live)).catch_unwind() => {
                    let loaded = loaded.unwrap_or(Err(Refusal::Lost));
                    Some(Job::Load { batch, loaded })
                }
            }
        });
    }

    /// Begins to compile better code for a service.
    fn optimize(&mut self, file: &str, sound: Arc<Sound>, before: Arc<Service>) {
        let Some(module) = self.modules.get_mut(file) else { return };
        let (sender, given_up) = oneshot::channel();
        module.optimizing = Some(Optimizing(sender));
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
        self.workshop.crew.hire(task, |stop| async move {
            let Some(job) = job(stop).await else { return };
            // The loader has stopped when nobody listens.
            let _ = sender.send(Outcome { file, module_id, started, job }).await;
        });
    }

    pub(super) fn take_outcome(&mut self, outcome: Outcome) {
        let Outcome { file, module_id, started, job } = outcome;
        if self.modules.get(&file).is_none_or(|module| module.id != module_id) {
            info!(file, "was removed while it was loading");
            return;
        }
        let load_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match job {
            Job::Load { batch, loaded } => self.take_loaded(&file, batch, load_ms, loaded),
            Job::Optimize(Ok(service)) => self.take_optimized(&file, service, load_ms),
            Job::Optimize(Err(refusal)) => {
                warn!(file, %refusal, "no better code, what was compiled in a hurry serves on");
            }
        }
        self.render();
    }

    fn take_loaded(
        &mut self,
        file: &str,
        batch: u64,
        load_ms: u64,
        loaded: Result<Loaded, Refusal>,
    ) {
        let Some(module) = self.modules.get_mut(file) else { return };
        module.loading = false;
        let again = std::mem::take(&mut module.again);
        match loaded {
            Ok(Loaded { service, sound }) => {
                module.optimizing = None;
                let batch = module.live.is_none().then_some(batch);
                let standing = Standing { service: service.clone(), batch };
                let revision = Revision { standing, load_ms, live_since: SystemTime::now() };
                self.present(file, revision);
                // When there is newer content, it is that which is optimized.
                if let Some(sound) = sound.filter(|_| !again) {
                    self.optimize(file, sound, service);
                }
            }
            Err(refusal) => {
                module.parked = None;
                if refusal.is_passing() {
                    // The next look through the folder tries it again.
                    module.taken = None;
                }
                self.refuse(file, &refusal);
            }
        }
        if again {
            self.begin(file);
        } else {
            self.awaited.remove(file);
        }
    }

    /// Puts better code in the place of the same content.
    fn take_optimized(&mut self, file: &str, service: Arc<Service>, load_ms: u64) {
        let Some(module) = self.modules.get_mut(file) else { return };
        module.optimizing = None;
        let is_same = |known: &Revision| known.standing.service.digest == service.digest;
        if let Some(parked) = module.parked.as_mut().filter(|parked| is_same(parked)) {
            parked.standing.service = service;
        } else if let Some(live) = module.live.as_ref().filter(|live| is_same(live)) {
            service.set_concurrency(live.standing.service.limits_now().concurrency);
            let live_since = live.live_since;
            let standing = Standing { service, batch: None };
            self.present(file, Revision { standing, load_ms, live_since });
        }
    }
}
