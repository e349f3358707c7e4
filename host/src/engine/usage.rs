//! What the guests of one revision use now, and have used.

use super::state::GuestHost;
use crate::limits::EPOCH_TICK;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Counts of one revision.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    instances: AtomicUsize,
    memory_bytes: AtomicUsize,
    /// Of all ticks that met a guest computing.
    cpu_nanos: AtomicU64,
}

impl Usage {
    /// Instances there are, those that wait for a call included.
    pub(crate) fn instances(&self) -> usize {
        self.instances.load(Relaxed)
    }

    /// Bytes of all their memories.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes.load(Relaxed)
    }

    /// How long they have computed, about. It is a sample: who is met by a tick
    /// is taken to compute until the next one, which is as often wrong in the one
    /// direction as in the other.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_nanos.load(Relaxed))
    }

    /// A tick has met a guest computing.
    pub(super) fn tick(&self) {
        self.cpu_nanos.fetch_add(u64::from(EPOCH_TICK.subsec_nanos()), Relaxed);
    }
}

/// Tells whether a tick came while a guest computed: one that has waited meets all
/// those of meanwhile at once when it goes on.
#[derive(Debug, Default)]
pub(super) struct Met(AtomicU64);

/// Set beside a tick when it is not known since when the guest goes on.
const RESTS: u64 = 1;

impl Met {
    /// The guest goes on after so many ticks.
    pub(super) fn go_on(&self, ticks: u64) {
        self.0.store(ticks << 1, Relaxed);
    }

    /// It rests from then on, and nobody will say when it goes on.
    pub(super) fn rest(&self, ticks: u64) {
        self.0.store(ticks << 1 | RESTS, Relaxed);
    }

    /// The guest has met a tick. Whether that came while it computed; where that
    /// is not known, a rest that saw several is taken for one that was long.
    pub(super) fn is_new(&self, ticks: u64) -> bool {
        let before = self.0.load(Relaxed);
        self.go_on(ticks);
        let passed = ticks.wrapping_sub(before >> 1);
        if before & RESTS == 0 { passed != 0 } else { passed == 1 }
    }
}

/// What one instance uses, for as long as it is there.
pub(super) struct Used {
    host: Arc<GuestHost>,
    memory_bytes: usize,
}

impl Used {
    /// By a new instance.
    pub(super) fn by_one(host: Arc<GuestHost>) -> Self {
        host.usage.instances.fetch_add(1, Relaxed);
        Self { host, memory_bytes: 0 }
    }

    /// Bytes of all its memories.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// They have grown to so many.
    pub(super) fn set_memory_bytes(&mut self, bytes: usize) {
        let all = &self.host.usage.memory_bytes;
        // Adding what wraps around takes away.
        all.fetch_add(bytes.wrapping_sub(self.memory_bytes), Relaxed);
        self.memory_bytes = bytes;
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        self.set_memory_bytes(0);
        self.host.usage.instances.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_that_came_while_the_guest_waited_is_none_of_its() {
        let met = Met::default();
        met.go_on(7);
        assert!(!met.is_new(7));
        assert!(met.is_new(8) && met.is_new(11));
        met.go_on(500);
        assert!(!met.is_new(500));
    }

    #[test]
    fn after_a_rest_of_unknown_length_one_tick_counts_and_several_do_not() {
        let met = Met::default();
        met.rest(7);
        assert!(met.is_new(8) && met.is_new(9));
        met.rest(9);
        assert!(!met.is_new(500));
        assert!(met.is_new(501));
    }

    #[test]
    fn computing_time_goes_on_after_weeks() {
        let usage = Usage::default();
        let weeks = Duration::from_secs(60 * 24 * 60 * 60);
        usage.cpu_nanos.store(u64::try_from(weeks.as_nanos()).unwrap(), Relaxed);
        usage.tick();
        assert_eq!(usage.cpu(), weeks + EPOCH_TICK);
    }
}
