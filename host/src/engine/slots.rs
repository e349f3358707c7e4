//! Places for instances, over all services.
//!
//! The engine's pools are as large as there are slots, so its own "too many
//! instances" cannot be met: who finds no slot asks others to give up an idle
//! instance, and is turned away if nobody has one.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Somebody who keeps idle instances.
pub(crate) trait Keeper: Send + Sync {
    /// Gives up one idle instance, if there is one.
    fn give_up_one(&self) -> Given;
}

/// What became of an idle instance that somebody else needs the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// There is none.
    Nothing,
    /// Its place is free.
    Now,
    /// It has been told to go.
    Soon,
}

/// How long an instance that was told to go may take.
const SOON: Duration = Duration::from_millis(200);

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
    pub(crate) async fn take(&self) -> Option<Slot> {
        if let Some(slot) = self.take_free() {
            return Some(slot);
        }
        let keepers: Vec<_> = {
            let keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
            keepers.iter().filter_map(Weak::upgrade).collect()
        };
        let mut given = keepers.iter().map(|keeper| keeper.give_up_one());
        match given.find(|given| *given != Given::Nothing) {
            Some(Given::Soon) => timeout(SOON, self.free.clone().acquire_owned()).await.ok()?.ok(),
            _ => self.take_free(),
        }
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
        fn give_up_one(&self) -> Given {
            match self.0.lock().unwrap().pop() {
                Some(_) => Given::Now,
                None => Given::Nothing,
            }
        }
    }

    /// Has a task give up the place.
    struct Slow(Mutex<Vec<Slot>>);

    impl Keeper for Slow {
        fn give_up_one(&self) -> Given {
            let Some(slot) = self.0.lock().unwrap().pop() else { return Given::Nothing };
            #[allow(clippy::disallowed_methods, reason = "ends with the test")]
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                drop(slot);
            });
            Given::Soon
        }
    }

    async fn check(slots: &Slots) {
        let _first = slots.take_free().expect("one is free");
        assert!(slots.take_free().is_none(), "the idle one keeps its place");
        let _second = slots.take().await.expect("the idle one gave up its place");
        assert!(slots.take().await.is_none());
    }

    #[tokio::test]
    async fn an_idle_instance_makes_room() {
        let slots = Slots::new(2);
        let idle: Arc<dyn Keeper> = Arc::new(Idle(Mutex::new(vec![slots.take_free().unwrap()])));
        slots.enlist(Arc::downgrade(&idle));
        check(&slots).await;
    }

    #[tokio::test]
    async fn an_idle_instance_that_goes_by_itself_is_waited_for() {
        let slots = Slots::new(2);
        let idle: Arc<dyn Keeper> = Arc::new(Slow(Mutex::new(vec![slots.take_free().unwrap()])));
        slots.enlist(Arc::downgrade(&idle));
        check(&slots).await;
    }
}
