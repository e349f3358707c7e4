//! Programs of the settings: registered while they are well.

use super::Registry;
use crate::crew::StopSignal;
use crate::record::{Record, Status};
use crate::settings::External;
use std::sync::Arc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

impl Registry {
    /// Registers a program when it is well, and withdraws it when it is not.
    pub(crate) async fn keep_external(self: Arc<Self>, external: External, mut stop: StopSignal) {
        let record = Record::check(external.record(), || external.registration());
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                warn!(service = %external.name, %error, "external program cannot be registered");
                return;
            }
        };
        let mut ticks = interval(external.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.stopped() => return,
                _ = ticks.tick() => (),
            }
            tokio::select! {
                () = stop.stopped() => return,
                () = self.look_after(&external, &record) => (),
            }
        }
    }

    async fn look_after(&self, external: &External, record: &Record) {
        let (key, service) = (external.key.as_str(), &external.name);
        let known = self.status(key, &record.registration);
        match known {
            None if self.check_health(record).await.is_ok() => {
                match self.post(Some(key), external.record()) {
                    Ok(_) => {
                        info!(%service, domain = record.domain, "external program is registered");
                    }
                    Err(error) => warn!(%service, %error, "external program cannot be registered"),
                }
            }
            Some(Status::Down) => {
                if let Err(cause) = self.check_health(record).await {
                    let _ = self.delete(key, &record.registration);
                    let (domain, cause) = (&record.domain, &*cause);
                    info!(%service, domain, cause, "external program is withdrawn");
                }
            }
            _ => (),
        }
    }
}
