//! In and out of the live table: every change of what callers find.

use super::super::Refusal;
use super::super::plan::{Plan, Standing, admit, admit_together, without};
use super::super::tally::Loading;
use super::judge::Conduct;
use super::{HISTORY_MAX, Loader, Revision};
use crate::live::Live;
use crate::name::Name;
use crate::pool::{Service, StopCause};
use crate::telemetry::STATE;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::time::timeout;
use tracing::{info, warn};

impl Loader {
    pub(super) fn refuse(&mut self, file: &str, refusal: &Refusal) {
        let reason = refusal.to_string();
        self.announcer.say(&format!("refused {file}: {reason}"));
        let Some(module) = self.modules.get_mut(file) else { return };
        // Who asks why a service does not change looks at its lines.
        let live = module.live.as_ref().map(|live| &live.standing.service.declaration.name);
        let service = live.map(Name::as_str);
        warn!(target: STATE, service, file, reason, "refused");
        module.refusal = Some(reason);
    }

    /// Loaded services ask to be live. Those that are new and in nobody's way
    /// go live in one swap.
    pub(super) fn present_all(&mut self, mut revisions: Vec<(String, Revision)>) {
        if 1 < revisions.len() {
            let is_new =
                |file: &String| self.modules.get(file).is_some_and(|module| module.live.is_none());
            let new: Vec<_> = revisions.extract_if(.., |(file, _)| is_new(file)).collect();
            let service_of = |(_, revision): &(String, Revision)| revision.standing.service.clone();
            let together = admit_together(&self.standing(), new, service_of);
            if !together.admitted.is_empty() {
                self.publish(together.live);
            }
            for (file, revision) in together.admitted {
                self.note_live(&file, revision);
            }
            revisions.extend(together.in_the_way);
        }
        for (file, revision) in revisions {
            self.present(&file, revision);
        }
    }

    /// A loaded service asks to be live.
    pub(super) fn present(&mut self, file: &str, revision: Revision) {
        let standing: BTreeMap<Name, Standing> = self.standing();
        match admit(&standing, &revision.standing) {
            Plan::Refuse(conflict) => {
                self.loads.note(Loading::Refused, revision.load_ms);
                let module = self.modules.get_mut(file);
                if let Some(before) = module.and_then(|module| module.parked.replace(revision)) {
                    self.let_go(before.standing.service, StopCause::Refused);
                }
                self.refuse(file, &conflict.into());
            }
            Plan::Publish { live, giving_way } => {
                self.swap_in(file, revision, live);
                for (name, conflict) in giving_way {
                    let other = format!("{name}.wasm");
                    self.give_way(&other);
                    self.refuse(&other, &conflict.into());
                }
                self.present_parked();
            }
        }
    }

    pub(super) fn standing(&self) -> BTreeMap<Name, Standing> {
        let live = self.modules.values().filter_map(|module| module.live.as_ref());
        live.map(|r| (r.standing.service.module.clone(), r.standing.clone())).collect()
    }

    /// From here on callers find what is in this table, it hears events, its
    /// timers fire, browsers find what it exposes, and WebSockets that nobody has
    /// any more are closed.
    fn publish(&mut self, live: Live) {
        drop(self.live.publish(live));
        self.hearing.follow();
        self.timing.follow();
        self.browsers.follow();
        self.workshop.sockets.follow();
    }

    pub(super) fn swap_in(&mut self, file: &str, revision: Revision, live: Live) {
        self.publish(live);
        self.note_live(file, revision);
    }

    /// Lists a revision that callers find, and lets go of the one before.
    fn note_live(&mut self, file: &str, revision: Revision) {
        let service = revision.standing.service.clone();
        let load_ms = revision.load_ms;
        let Some(module) = self.modules.get_mut(file) else { return };
        module.refusal = None;
        let parked = module.parked.take();
        let file = revision.file;
        let before = module.live.replace(revision);
        let is_same = before.as_ref().is_some_and(|before| {
            let before = &before.standing.service;
            before.digest == service.digest && before.tier != service.tier
        });
        if let Some(before) = before.as_ref().filter(|_| !is_same) {
            module.before.insert(0, before.view());
            module.before.truncate(HISTORY_MAX);
        }
        let version = service.declaration.version.to_string();
        self.past.went_live(&service.module, &service.digest, version, &file);
        let is_pinned = self.past.pin(&service.module, &service.digest).is_some();
        match &before {
            // The same content goes on.
            Some(_) if is_same => (),
            Some(before) if !is_pinned => {
                module.conduct = Conduct::after(&before.standing.service, self.started.elapsed());
            }
            _ => module.conduct = Conduct::default(),
        }
        self.watch_over(&service);
        self.list(&service);
        let (verb, loading) = match &before {
            Some(_) if is_same => ("optimized", Loading::Optimized),
            Some(_) => ("swapped", Loading::Swapped),
            None => ("serving", Loading::Served),
        };
        self.loads.note(loading, load_ms);
        if let Some(before) = before {
            let before = before.standing.service;
            if before.registration != service.registration
                || before.manifest.key != service.manifest.key
            {
                self.registry.remove_local(&before.manifest.key, &before.registration);
            }
            let ends = !before.lives_on_in(&service);
            self.retire(before, ends.then_some(StopCause::Replaced));
        }
        if let Some(parked) = parked {
            self.let_go(parked.standing.service, StopCause::Refused);
        }
        let declaration = &service.declaration;
        let root = if declaration.root.is_empty() { "/" } else { &declaration.root };
        let (name, version, digest) = (&declaration.name, &declaration.version, service.digest);
        info!(
            target: STATE,
            service = %name, revision = %digest, %version, root, ms = load_ms, "{verb}",
        );
        self.announcer
            .say(&format!("{verb} {name} {version} ({digest}) at {root} in {load_ms} ms"));
    }

