//! Places for instances, over all services.
//!
//! The engine's pools are as large as there are slots, so its own "too many
//! instances" cannot be met: who finds no slot asks others to give up an idle
//! instance, and is turned away if nobody has one.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Somebody who keeps idle instances.
pub(crate) trait Keeper: Send + Sync {
    /// Gives up one idle instance. False when there is none.
    fn give_up_one(&self) -> bool;
}

/// Places for instances.
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    keepers: Mutex<Vec<Weak<dyn Keeper>>>,
}

/// A place that is taken. Dropping it frees it.
pub(super) type Slot = OwnedSemaphorePermit;

impl Slots {
    /// So many places.
    pub(crate) fn new(count: u32) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(count as usize));
        Arc::new(Self { free, keepers: Mutex::default() })
    }

    /// Makes an owner of idle instances known.
    pub(crate) fn enlist(&self, keeper: Weak<dyn Keeper>) {
        let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        keepers.retain(|keeper| 0 < keeper.strong_count());
        keepers.push(keeper);
    }

    /// Takes a place, if need be one that an idle instance gives up.
    pub(crate) fn take(&self) -> Option<Slot> {
        if let Some(slot) = self.take_free() {
            return Some(slot);
        }
        let keepers: Vec<_> = {
            let keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
            keepers.iter().filter_map(Weak::upgrade).collect()
        };
        keepers.iter().any(|keeper| keeper.give_up_one());
        self.take_free()
    }

    /// Takes a place that nobody has to give up.
    pub(super) fn take_free(&self) -> Option<Slot> {
        self.free.clone().try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Idle(Mutex<Vec<Slot>>);

    impl Keeper for Idle {
        fn give_up_one(&self) -> bool {
            self.0.lock().unwrap().pop().is_some()
        }
    }

    #[test]
    fn an_idle_instance_makes_room() {
        let slots = Slots::new(2);
        let idle = Arc::new(Idle(Mutex::new(vec![slots.take().unwrap()])));
        let keeper: Arc<dyn Keeper> = idle;
        slots.enlist(Arc::downgrade(&keeper));
        let _first = slots.take_free().expect("one is free");
        assert!(slots.take_free().is_none(), "the idle one keeps its place");
        let _second = slots.take().expect("the idle one gave up its place");
        assert!(slots.take().is_none());
    }
}
