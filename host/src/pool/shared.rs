//! Instances that several calls share.
//!
//! They are idle instances like any other until a call comes, and again when
//! the last has left. Calls go where there is room before another instance is
//! opened, so that the others come to rest.

use super::demote::Demotable;
use super::instances::{Instances, Lent};
use super::visit::Visit;
use super::{drop_aside, see_to};
use crate::call::{Call, CallContext};
use crate::crew::Crew;
use crate::engine::{Arrivals, Head, Instance, Left, Loan, SharedBounds, SharedInstance, Visited};
use crate::fault::Fault;
use futures::future::BoxFuture;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// Instances of one revision, those among them that have calls, and how many
/// each may have.
pub(super) struct SharedInstances {
    instances: Arc<Instances>,
    open: Mutex<Vec<Arc<SharedInstance>>>,
    /// For one who opens: whoever waits meanwhile may find room.
    opening: Semaphore,
    calls_at_once: usize,
}

/// What a guest answered, and what of the call is left to be waited for.
type Answered = (Result<Head, Fault>, Option<BoxFuture<'static, Result<(), Fault>>>);

impl SharedInstances {
    pub(super) fn new(instances: Arc<Instances>, calls_at_once: usize) -> Self {
        let (open, opening) = (Mutex::default(), Semaphore::new(1));
        Self { instances, open, opening, calls_at_once }
    }

    /// The instances behind it.
    pub(super) fn instances(&self) -> &Arc<Instances> {
        &self.instances
    }

    /// Makes a call that began then, in an instance that has room. One that a trap
    /// of another call kept from being started is made in another.
    pub(super) async fn call(
        &self,
        mut call: Box<Call>,
        (visit, began): (&mut Visit<'_>, Instant),
        crew: &Crew,
    ) -> Result<Answered, Fault> {
        let mut lent = began;
        loop {
            let shared = match self.with_room() {
                Some(shared) => shared,
                None => {
                    let shared = self.open_another(&call.context, began, crew).await?;
                    lent = Instant::now();
                    shared
                }
            };
            visit.lent(lent);
            match shared.call(call, visit.hop.clone(), began).await {
                Visited::Answered(head, rest) => return Ok((head, rest)),
                Visited::Unstarted(again) => call = again,
            }
            lent = Instant::now();
        }
    }

    /// An instance with a place that is now taken.
    fn with_room(&self) -> Option<Arc<SharedInstance>> {
        let mut open = self.lock();
        open.retain(|shared| shared.is_open());
        open.iter().find(|shared| shared.take_place()).cloned()
    }

    async fn open_another(
        &self,
        to: &CallContext,
        began: Instant,
        crew: &Crew,
    ) -> Result<Arc<SharedInstance>, Fault> {
        // No longer than a call may take: then each helps itself.
        let _turn = timeout(self.instances.wall(), self.opening.acquire()).await;
        if let Some(shared) = self.with_room() {
            return Ok(shared);
        }
        let Lent { instance, loan } = match self.instances.lend_idle() {
            Some(lent) => lent,
            None => self.instances.lend_new(to, began, crew).await?,
        };
        let bounds = SharedBounds { at_once: self.calls_at_once, in_all: loan.calls_left() };
        let (shared, arrivals) = SharedInstance::open(&instance, bounds);
        self.lock().push(shared.clone());
        self.hire(instance, loan, (shared.clone(), arrivals), crew);
        Ok(shared)
    }

    /// Has a task run the instance until its last call has left.
    fn hire(
        &self,
        instance: Instance,
        loan: Loan,
        (shared, arrivals): (Arc<SharedInstance>, Arrivals),
        crew: &Crew,
    ) {
        let home = self.instances.clone();
        let background = home.blueprint().background().clone();
        let effort = (!home.blueprint().is_hard()).then(|| instance.effort());
        let received = instance.receive(shared.clone(), arrivals);
        let received = Demotable::new(received, effort, &background, crew);
        let crew_of_task = crew.clone();
        crew.hire("shared instance", |mut stop| async move {
            let left = tokio::select! {
                left = received => left,
                () = stop.stopped() => return,
            };
            match left {
                Ok(Left::Done(instance)) => {
                    let kept = home.keep_after(shared.calls(), instance, loan, Instant::now());
                    see_to(kept, &home, &crew_of_task);
                }
                Ok(Left::Stopped(instance)) => drop_aside(instance, &background, &crew_of_task),
                Ok(Left::Working(_)) | Err(_) => (),
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<SharedInstance>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
