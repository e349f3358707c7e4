//! How many calls of one service may be tried again, so that a flood of
//! failures does not double itself.
//!
//! As in finagle's `RetryBudget`: a share of the calls, and a floor for
//! services that are seldom called.

use crate::record::Now;
use crate::window::{WINDOW_SECONDS, Window};

/// Of so many calls one may be tried again.
const CALLS_PER_RETRY: u64 = 10;
/// Retries a second that any service may make, however quiet it is.
const RETRIES_PER_SECOND_MIN: u64 = 5;

/// The retries of one service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    /// First tries are plain, retries special.
    window: Window,
}

/// Whether a call may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It may, and is counted.
    Granted,
    /// Too many were; the fault goes back to the caller.
    Spent,
}

impl Budget {
    /// A call is tried for the first time.
    pub(crate) fn called(&mut self, now: Now) {
        self.window.add_plain(now);
    }

    /// Takes one retry, if there is one.
    pub(crate) fn take(&mut self, now: Now) -> Retry {
        let totals = self.window.totals(now);
        let allowed = totals.plain / CALLS_PER_RETRY + RETRIES_PER_SECOND_MIN * WINDOW_SECONDS;
        if allowed <= totals.special {
            return Retry::Spent;
        }
        self.window.add_special(now);
        Retry::Granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const FLOOR: usize = (RETRIES_PER_SECOND_MIN * WINDOW_SECONDS) as usize;

    /// Retries granted of those asked for, after so many calls.
    #[track_caller]
    fn check(budget: &mut Budget, calls: usize, asked: usize, at_secs: u64, expected: usize) {
        let now = Duration::from_secs(at_secs);
        (0..calls).for_each(|_| budget.called(now));
        let granted = (0..asked).filter(|_| budget.take(now) == Retry::Granted).count();
        assert_eq!(granted, expected, "{asked} asked after {calls} calls at {at_secs} s");
    }

    #[test]
    fn retries_are_a_tenth_of_the_calls_and_a_floor() {
        let mut budget = Budget::default();
        check(&mut budget, 0, 1_000, 1, FLOOR);
        check(&mut budget, 1_000, 1_000, 2, 100);
        check(&mut budget, 0, 10, 10, 0);
        // The first second is over, and its retries with it.
        check(&mut budget, 0, 1_000, 11, FLOOR);
        check(&mut budget, 0, 1_000, 60, FLOOR);
    }

    proptest! {
        #[test]
        fn a_flood_of_failures_never_doubles_itself(
            steps in proptest::collection::vec((0_u64..300, any::<bool>()), 1_000)
        ) {
            let mut budget = Budget::default();
            let (mut now, mut calls, mut retries) = (Duration::ZERO, 0, 0);
            for (wait_ms, is_call) in steps {
                now += Duration::from_millis(wait_ms);
                if is_call {
                    budget.called(now);
                    calls += 1;
                } else if budget.take(now) == Retry::Granted {
                    retries += 1;
                }
                let floor = RETRIES_PER_SECOND_MIN * (now.as_secs() + WINDOW_SECONDS);
                // A call counts in every window it is seen from.
                prop_assert!(retries <= calls + floor);
            }
            now += Duration::from_secs(WINDOW_SECONDS);
            prop_assert_eq!(budget.take(now), Retry::Granted, "a quiet service may retry");
        }
    }
}
