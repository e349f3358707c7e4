//! Back to the revision before: from what the host keeps, through the same plan
//! and swap as any other.

use super::super::Refusal;
use super::super::job::{Loaded, Sound};
use super::super::plan::{Plan, Standing, admit};
use super::jobs::Optimizing;
use super::orders::{Named, OrderError, Reply, RolledBack};
use super::{Loader, Revision};
use crate::digest::Digest;
use crate::pool::Service;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::{info, warn};

/// A rollback that is under way.
pub(super) struct GoingBack {
    pub(super) from: Arc<Service>,
    pub(super) to: Digest,
    /// Why the host decided so by itself.
    pub(super) reason: Option<String>,
    /// Who waits for it; nobody when the host decided by itself.
    pub(super) reply: Option<Reply<RolledBack>>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct WentBack {
    pub(super) hurried: Option<(String, Arc<Sound>, Arc<Service>)>,
    /// There is newer content to load.
    pub(super) again: bool,
}

impl GoingBack {
    pub(super) fn end(self, outcome: Result<RolledBack, OrderError>) {
        if let Err(error) = &outcome {
            let service = &self.from.declaration.name;
            warn!(%service, %error, "not rolled back");
        }
        if let Some(reply) = self.reply {
            // Who asked may have left.
            let _ = reply.send(outcome);
        }
    }
}

impl Loader {
    /// Begins a rollback that somebody asked for.
    pub(super) fn roll_back(&mut self, named: &Named, reply: Reply<RolledBack>) {
        let outcome = self.named(named).map_err(OrderError::from).and_then(|live| {
            let to = self.revision_before(&live)?;
            Ok(GoingBack { from: live, to, reason: None, reply: None })
        });
        match outcome {
            Ok(going_back) => {
                let file = format!("{}.wasm", going_back.from.module);
                self.begin_again(&file, GoingBack { reply: Some(reply), ..going_back });
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }

    /// What a live service can be rolled back to.
    pub(super) fn revision_before(&self, live: &Service) -> Result<Digest, OrderError> {
        let service = live.declaration.name.to_string();
        let file = format!("{}.wasm", live.module);
        if self.modules.get(&file).is_none_or(|module| module.loading) {
            return Err(OrderError::Loading { file });
        }
        let before = self.past.before(&live.module, &live.digest);
        let Some(before) = before else { return Err(OrderError::NothingBefore { service }) };
        let digest = Digest::parse(&before.digest).filter(|to| self.past.holds(&live.module, to));
        digest.ok_or(OrderError::NotKept { service, version: before.version })
    }

    /// Puts a revision from before in the place of the live one.
    pub(super) fn take_rolled_back(
        &mut self,
        file: &str,
        load_ms: u64,
        going_back: GoingBack,
        outcome: Result<Loaded, Refusal>,
    ) -> WentBack {
        let mut went = WentBack::default();
        let Some(module) = self.modules.get_mut(file) else { return went };
        module.loading = false;
        went.again = std::mem::take(&mut module.again);
        let wanted = module.optimizing.take();
        let planned = outcome.and_then(|loaded| {
            let standing = Standing { service: loaded.service.clone(), batch: None };
            match admit(&self.standing(), &standing) {
                Plan::Publish { live, .. } => Ok((loaded, standing, live)),
                Plan::Refuse(conflict) => {
                    self.discard(loaded.service, &going_back.from);
                    Err(conflict.into())
                }
            }
        });
        let (loaded, standing, live) = match planned {
            Ok(planned) => planned,
            Err(refusal) => {
                if let Some(Optimizing { sound, before, .. }) = wanted {
                    went.hurried = Some((file.to_owned(), sound, before));
                }
                going_back.end(Err(OrderError::Refused { reason: refusal.to_string() }));
                return went;
            }
        };
        let (from, to) = (going_back.from.clone(), loaded.service.clone());
        let rolled_back = RolledBack::between(&from, &to);
        let (name, was, is) = (&rolled_back.service, &rolled_back.from, &rolled_back.to);
        let (why, line) = match &going_back.reason {
            None => {
                (format!("rolled back from {was}"), format!("rolled back {name} {was} to {is}"))
            }
            Some(reason) => {
                let why = format!("withdrew {was}: {reason}");
                (why, format!("withdrew {name} {was}: {reason}; back to {is}"))
            }
        };
        info!(service = name, from = %was, to = %is, reason = going_back.reason, "rolled back");
        self.past.roll_back(&to.module, &to.digest, &why);
        let live_since = SystemTime::now();
        // What the file held stays what it was.
        let content = self.past.content(&to.module).unwrap_or(loaded.file);
        self.swap_in(file, Revision { standing, file: content, load_ms, live_since }, live);
        self.announcer.say(&line);
        self.present_parked();
        going_back.end(Ok(rolled_back));
        went.hurried = loaded.sound.map(|sound| (file.to_owned(), sound, to));
        went
    }
}
