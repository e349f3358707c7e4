//! Versions that fail more than the old one are taken out of traffic, where
//! their manifests ask for it. The rule is [`crate::withdraw`].

use super::back::GoingBack;
use super::orders::OrderError;
use super::{Loader, Module};
use crate::pool::Service;
use crate::record::Now;
use crate::withdraw::{Excess, Rule, Tally, Watch};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::warn;

/// What is known of how the live revision of a module fails.
#[derive(Default)]
pub(super) struct Conduct {
    /// Beside older versions.
    watch: Watch,
    /// What the revision before had done when it was replaced, and when that
    /// was.
    before: Option<(Tally, Now)>,
}

/// What is to be done with a live revision.
enum Sentence {
    /// Others take its traffic.
    Withdraw(Arc<Service>, Excess),
    /// The revision before takes its place.
    GoBack(Arc<Service>, Excess),
}

/// How often versions are looked at.
const JUDGED_EVERY: Duration = Duration::from_millis(250);

impl Conduct {
    /// Of a revision that took the place of another just now.
    pub(super) fn after(before: &Service, now: Now) -> Self {
        Self { watch: Watch::default(), before: Some((before.counts.tally(), now)) }
    }

    /// How much more than the revision before it has failed, while it is new.
    fn fails_more_than_before(&self, rule: &Rule, its: Tally, now: Now) -> Option<Excess> {
        let is_new = |(_, at): &(Tally, Now)| now < *at + rule.window;
        self.before.filter(is_new).and_then(|(before, _)| rule.judge(its, before))
    }
}

impl Loader {
    /// Looks at versions from now on, if this one asks for it.
    pub(super) fn watch_over(&mut self, service: &Service) {
        if service.manifest.withdraw.is_some() && self.judge_at.is_none() {
            self.judge_at = Some(Instant::now() + JUDGED_EVERY);
        }
    }

    /// Looks at every version whose manifest asks for it.
    pub(super) fn judge_versions(&mut self) {
        let now = self.started.elapsed();
        let live: Vec<Arc<Service>> = self.live_services().cloned().collect();
        let judged = self.modules.values_mut();
        let sentences: Vec<Sentence> =
            judged.filter_map(|module| module.judge(&live, now)).collect();
        for sentence in sentences {
            match sentence {
                Sentence::Withdraw(service, excess) => self.withdraw(&service, excess),
                Sentence::GoBack(service, excess) => self.go_back(service, excess),
            }
        }
        let is_judged = |service: &Arc<Service>| service.manifest.withdraw.is_some();
        let goes_on = self.live_services().any(is_judged);
        self.judge_at = goes_on.then(|| Instant::now() + JUDGED_EVERY);
    }

    /// Takes a version out of traffic: those beside it have it from now on.
    fn withdraw(&mut self, service: &Service, excess: Excess) {
        if self.live_services().all(|other| !is_older(other, service)) {
            // Whoever was beside it was withdrawn just now.
            return;
        }
        let reason = excess.to_string();
        let (name, version) = (&service.declaration.name, &service.declaration.version);
        warn!(service = %name, %version, reason, "withdrawn");
        let line = format!("withdrew {name} {version} ({}): {reason}", service.digest);
        self.past.withdraw(&service.module, &service.digest, &reason);
        service.withdraw(reason);
        self.list(service);
        self.announcer.say(&line);
    }

    /// Takes a revision back that replaced another.
    fn go_back(&mut self, from: Arc<Service>, excess: Excess) {
        let file = format!("{}.wasm", from.module);
        let to = self.revision_before(&from);
        if matches!(to, Err(OrderError::Loading { .. })) {
            // There may be other content in a moment.
            return;
        }
        if let Some(module) = self.modules.get_mut(&file) {
            module.conduct.before = None;
        }
        let reason = Some(excess.to_string());
        match to {
            Ok(to) => self.begin_again(&file, GoingBack { from, to, reason, reply: None }),
            Err(error) => {
                let service = &from.declaration.name;
                warn!(%service, reason, %error, "fails more than before and cannot be taken back");
            }
        }
    }
}

impl Module {
    fn judge(&mut self, live: &[Arc<Service>], now: Now) -> Option<Sentence> {
        let service = &self.live.as_ref()?.standing.service;
        let rule = service.manifest.withdraw.filter(|_| 0 < service.traffic())?;
        let its = service.counts.tally();
        if let Some(excess) = self.conduct.fails_more_than_before(&rule, its, now) {
            return Some(Sentence::GoBack(service.clone(), excess));
        }
        let mut older = live.iter().filter(|other| is_older(other, service)).peekable();
        // Without another one that takes its traffic it is kept.
        older.peek()?;
        let others = older.map(|other| other.counts.tally()).fold(Tally::default(), Tally::plus);
        let excess = self.conduct.watch.look(&rule, now, its, others)?;
        Some(Sentence::Withdraw(service.clone(), excess))
    }
}

/// Whether a service is an older version of another, and takes traffic.
fn is_older(other: &Service, service: &Service) -> bool {
    other.declaration.name == service.declaration.name
        && other.declaration.version < service.declaration.version
        && 0 < other.traffic()
}