    /// A live module makes room for one that comes before it.
    fn give_way(&mut self, file: &str) {
        let Some(module) = self.modules.get_mut(file) else { return };
        let Some(revision) = module.live.take() else { return };
        let service = revision.standing.service.clone();
        module.parked = Some(revision);
        self.registry.remove_local(&service.manifest.key, &service.registration);
    }

    /// Whoever was kept out by a conflict asks again, in byte order; who has
    /// another conflict by now is refused for that one.
    pub(super) fn present_parked(&mut self) {
        let parked: Vec<String> = self
            .modules
            .iter()
            .filter(|(_, module)| module.parked.is_some() && !module.loading)
            .map(|(file, _)| file.clone())
            .collect();
        for file in parked {
            let standing = self.standing();
            let Some(module) = self.modules.get_mut(&file) else { continue };
            let Some(mut revision) = module.parked.take() else { continue };
            // It came later than whatever is live by now.
            revision.standing.batch = None;
            match admit(&standing, &revision.standing) {
                Plan::Publish { live, .. } => {
                    revision.live_since = SystemTime::now();
                    self.swap_in(&file, revision, live);
                }
                Plan::Refuse(conflict) => {
                    module.parked = Some(revision);
                    let refusal = Refusal::from(conflict);
                    if module.refusal != Some(refusal.to_string()) {
                        self.refuse(&file, &refusal);
                    }
                }
            }
        }
    }

    pub(super) fn remove(&mut self, file: &str) {
        let Some(module) = self.modules.remove(file) else { return };
        self.settling.forget(file);
        self.awaited.remove(file);
        self.forget_deploy(file);
        if let Some(parked) = module.parked {
            self.let_go(parked.standing.service, StopCause::Removed);
        }
        let Some(revision) = module.live else { return };
        let service = revision.standing.service;
        // The module is no longer among those that stand.
        let next = without(&self.standing(), &service.module);
        self.publish(next);
        self.registry.remove_local(&service.manifest.key, &service.registration);
        let (name, version) = (&service.declaration.name, &service.declaration.version);
        let digest = service.digest;
        info!(target: STATE, service = %name, revision = %digest, %version, "removed");
        self.announcer.say(&format!("removed {name} {version} ({digest})"));
        self.retire(service, Some(StopCause::Removed));
        self.present_parked();
    }

    /// Lets a revision that is no longer found finish what it has begun, and then
    /// stop, unless it goes on with other code.
    fn retire(&self, service: Arc<Service>, cause: Option<StopCause>) {
        service.close();
        let drain_max = self.drain_max;
        let record = service.record(&self.domain, &self.node);
        let leaving = self.registry.show_leaving(&service.manifest.key, record);
        // When the host goes down meanwhile, it waits for this as long as for calls.
        self.workshop.crew.hire("drain", |_stop| async move {
            let drained = timeout(drain_max, service.emptied()).await;
            drop(leaving);
            if drained.is_err() {
                let name = &service.declaration.name;
                let (inside, _) = service.load();
                warn!(service = %name, inside, "still answering after the drain");
            }
            if let Some(cause) = cause {
                service.stop(cause).await;
            }
        });
    }

    /// Lets a revision stop that nobody has found.
    pub(super) fn let_go(&self, service: Arc<Service>, cause: StopCause) {
        self.workshop.crew.hire("stop", |_stop| async move { service.stop(cause).await });
    }

    /// Lets what is refused stop, unless it is the same revision as another one.
    pub(super) fn discard(&self, service: Arc<Service>, other: &Service) {
        if !service.lives_on_in(other) {
            self.let_go(service, StopCause::Refused);
        }
    }

    /// Lets everything stop.
    pub(super) async fn stop_all(&self) {
        let revisions =
            self.modules.values().flat_map(|module| module.live.iter().chain(&module.parked));
        let stops = revisions.map(|revision| revision.standing.service.stop(StopCause::Shutdown));
        join_all(stops).await;
    }
}
