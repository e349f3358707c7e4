//! Instances of one revision that wait for a call.

use super::demote::Demotable;
use crate::call::CallContext;
use crate::crew::Crew;
use crate::engine::{Blueprint, Given, Instance, Keeper, Loan, Slots};
use crate::fault::Fault;
use crate::limits::ModuleLimits;
use crate::manifest::Isolation;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// An instance whose memory is larger than this is one of the few that a
/// service may keep.
const GROWN_BYTES: usize = 8 << 20;
/// Instances made ahead of need.
const AHEAD_MAX: usize = 8;

/// Idle instances of one revision. The one that came last goes out first, so
/// those that are not needed grow old.
///
/// Where every call gets an instance of its own, what calls took is made again
/// beside them, by threads that stand back for calls.
pub(super) struct Instances {
    blueprint: Blueprint,
    shelf: Mutex<Shelf>,
    isolation: Isolation,
    kept_max: usize,
    grown_bytes_max: usize,
    wall: Duration,
    slots: Arc<Slots>,
}

#[derive(Default)]
struct Shelf {
    idle: Vec<Idle>,
    /// Calls since the shelf was last stocked.
    taken: usize,
    is_being_stocked: bool,
}

struct Idle {
    instance: Instance,
    since: Instant,
    loan: Loan,
}

/// An instance on loan. Dropping it throws it away; see [`Instances::keep`].
pub(super) struct Lent {
    pub(super) instance: Instance,
    pub(super) loan: Loan,
}

/// What became of an instance that came back.
#[must_use]
pub(super) enum Kept {
    Yes,
    /// When it runs low, somebody has to [stock](Instances::stock) the shelf.
    No {
        instance: Instance,
        runs_low: bool,
    },
}

impl Instances {
    pub(super) fn new(
        blueprint: Blueprint,
        isolation: Isolation,
        limits: &ModuleLimits,
        slots: &Arc<Slots>,
    ) -> Arc<Self> {
        let (slots, wall, kept_max) = (slots.clone(), limits.wall(), limits.kept);
        let shelf = Mutex::default();
        let instances = Arc::new(Self {
            blueprint,
            shelf,
            isolation,
            kept_max,
            grown_bytes_max: 2 * limits.memory_bytes(),
            wall,
            slots,
        });
        let keeper: Weak<dyn Keeper> = Arc::downgrade(&instances) as Weak<dyn Keeper>;
        instances.slots.enlist(keeper);
        instances
    }

    /// What they are made from.
    pub(super) fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// How long a call may take.
    pub(super) fn wall(&self) -> Duration {
        self.wall
    }

    /// How many wait.
    pub(super) fn idle(&self) -> usize {
        self.lock().idle.len()
    }

    /// Lends one that waits.
    pub(super) fn lend_idle(&self) -> Option<Lent> {
        let mut shelf = self.lock();
        shelf.taken += 1;
        let Idle { instance, loan, .. } = shelf.idle.pop()?;
        Some(Lent { instance, loan })
    }

    /// Makes one for a call that began then, and lends it.
    pub(super) async fn lend_new(
        self: &Arc<Self>,
        to: &CallContext,
        began: Instant,
        crew: &Crew,
    ) -> Result<Lent, Fault> {
        let (instances, to) = (self.clone(), to.clone());
        let make = async move {
            let instance = instances.blueprint.instantiate_for(&to, began).await?;
            Ok(Lent { instance, loan: Loan::draw() })
        };
        if self.blueprint.is_hard() {
            // As its calls do, its start code may.
            Demotable::new(make, None, self.blueprint.background(), crew).await?
        } else {
            make.await
        }
    }

    /// Takes one back after a call that ended cleanly.
    pub(super) fn keep(&self, instance: Instance, loan: Loan, now: Instant) -> Kept {
        if self.isolation == Isolation::Call {
            return Kept::No { instance, runs_low: self.runs_low() };
        }
        self.keep_after(1, instance, loan, now)
    }

    /// Takes one back after so many calls, all of which ended cleanly.
    pub(super) fn keep_after(
        &self,
        calls: u64,
        instance: Instance,
        mut loan: Loan,
        now: Instant,
    ) -> Kept {
        if !loan.serve(calls) {
            return Kept::No { instance, runs_low: false };
        }
        let mut shelf = self.lock();
        if self.kept_max <= shelf.idle.len() || !self.has_room(&shelf, &instance) {
            return Kept::No { instance, runs_low: false };
        }
        shelf.idle.push(Idle { instance, since: now, loan });
        Kept::Yes
    }

    /// Whether idle instances may hold this much more. One that has grown to
    /// its limit may stay, sixty may not.
    fn has_room(&self, shelf: &Shelf, instance: &Instance) -> bool {
        let bytes = instance.memory_bytes();
        if bytes < GROWN_BYTES {
            return true;
        }
        let grown = shelf.idle.iter().map(|idle| idle.instance.memory_bytes());
        grown.filter(|bytes| GROWN_BYTES <= *bytes).sum::<usize>() + bytes <= self.grown_bytes_max
    }

    /// Whether calls that get an instance of their own have taken what waited.
    fn runs_low(&self) -> bool {
        let mut shelf = self.lock();
        let wanted = shelf.taken.min(self.ahead_max());
        let runs_low = !shelf.is_being_stocked && shelf.idle.is_empty() && 0 < wanted;
        shelf.is_being_stocked |= runs_low;
        runs_low
    }

    /// Makes as many as were taken since the last time.
    pub(super) async fn stock(&self) {
        let wanted = std::mem::take(&mut self.lock().taken);
        self.make_ahead(wanted).await;
        self.lock().is_being_stocked = false;
    }

    /// Makes instances until so many wait, or there is no place left. Who fails
    /// is left to the call that needs it: that one tells its caller why.
    pub(super) async fn make_ahead(&self, wanted: usize) {
        let wanted = wanted.min(self.ahead_max());
        while self.idle() < wanted {
            let Ok(Ok(instance)) = timeout(self.wall, self.blueprint.instantiate_ahead()).await
            else {
                return;
            };
            let idle = Idle { instance, since: Instant::now(), loan: Loan::draw() };
            self.lock().idle.push(idle);
        }
    }

    fn ahead_max(&self) -> usize {
        self.kept_max.min(AHEAD_MAX)
    }

    /// Drops those that have been idle for too long.
    pub(super) fn reclaim(&self, now: Instant) {
        let is_kept = |idle: &mut Idle| now < idle.since + idle.loan.idle_max();
        let gone: Vec<Idle> = self.lock().idle.extract_if(.., |idle| !is_kept(idle)).collect();
        // Outside the lock: what takes longest is dropping them.
        drop(gone);
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper for Instances {
    fn give_up_one(&self) -> Given {
        let given_up = self.lock().idle.pop();
        if given_up.is_some() { Given::Now } else { Given::Nothing }
    }
}
