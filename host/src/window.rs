//! Counts over the last ten seconds, in slots of one second each.
//!
//! The oldest second goes at once, so what is counted covers nine to ten.

use crate::record::Now;

/// Seconds that count.
pub(crate) const WINDOW_SECONDS: u64 = 10;

const SLOTS: usize = WINDOW_SECONDS as usize;

/// How often something was done, and how often it was one of a special kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    slots: [Slot; SLOTS],
}

/// What a window has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) plain: u64,
    pub(crate) special: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    second: u64,
    totals: Totals,
}

impl Window {
    /// Counts one that is not of the special kind.
    pub(crate) fn add_plain(&mut self, now: Now) {
        if let Some(totals) = self.slot(now) {
            totals.plain += 1;
        }
    }

    /// Counts one of the special kind.
    pub(crate) fn add_special(&mut self, now: Now) {
        if let Some(totals) = self.slot(now) {
            totals.special += 1;
        }
    }

    /// What happened in the last seconds.
    pub(crate) fn totals(&self, now: Now) -> Totals {
        let second = now.as_secs();
        let fresh = self.slots.iter().filter(|slot| second < slot.second + WINDOW_SECONDS);
        fresh.fold(Totals::default(), |sum, slot| Totals {
            plain: sum.plain + slot.totals.plain,
            special: sum.special + slot.totals.special,
        })
    }

    fn slot(&mut self, now: Now) -> Option<&mut Totals> {
        let second = now.as_secs();
        let slot = self.slots.get_mut((second % WINDOW_SECONDS) as usize)?;
        // A time from before, told late, counts where it finds itself.
        if slot.second < second {
            *slot = Slot { second, totals: Totals::default() };
        }
        Some(&mut slot.totals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_ten_seconds_old_no_longer_counts() {
        let at = Duration::from_millis;
        let mut window = Window::default();
        window.add_plain(at(900));
        window.add_special(at(1_000));
        window.add_plain(at(9_999));
        assert_eq!(window.totals(at(9_999)), Totals { plain: 2, special: 1 });
        assert_eq!(window.totals(at(10_000)), Totals { plain: 1, special: 1 });
        assert_eq!(window.totals(at(11_000)), Totals { plain: 1, special: 0 });
        window.add_plain(at(19_000));
        assert_eq!(window.totals(at(19_000)), Totals { plain: 1, special: 0 });
        assert_eq!(window.totals(at(90_000)), Totals::default());
    }

    #[test]
    fn a_time_told_late_still_counts() {
        let mut window = Window::default();
        window.add_plain(Duration::from_secs(12));
        window.add_plain(Duration::from_secs(2));
        assert_eq!(window.totals(Duration::from_secs(12)), Totals { plain: 2, special: 0 });
    }
}
