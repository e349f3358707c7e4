//! When requests are due, and from when on their time counts.

use std::time::{Duration, Instant};

/// Requests of one of several connections that share a rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    next: Instant,
    every: Duration,
}

/// What to do about the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Wait for so long first; the time counts from when it is sent.
    In(Duration),
    /// Send it; it was due then, and its time counts from then.
    Since(Instant),
}

impl Pace {
    /// Of connection `index`, when all together send so many a second.
    pub(super) fn of(per_second: u32, connections: u32, index: u32) -> Self {
        let every = Duration::from_secs(1) * connections / per_second;
        Self { next: Instant::now() + every * index / connections, every }
    }

    /// When the next request is due.
    pub(super) fn next(&mut self, now: Instant) -> Due {
        let due = self.next;
        self.next += self.every;
        match due.checked_duration_since(now) {
            Some(wait) => Due::In(wait),
            None => Due::Since(due),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_had_to_wait_counts_from_when_it_was_due() {
        let mut pace = Pace::of(100, 2, 0);
        let (start, tick) = (pace.next, Duration::from_millis(20));
        assert_eq!(pace.next(start), Due::In(Duration::ZERO));
        assert_eq!(pace.next(start + tick / 2), Due::In(tick / 2));
        // The answer took five ticks: those that were due meanwhile come late.
        let now = start + 7 * tick;
        for late in 2..7 {
            assert_eq!(pace.next(now), Due::Since(start + late * tick));
        }
        assert_eq!(pace.next(now), Due::In(Duration::ZERO));
    }
}
