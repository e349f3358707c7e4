//! When a call must be over, and on whose account.

use super::state::GuestHost;
use crate::fault::Fault;
use crate::limits::ModuleLimits;
use tokio::time::Instant;

/// A point in time, and what is said when it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) until: Instant,
    bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Deadline,
    Wall,
    FirstByte,
}

impl Limit {
    /// The bound on a call that begins now, its answer included.
    pub(super) fn of_all(deadline: Instant, now: Instant, limits: &ModuleLimits) -> Self {
        let wall = Self { until: now + limits.wall(), bound: Bound::Wall };
        Self { until: deadline, bound: Bound::Deadline }.or_sooner(wall)
    }

    /// The bound on the beginning of its answer.
    pub(super) fn of_head(all: Self, now: Instant, limits: &ModuleLimits) -> Self {
        all.or_sooner(Self { until: now + limits.first_byte(), bound: Bound::FirstByte })
    }

    fn or_sooner(self, other: Self) -> Self {
        if other.until < self.until { other } else { self }
    }

    /// The fault of a call of this guest that is not over by then.
    pub(super) fn late(self, host: &GuestHost) -> Fault {
        let (service, limits) = (host.service.clone(), &host.limits);
        match self.bound {
            Bound::Deadline => Fault::Deadline { doing: "the service was answering" },
            Bound::Wall => Fault::WallLimit { service, wall_ms: limits.wall_ms },
            Bound::FirstByte => {
                Fault::FirstByteLimit { service, first_byte_ms: limits.first_byte_ms }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_soonest_bound_holds_and_the_wider_one_wins_a_draw() {
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        let limits = ModuleLimits { wall_ms: 200, first_byte_ms: 100, ..ModuleLimits::DEFAULT };
        let bounds = |deadline_ms, limits: &ModuleLimits| {
            let all = Limit::of_all(after(deadline_ms), now, limits);
            (all.bound, Limit::of_head(all, now, limits).bound)
        };
        assert_eq!(bounds(50, &limits), (Bound::Deadline, Bound::Deadline));
        assert_eq!(bounds(150, &limits), (Bound::Deadline, Bound::FirstByte));
        assert_eq!(bounds(300, &limits), (Bound::Wall, Bound::FirstByte));
        let limits = ModuleLimits { wall_ms: 100, ..limits };
        assert_eq!(bounds(300, &limits), (Bound::Wall, Bound::Wall));
    }
}
