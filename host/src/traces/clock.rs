//! What the clock on the wall said at an instant.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Turns instants into times since 1970, the same instant always into the same
/// time unless the clock on the wall is set.
#[derive(Debug)]
pub(super) struct Clock(Mutex<Anchor>);

#[derive(Clone, Copy, Debug)]
struct Anchor {
    instant: Instant,
    time: SystemTime,
}

/// The clock was set, when it is off by more.
const OFF_MAX: Duration = Duration::from_millis(10);

impl Default for Clock {
    fn default() -> Self {
        Self(Mutex::new(Anchor { instant: Instant::now(), time: SystemTime::now() }))
    }
}

impl Clock {
    /// Time since 1970.
    pub(super) fn unix(&self, instant: Instant) -> Duration {
        let now = Anchor { instant: Instant::now(), time: SystemTime::now() };
        let mut anchor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = anchor.at(now.instant);
        let off = now.time.duration_since(expected).unwrap_or_else(|error| error.duration());
        if OFF_MAX < off {
            *anchor = now;
        }
        anchor.at(instant).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

impl Anchor {
    fn at(&self, instant: Instant) -> SystemTime {
        match instant.checked_duration_since(self.instant) {
            Some(after) => self.time + after,
            None => self.time - self.instant.saturating_duration_since(instant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_always_the_same_time() {
        let (before, clock) = (Instant::now(), Clock::default());
        let (one, other) = (clock.unix(before), clock.unix(before + Duration::from_secs(1)));
        assert_eq!(other - one, Duration::from_secs(1));
        assert_eq!(one, clock.unix(before));
    }
}
