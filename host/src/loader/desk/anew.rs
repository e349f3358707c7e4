//! The live revision made anew, of the same content: new instances, and secrets
//! as they are now.

use super::super::Refusal;
use super::super::job::{Loaded, Sound};
use super::super::plan::{Plan, Standing, admit};
use super::jobs::Optimizing;
use super::orders::{Named, OrderError, Reply};
use super::{Loader, Revision};
use crate::live::Live;
use crate::pool::Service;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::warn;

/// A restart that is under way.
pub(super) struct Restarting {
    pub(super) live: Arc<Service>,
    pub(super) reply: Reply<Restarted>,
}

/// What a restart did.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Restarted {
    service: String,
    version: String,
    digest: String,
    /// Milliseconds until callers found the new instances.
    ms: u64,
}

/// What is left to do after it.
#[derive(Default)]
pub(super) struct Anew {
    pub(super) hurried: Option<(String, Arc<Sound>, Arc<Service>)>,
    /// There is newer content to load.
    pub(super) again: bool,
}

impl Restarting {
    pub(super) fn end(self, outcome: Result<Restarted, OrderError>) {
        if let Err(error) = &outcome {
            warn!(service = %self.live.declaration.name, %error, "not restarted");
        }
        // Who asked may have left.
        let _ = self.reply.send(outcome);
    }
}

impl Loader {
    /// Begins a restart.
    pub(super) fn restart(&mut self, named: &Named, reply: Reply<Restarted>) {
        let live = match self.named(named) {
            Ok(live) => live,
            Err(error) => {
                let _ = reply.send(Err(error.into()));
                return;
            }
        };
        let file = format!("{}.wasm", live.module);
        let restarting = Restarting { live, reply };
        if self.modules.get(&file).is_none_or(|module| module.loading) {
            return restarting.end(Err(OrderError::Loading { file }));
        }
        self.begin_anew(&file, restarting);
    }

    /// Puts the new one in the place of the live one.
    pub(super) fn take_anew(
        &mut self,
        file: &str,
        load_ms: u64,
        restarting: Restarting,
        outcome: Result<Loaded, Refusal>,
    ) -> Anew {
        let mut anew = Anew::default();
        let Some(module) = self.modules.get_mut(file) else { return anew };
        module.loading = false;
        anew.again = std::mem::take(&mut module.again);
        let wanted = module.optimizing.take();
        // Better code may have come meanwhile; what was changed was changed there.
        let content = module.live.as_ref().map(|live| {
            let before = &live.standing.service;
            if let Ok(loaded) = &outcome {
                carry_over(before, &loaded.service);
            }
            live.file
        });
        let planned = outcome.and_then(|loaded| {
            let standing = Standing { service: loaded.service.clone(), batch: None };
            match admit(&self.standing(), &standing) {
                Plan::Publish { live, .. } => Ok((loaded, standing, live)),
                Plan::Refuse(conflict) => {
                    self.discard(loaded.service, &restarting.live);
                    Err(conflict.into())
                }
            }
        });
        let (loaded, standing, live) = match planned {
            Ok(planned) => planned,
            Err(refusal) => {
                if let Some(Optimizing { sound, before, .. }) = wanted {
                    anew.hurried = Some((file.to_owned(), sound, before));
                }
                restarting.end(Err(OrderError::NotRestarted { reason: refusal.to_string() }));
                return anew;
            }
        };
        let (service, live_since) = (loaded.service.clone(), SystemTime::now());
        let content = content.unwrap_or(loaded.file);
        let revision = Revision { standing, file: content, load_ms, live_since };
        self.swap_in_anew(file, revision, live);
        let (name, version) = (&service.declaration.name, &service.declaration.version);
        self.announcer.say(&format!("restarted {name} {version} ({})", service.digest));
        self.present_parked();
        restarting.end(Ok(Restarted {
            service: name.to_string(),
            version: version.to_string(),
            digest: service.digest.whole(),
            ms: load_ms,
        }));
        anew.hurried = loaded.sound.map(|sound| (file.to_owned(), sound, service));
        anew
    }
}

impl Loader {
    /// Swaps, and leaves alone what is known of newer content and of older revisions.
    fn swap_in_anew(&mut self, file: &str, revision: Revision, live: Live) {
        let module = self.modules.get_mut(file);
        let before = module
            .map(|module| (module.refusal.take(), module.parked.take(), module.before.clone()));
        self.swap_in(file, revision, live);
        if let (Some(module), Some(before)) = (self.modules.get_mut(file), before) {
            (module.refusal, module.parked, module.before) = before;
        }
    }
}

/// What was changed of a revision while it ran stays changed.
pub(super) fn carry_over(before: &Service, service: &Service) {
    service.set_concurrency(before.limits_now().concurrency);
    service.set_traffic(before.traffic());
    if let Some(reason) = before.withdrawn() {
        service.withdraw(reason.to_owned());
    }
}
