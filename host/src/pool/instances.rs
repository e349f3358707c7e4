//! Instances of one revision that wait for a call.

use crate::engine::{Blueprint, Instance, Keeper, Slots};
use crate::fault::Fault;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// Calls an instance may serve, drawn anew for each, so that nobody leans on
/// memory that outlives a call.
const CALLS: RangeInclusive<u64> = 5_000..=20_000;
/// Seconds an instance may stay idle, drawn likewise.
const IDLE_SECONDS: RangeInclusive<u64> = 30..=90;

/// Idle instances of one revision. The one that came back last goes out first,
/// so those that are not needed grow old.
pub(super) struct Instances {
    blueprint: Blueprint,
    idle: Mutex<Vec<Idle>>,
    kept_max: usize,
    slots: Arc<Slots>,
}

struct Idle {
    instance: Instance,
    since: Instant,
    loan: Loan,
}

/// How long an instance may be kept.
#[derive(Clone, Copy)]
pub(super) struct Loan {
    calls_left: u64,
    idle_max: Duration,
}

/// An instance on loan. Dropping it throws it away; see [`Instances::keep`].
pub(super) struct Lent {
    pub(super) instance: Instance,
    pub(super) loan: Loan,
}

impl Instances {
    pub(super) fn new(blueprint: Blueprint, kept_max: usize, slots: &Arc<Slots>) -> Arc<Self> {
        let slots = slots.clone();
        let instances = Arc::new(Self { blueprint, idle: Mutex::default(), kept_max, slots });
        let keeper: Weak<dyn Keeper> = Arc::downgrade(&instances) as Weak<dyn Keeper>;
        instances.slots.enlist(keeper);
        instances
    }

    /// How many wait.
    pub(super) fn idle(&self) -> usize {
        self.lock().len()
    }

    /// Lends one that waits.
    pub(super) fn lend_idle(&self) -> Option<Lent> {
        let Idle { instance, loan, .. } = self.lock().pop()?;
        Some(Lent { instance, loan })
    }

    /// Makes one and lends it.
    pub(super) async fn lend_new(&self) -> Result<Lent, Fault> {
        match self.blueprint.instantiate().await {
            Ok(instance) => Ok(Lent { instance, loan: Loan::draw() }),
            Err(shortage) => Err(self.blueprint.shortage(&shortage)),
        }
    }

    /// Takes one back after a call that ended cleanly.
    pub(super) fn keep(&self, instance: Instance, mut loan: Loan, now: Instant) {
        loan.calls_left = loan.calls_left.saturating_sub(1);
        if loan.calls_left == 0 {
            return;
        }
        let mut idle = self.lock();
        if idle.len() < self.kept_max {
            idle.push(Idle { instance, since: now, loan });
        }
    }

    /// Drops those that have been idle for too long.
    pub(super) fn reclaim(&self, now: Instant) {
        let is_kept = |idle: &mut Idle| now < idle.since + idle.loan.idle_max;
        let gone: Vec<Idle> = self.lock().extract_if(.., |idle| !is_kept(idle)).collect();
        // Outside the lock: what takes longest is dropping them.
        drop(gone);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper for Instances {
    fn give_up_one(&self) -> bool {
        let given_up = self.lock().pop();
        given_up.is_some()
    }
}

impl Loan {
    fn draw() -> Self {
        let idle_max = Duration::from_secs(draw(IDLE_SECONDS));
        Self { calls_left: draw(CALLS), idle_max }
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
