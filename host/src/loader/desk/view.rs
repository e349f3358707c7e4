//! What the folder's state looks like from outside.

use super::super::past::Past;
use super::super::{ModuleState, ModuleView, RevisionView};
use super::{Module, Revision};

impl Module {
    pub(super) fn view(&self, file: &str, past: &Past) -> ModuleView {
        let state = match (&self.refusal, &self.live) {
            (Some(_), _) => ModuleState::Refused,
            (None, Some(_)) => ModuleState::Serving,
            (None, None) => ModuleState::Loading,
        };
        let pin = self.live.as_ref().and_then(|live| {
            let service = &live.standing.service;
            past.pin(&service.module, &service.digest)
        });
        let live = self.live.iter().map(Revision::view);
        ModuleView {
            file: file.to_owned(),
            state,
            refusal: self.refusal.clone(),
            pinned: pin.map(|pin| pin.why),
            revisions: live.chain(self.before.iter().cloned()).collect(),
        }
    }
}

impl Revision {
    pub(super) fn view(&self) -> RevisionView {
        let service = &self.standing.service;
        RevisionView {
            service: service.declaration.name.to_string(),
            version: service.declaration.version.to_string(),
            digest: service.digest,
            tier: service.tier,
            load_ms: self.load_ms,
            live_since: self.live_since,
        }
    }
}
