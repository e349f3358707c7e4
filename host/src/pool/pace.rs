//! How many calls of its methods a service takes in a second, however they come.

use crate::call::Entrance;
use crate::fault::{Fault, GatewayFault};
use crate::limits::ModuleLimits;
use crate::name::Name;
use crate::throttle::Throttle;

/// The pace of a service that has one.
pub(super) struct Paced {
    per_second: u32,
    throttle: Throttle,
}

impl Paced {
    pub(super) fn of(limits: &ModuleLimits) -> Option<Self> {
        let per_second = limits.requests_per_second;
        Some(Self { per_second, throttle: Throttle::per_second(per_second)? })
    }

    /// Lets a call in, or says how long it has to wait.
    pub(super) fn admit(&self, service: &Name, entrance: Entrance) -> Result<(), Fault> {
        if !matches!(entrance, Entrance::Method(_)) {
            return Ok(());
        }
        self.throttle.take().map_err(|wait| {
            let whose = format!("calls of service {service}");
            GatewayFault::too_many(whose, self.per_second, wait).into()
        })
    }
}
