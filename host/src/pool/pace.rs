//! How many calls of its methods a service takes in a second, however they come.

use crate::call::Entrance;
use crate::fault::{Fault, GatewayFault};
use crate::limits::ModuleLimits;
use crate::name::Name;
use crate::throttle::{Pace, Throttle};
use tokio::time::Instant;

/// The pace of a service that has one.
pub(super) struct Paced {
    pace: Pace,
    per_second: u32,
    throttle: Throttle,
    since: Instant,
}

impl Paced {
    pub(super) fn of(limits: &ModuleLimits) -> Option<Self> {
        let per_second = limits.requests_per_second;
        let pace = Pace::per_second(per_second)?;
        Some(Self { pace, per_second, throttle: Throttle::default(), since: Instant::now() })
    }

    /// Lets a call in, or says how long it has to wait.
    pub(super) fn admit(&self, service: &Name, entrance: Entrance) -> Result<(), Fault> {
        if !matches!(entrance, Entrance::Method(_)) {
            return Ok(());
        }
        let taken = self.throttle.take(self.pace, self.since.elapsed());
        taken.map_err(|wait| {
            let whose = format!("calls of service {service}");
            GatewayFault::too_many(whose, self.per_second, wait).into()
        })
    }
}
