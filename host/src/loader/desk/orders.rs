//! What the admin side asks of the loader, which alone changes what is live.

use super::anew::Restarted;
use super::deploy::FileOrder;
use super::{Desk, Loader};
use crate::live::{Unnamed, one};
use crate::pool::Service;
use std::fmt;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tracing::info;

/// A version of a service, as people name it.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) service: String,
    /// Needed where several versions are live.
    pub(crate) version: Option<String>,
}

/// One thing to do, and where to say what came of it.
pub(super) enum Order {
    OfVersion(Named, Task),
    OfFile(FileOrder),
}

pub(super) enum Task {
    Traffic { weight: u32, reply: Reply<()> },
    RollBack { reply: Reply<RolledBack> },
    Restart { reply: Reply<Restarted> },
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, OrderError>>;

/// Why the loader does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OrderError {
    #[error(transparent)]
    Unnamed(#[from] Unnamed),
    #[error("this version of service {service} was withdrawn, {reason}; save other content")]
    Withdrawn { service: String, reason: String },
    #[error("{file} is being loaded; try again when that is done")]
    Loading { file: String },
    #[error("nothing was live before the live revision of service {service}, as far as is known")]
    NothingBefore { service: String },
    #[error(
        "the revision before, version {version} of service {service}, is no longer kept; \
         deploy its file again, and raise limits.revisions_mib_max to keep more"
    )]
    NotKept { service: String, version: String },
    #[error("the revision before cannot be served: {reason}")]
    Refused { reason: String },
    #[error("it cannot be made anew, and goes on as it is: {reason}")]
    NotRestarted { reason: String },
    #[error("its file was taken out meanwhile")]
    TakenOut,
    #[error("the host is stopping")]
    Stopping,
}

/// What a rollback did.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct RolledBack {
    pub(crate) service: String,
    pub(crate) from: RevisionName,
    pub(crate) to: RevisionName,
}

/// A revision as people tell it from others.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct RevisionName {
    version: String,
    digest: String,
}

impl RolledBack {
    pub(super) fn between(from: &Service, to: &Service) -> Self {
        let service = to.declaration.name.to_string();
        let name = |service: &Service| RevisionName {
            version: service.declaration.version.to_string(),
            digest: service.digest.whole(),
        };
        Self { service, from: name(from), to: name(to) }
    }
}

impl fmt::Display for RevisionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = self.digest.get(..15).unwrap_or(&self.digest);
        write!(f, "{} ({short}…)", self.version)
    }
}

/// Orders that wait for the loader.
pub(super) const ORDERS_WAITING: usize = 16;

impl Desk {
    /// Changes what a version weighs beside the others.
    pub(crate) async fn set_traffic(&self, named: Named, weight: u32) -> Result<(), OrderError> {
        self.order(named, |reply| Task::Traffic { weight, reply }).await
    }

    /// Brings back the revision before, and tells when callers find it.
    pub(crate) async fn roll_back(&self, named: Named) -> Result<RolledBack, OrderError> {
        self.order(named, |reply| Task::RollBack { reply }).await
    }

    /// Makes a live revision anew, and tells when callers find it.
    pub(crate) async fn restart(&self, named: Named) -> Result<Restarted, OrderError> {
        self.order(named, |reply| Task::Restart { reply }).await
    }

    async fn order<T>(
        &self,
        named: Named,
        task: impl FnOnce(Reply<T>) -> Task,
    ) -> Result<T, OrderError> {
        let (reply, replied) = oneshot::channel();
        let order = Order::OfVersion(named, task(reply));
        self.orders.send(order).await.map_err(|_| OrderError::Stopping)?;
        replied.await.unwrap_or(Err(OrderError::Stopping))
    }
}

impl Loader {
    /// The place where orders come in, and where they are given.
    pub(super) fn order_book() -> (mpsc::Sender<Order>, mpsc::Receiver<Order>) {
        mpsc::channel(ORDERS_WAITING)
    }

    pub(super) fn take_order(&mut self, order: Order) {
        match order {
            // Who asked may have left: what was asked is done all the same.
            Order::OfVersion(named, Task::Traffic { weight, reply }) => {
                let _ = reply.send(self.change_traffic(&named, weight));
            }
            Order::OfVersion(named, Task::RollBack { reply }) => self.roll_back(&named, reply),
            Order::OfVersion(named, Task::Restart { reply }) => self.restart(&named, reply),
            Order::OfFile(order) => self.take_file_order(order),
        }
    }

    fn change_traffic(&mut self, named: &Named, weight: u32) -> Result<(), OrderError> {
        let service = self.named(named)?;
        if let Some(reason) = service.withdrawn() {
            let (service, reason) = (service.declaration.name.to_string(), reason.to_owned());
            return Err(OrderError::Withdrawn { service, reason });
        }
        service.set_traffic(weight);
        self.list(&service);
        let (name, version) = (&service.declaration.name, &service.declaration.version);
        info!(service = %name, %version, weight, "traffic changed");
        Ok(())
    }

    pub(super) fn named(&self, named: &Named) -> Result<Arc<Service>, Unnamed> {
        one(self.live_services(), &named.service, named.version.as_deref()).cloned()
    }

    pub(super) fn live_services(&self) -> impl Iterator<Item = &Arc<Service>> {
        let live = self.modules.values().filter_map(|module| module.live.as_ref());
        live.map(|revision| &revision.standing.service)
    }

    /// Lists a live service as it is now.
    pub(super) fn list(&self, service: &Service) {
        let record = service.record(&self.domain, &self.node);
        self.registry.put_local(&service.manifest.key, record);
    }
}
