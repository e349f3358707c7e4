//! How fast messages may come: evenly, and as many at once as come in a second.
//! The time is told.

use std::time::Duration;
use tokio::time::Instant;

/// What may be taken ahead.
pub(crate) const AHEAD: Duration = Duration::from_secs(1);

/// The messages of one socket.
#[derive(Debug)]
pub(crate) struct Rate {
    each: Duration,
    /// When all that has been taken would have come at that pace.
    spent: Instant,
}

impl Rate {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { each: AHEAD / per_second.max(1), spent: now }
    }

    /// One was taken.
    pub(crate) fn take(&mut self, now: Instant) {
        self.spent = self.spent.max(now) + self.each;
    }

    /// How far what was taken is ahead of that pace.
    pub(crate) fn ahead(&self, now: Instant) -> Duration {
        self.spent.saturating_duration_since(now)
    }

    /// When the next one may be taken, if that is not now.
    pub(crate) fn wait(&self, now: Instant) -> Option<Instant> {
        let ahead = self.ahead(now);
        (AHEAD < ahead).then(|| now + (ahead - AHEAD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_the_pace_holds() {
        let start = Instant::now();
        let mut rate = Rate::new(10, start);
        let taken = (0..).take_while(|_| {
            let may = rate.wait(start).is_none();
            rate.take(start);
            may
        });
        assert_eq!(taken.count(), 11);
        let mut rate = Rate::new(10, start);
        for _ in 0..11 {
            rate.take(start);
        }
        assert_eq!(rate.wait(start), Some(start + Duration::from_millis(100)));
        assert_eq!(rate.wait(start + Duration::from_millis(100)), None);
    }
}
