//! Whether a new version fails so much more often than the old one that it is
//! to be taken out of traffic.

use crate::record::Now;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// When a version is taken out of traffic, as its manifest asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// By how much the share of its calls that fail may be over that of the
    /// others, in points of percent.
    pub(crate) more_failures_percent: u32,
    /// Calls without which nothing is judged.
    pub(crate) at_least_calls: u64,
    /// What is older than this does not count.
    pub(crate) window: Duration,
}

impl Rule {
    /// What holds of a rule when its manifest says only by how much.
    pub(crate) const USUAL: Self =
        Self { more_failures_percent: 10, at_least_calls: 50, window: Duration::from_secs(60) };
}

/// Calls, and those of them that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
}

/// A version fails too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    its: Tally,
    others: Tally,
}

/// What was seen of a version and of those beside it, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    seen: VecDeque<(Now, Tally, Tally)>,
}

/// Looks that are remembered within one window.
const LOOKS_MAX: u32 = 60;

impl Tally {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { calls: self.calls + other.calls, failures: self.failures + other.failures }
    }

    fn since(self, before: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(before.calls),
            failures: self.failures.saturating_sub(before.failures),
        }
    }

    /// The share of calls that failed. Of none, none did.
    fn percent(self) -> f64 {
        100.0 * self.failures as f64 / self.calls.max(1) as f64
    }
}

impl Rule {
    /// Judges what was done by both in the same time, or by one after the
    /// other.
    pub(crate) fn judge(&self, its: Tally, others: Tally) -> Option<Excess> {
        let bound = others.percent() + f64::from(self.more_failures_percent);
        let is_excess = self.at_least_calls <= its.calls && bound < its.percent();
        is_excess.then_some(Excess { its, others })
    }
}

impl Watch {
    /// Looks at what both have done since they were made, and judges what is
    /// new within the window.
    pub(crate) fn look(
        &mut self,
        rule: &Rule,
        now: Now,
        its: Tally,
        others: Tally,
    ) -> Option<Excess> {
        let is_less =
            |known: &(Now, Tally, Tally)| its.calls < known.1.calls || others.calls < known.2.calls;
        if self.seen.back().is_some_and(is_less) {
            // One of them was replaced, and counts anew.
            self.seen.clear();
        }
        while self.seen.get(1).is_some_and(|(at, ..)| *at + rule.window <= now) {
            self.seen.pop_front();
        }
        let is_due = |(at, ..): &(Now, Tally, Tally)| *at + rule.window / LOOKS_MAX <= now;
        if self.seen.back().is_none_or(is_due) {
            self.seen.push_back((now, its, others));
        }
        let (_, its_before, others_before) = self.seen.front()?;
        rule.judge(its.since(*its_before), others.since(*others_before))
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { its, others } = self;
        let (its_percent, others_percent) = (its.percent(), others.percent());
        write!(f, "it failed {its_percent:.0}% of {} calls, the old one ", its.calls)?;
        write!(f, "{others_percent:.0}% of {}", others.calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { at_least_calls: 20, ..Rule::USUAL };

    fn tally(text: &str) -> Tally {
        let (failures, calls) = text.split_once('/').unwrap();
        Tally { calls: calls.parse().unwrap(), failures: failures.parse().unwrap() }
    }

    #[track_caller]
    fn judged(its: &str, others: &str, expected: bool) {
        let excess = RULE.judge(tally(its), tally(others));
        assert_eq!(excess.is_some(), expected, "{its} beside {others}");
    }

    #[test]
    fn what_fails_more_by_the_bound_and_was_called_enough_is_judged() {
        judged("20/20", "0/100", true);
        judged("19/19", "0/100", false);
        judged("3/20", "0/100", true);
        judged("2/20", "0/100", false);
        judged("2/20", "0/0", false);
        judged("20/20", "0/0", true);
        judged("12/20", "50/100", false);
        judged("13/20", "50/100", true);
        judged("20/20", "90/100", false);
    }

    /// Looks at `second its others` one after the other; tells at which second
    /// there was too much.
    #[track_caller]
    fn watched(looks: &str, expected: Option<u64>) {
        let mut watch = Watch::default();
        let found = looks.lines().map(str::trim).filter(|line| !line.is_empty()).find(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let now = Duration::from_secs(words[0].parse().unwrap());
            watch.look(&RULE, now, tally(words[1]), tally(words[2])).is_some()
        });
        let second = found.map(|line| line.split_whitespace().next().unwrap().parse().unwrap());
        assert_eq!(second, expected, "{looks}");
    }

    #[test]
    fn only_what_happened_within_the_window_counts() {
        watched("0 0/0 0/0\n 1 0/10 0/10\n 2 5/30 0/30", Some(2));
        // What both had done before the first look is not compared.
        watched("0 500/900 0/0\n 1 500/930 0/30", None);
        // Failures of long ago do not count, and good calls of long ago neither.
        watched("0 0/0 0/0\n 1 10/10 0/10\n 70 10/20 0/10\n 140 10/200 0/200", None);
        watched("0 0/0 0/0\n 1 0/9000 0/9000\n 62 0/9000 0/9000\n 63 20/9020 0/9020", Some(63));
        // Too few calls, however long it takes.
        watched("0 0/0 0/0\n 50 10/10 0/10\n 100 15/15 0/10\n 150 20/20 0/10", None);
    }

    #[test]
    fn who_is_replaced_counts_anew() {
        watched("0 0/0 0/1000\n 1 0/10 500/2000\n 2 15/40 0/10\n 3 15/41 0/11", None);
        watched("0 0/0 0/1000\n 2 15/40 0/10\n 3 40/65 0/30", Some(3));
    }

    #[test]
    fn looks_that_are_remembered_are_bounded() {
        let mut watch = Watch::default();
        for look in 0..100_000 {
            watch.look(&RULE, Duration::from_millis(look * 10), tally("0/1"), tally("0/1"));
        }
        assert!(watch.seen.len() <= LOOKS_MAX as usize + 2, "{}", watch.seen.len());
    }

    #[test]
    fn the_reason_has_the_figures() {
        let excess = RULE.judge(tally("30/40"), tally("1/200")).unwrap();
        assert_eq!(excess.to_string(), "it failed 75% of 40 calls, the old one 0% of 200");
    }
}
