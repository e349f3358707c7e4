//! How long an instance may serve.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Calls an instance may serve, drawn anew for each, so that nobody leans on
/// memory that outlives a call.
const CALLS: RangeInclusive<u64> = 1_000..=4_000;
/// Seconds an instance may stay idle, drawn likewise.
const IDLE_SECONDS: RangeInclusive<u64> = 30..=90;

/// What is left of an instance's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loan {
    calls_left: u64,
    idle_max: Duration,
}

impl Loan {
    /// For a new instance.
    pub(crate) fn draw() -> Self {
        let idle_max = Duration::from_secs(draw(IDLE_SECONDS));
        Self { calls_left: draw(CALLS), idle_max }
    }

    /// Counts calls. False when there may be no more.
    pub(crate) fn serve(&mut self, calls: u64) -> bool {
        self.calls_left = self.calls_left.saturating_sub(calls);
        0 < self.calls_left
    }

    /// Calls that the instance may still serve.
    pub(crate) fn calls_left(self) -> u64 {
        self.calls_left
    }

    /// How long it may wait for the next.
    pub(crate) fn idle_max(self) -> Duration {
        self.idle_max
    }
}

/// A number from a range; which one cannot be foreseen.
fn draw(range: RangeInclusive<u64>) -> u64 {
    let random = RandomState::new().build_hasher().finish();
    range.start() + random % (range.end() - range.start() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_lies_in_its_range() {
        for _ in 0..1_000 {
            assert!(CALLS.contains(&draw(CALLS)));
        }
        assert_eq!(draw(7..=7), 7);
    }

    #[test]
    fn calls_are_counted_to_the_last() {
        let mut loan = Loan { calls_left: 2, idle_max: Duration::ZERO };
        assert!(loan.serve(1));
        assert!(!loan.serve(1));
        assert!(!loan.serve(1));
    }
}
