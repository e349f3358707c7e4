//! When to stop calling an endpoint that fails, and when to try it again.
//!
//! No clock and no chance of its own: the caller says what time it is and
//! brings the random bits. No state waits for something that may never come:
//! a rest ends by itself, and so does the time of a probe without an answer.

use crate::record::Now;
use crate::window::{Totals, Window};
use std::time::Duration;

/// Failures in a row that open a breaker.
const ROW_MAX: u32 = 5;
/// Calls in the window before the share of failures counts.
const CALLS_MIN: u64 = 20;
/// The first rest, at least.
const REST_MIN: Duration = Duration::from_secs(1);
/// Any rest, at most: one drawn, or one that the endpoint asked for.
const REST_MAX: Duration = Duration::from_secs(60);
/// Up to this part of a rest is added to it at random.
const JITTER_PART: u32 = 4;
/// The longest rest before that is added.
const REST_BASE_MAX: Duration = Duration::from_secs(48);
/// How long the answer of a probe is waited for before another one may go.
const PROBE_WAIT: Duration = Duration::from_secs(5);
/// Serving so long forgives one rest: the next one is half as long.
const FORGIVEN_AFTER: Duration = Duration::from_secs(5);
/// The rest after a 429 that names none.
const BUSY_REST: Duration = Duration::from_secs(1);

const _: () = {
    let longest = REST_BASE_MAX.as_millis() * (JITTER_PART as u128 + 1) / JITTER_PART as u128;
    assert!(longest <= REST_MAX.as_millis(), "the longest rest has room for its jitter");
};

/// What the end of a call says about its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answered, and a refusal of what the caller asked is an answer.
    Answered,
    /// It answered with a fault of its own: 5xx, a trap, half an answer.
    Failed,
    /// It gave no answer in the time of the call.
    TimedOut,
    /// No connection could be made.
    Unreachable,
    /// It asks to be left alone for a while.
    Busy { rest: Duration },
    /// Nothing was learned: the caller left, or the endpoint declined, drains
    /// or is at its limit.
    Nothing,
}

/// Whether an endpoint may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Serving,
    /// Its rest is over; the next call is the probe.
    Due {
        cause: Cause,
    },
    Resting {
        until: Now,
        cause: Cause,
    },
    /// A probe is out. Unless it is answered, another may go at `until`.
    Probing {
        until: Now,
        cause: Cause,
    },
}

/// Why an endpoint rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It cannot be reached, or calls in a row brought no answer at all.
    Silent,
    /// It answers, but with failures.
    Failing,
    /// It asked for it.
    Asked,
}

/// What changed when a call ended, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Unchanged,
    /// It rests from now on, or once more.
    Rests {
        until: Now,
        cause: Cause,
    },
    /// A probe was answered.
    Serves,
}

/// Goes with a call from its begin to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    era: u32,
    probe: Option<u32>,
}

/// The breaker of one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    state: State,
    /// Grows when it opens: what calls from before bring home no longer counts.
    era: u32,
    /// Probes so far; the newest has this number.
    probes: u32,
    /// Rests that were not forgiven yet; each doubles the next.
    rests: u32,
    row: Row,
    /// Failures are special.
    window: Window,
    /// End of the rest that the endpoint asked for.
    asked_until: Now,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Serving { since: Now },
    Resting { until: Now, cause: Cause },
    Probing { until: Now, cause: Cause },
}

/// Failures since the last good answer.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    failures: u32,
    answered: u32,
}

impl Verdict {
    /// What an HTTP status says about who sent it. `retry_after` is the header.
    ///
    /// A 504 is a timeout: the callee hands on that the time of the call was
    /// over. A 508 is about the chain of calls, not about its last link.
    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match (status, retry_after) {
            (429, rest) => Self::Busy { rest: rest.unwrap_or(BUSY_REST) },
            (503, Some(rest)) => Self::Busy { rest },
            (504, _) => Self::TimedOut,
            (508, _) => Self::Answered,
            (500..=599, _) => Self::Failed,
            _ => Self::Answered,
        }
    }

    /// The cause of a rest that this alone brings about.
    fn failure(self) -> Option<Cause> {
        match self {
            Self::Failed => Some(Cause::Failing),
            Self::TimedOut | Self::Unreachable => Some(Cause::Silent),
            Self::Answered | Self::Busy { .. } | Self::Nothing => None,
        }
    }
}

/// Reads `Retry-After`, seconds or a date (RFC 9110, 10.2.3). `wall` is the
/// time of day. A date that is past is no time at all.
pub(crate) fn retry_after(text: &str, wall: jiff::Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(wall)).unwrap_or_default())
}

impl Breaker {
    /// The breaker of an endpoint of which nothing bad is known.
    pub(crate) fn new(now: Now) -> Self {
        Self {
            state: State::Serving { since: now },
            era: 0,
            probes: 0,
            rests: 0,
            row: Row::default(),
            window: Window::default(),
            asked_until: Now::ZERO,
        }
    }

    /// Whether the endpoint may be called, for callers and for people.
    pub(crate) fn standing(&self, now: Now) -> Standing {
        let asked = self.asked_until;
        match self.state {
            State::Serving { .. } if now < asked => {
                Standing::Resting { until: asked, cause: Cause::Asked }
            }
            State::Serving { .. } => Standing::Serving,
            State::Probing { until, cause } if now < until => Standing::Probing { until, cause },
            State::Resting { until, cause } | State::Probing { until, cause } => {
                let until = until.max(asked);
                if now < until {
                    Standing::Resting { until, cause }
                } else {
                    Standing::Due { cause }
                }
            }
        }
    }

    /// A call goes to the endpoint; it is the probe when one is due. Who calls
    /// one that rests all the same learns nothing for the breaker.
    pub(crate) fn begin(&mut self, now: Now) -> Pass {
        let Standing::Due { cause } = self.standing(now) else {
            return Pass { era: self.era, probe: None };
        };
        if let State::Probing { .. } = self.state {
            // The one before was lost.
            self.rests = self.rests.saturating_add(1);
        }
        self.probes = self.probes.wrapping_add(1);
        let until = now.saturating_add(PROBE_WAIT.max(base_of(self.rests)));
        self.state = State::Probing { until, cause };
        Pass { era: self.era, probe: Some(self.probes) }
    }

    /// A call that was begun is over.
    pub(crate) fn ended(&mut self, pass: Pass, verdict: Verdict, now: Now, random: u64) -> Change {
        if let Verdict::Busy { rest } = verdict {
            self.asked_until = self.asked_until.max(now.saturating_add(rest.min(REST_MAX)));
        }
        match (self.state, pass.probe) {
            _ if pass.era != self.era => Change::Unchanged,
            (State::Serving { since }, _) => self.count(verdict, since, now, random),
            (_, Some(probe)) => self.probed(probe, verdict, now, random),
            (_, None) => Change::Unchanged,
        }
    }

    /// Somebody else saw it alive: it registered again, or a health check was
    /// good. If it rests because it was silent, a probe may go at once.
    pub(crate) fn seen_alive(&mut self, now: Now) {
        if let State::Resting { until, cause: cause @ Cause::Silent } = self.state {
            self.state = State::Resting { until: until.min(now), cause };
        }
    }

    fn count(&mut self, verdict: Verdict, since: Now, now: Now, random: u64) -> Change {
        let Some(cause) = verdict.failure() else {
            if verdict == Verdict::Answered {
                self.row = Row::default();
                self.window.add_plain(now);
            }
            return Change::Unchanged;
        };
        self.window.add_special(now);
        self.row.failures = self.row.failures.saturating_add(1);
        if cause == Cause::Failing {
            self.row.answered = self.row.answered.saturating_add(1);
        }
        let is_silent = verdict == Verdict::Unreachable
            || (ROW_MAX <= self.row.failures && self.row.answered == 0);
        if !is_silent && self.row.failures < ROW_MAX && !is_mostly_failing(self.window.totals(now))
        {
            return Change::Unchanged;
        }
        let served = now.saturating_sub(since).as_secs() / FORGIVEN_AFTER.as_secs();
        self.rests = self.rests.saturating_sub(u32::try_from(served).unwrap_or(u32::MAX));
        self.era = self.era.wrapping_add(1);
        let cause = if is_silent { Cause::Silent } else { Cause::Failing };
        self.rest(cause, now, random)
    }

    /// A probe ended. A good answer counts however late it comes; anything
    /// else only from the newest probe.
    fn probed(&mut self, probe: u32, verdict: Verdict, now: Now, random: u64) -> Change {
        if verdict == Verdict::Answered {
            self.state = State::Serving { since: now };
            self.row = Row::default();
            self.window = Window::default();
            return Change::Serves;
        }
        let State::Probing { cause, .. } = self.state else { return Change::Unchanged };
        if probe != self.probes {
            return Change::Unchanged;
        }
        if let Some(cause) = verdict.failure() {
            return self.rest(cause, now, random);
        }
        self.state = State::Resting { until: now, cause };
        Change::Unchanged
    }

    fn rest(&mut self, cause: Cause, now: Now, random: u64) -> Change {
        let base = base_of(self.rests);
        let fraction = f64::from(random as u32) / f64::from(u32::MAX);
        let until = now.saturating_add(base + (base / JITTER_PART).mul_f64(fraction));
        self.rests = self.rests.saturating_add(1);
        self.state = State::Resting { until, cause };
        Change::Rests { until, cause }
    }
}

/// A rest without its jitter, after so many before it.
fn base_of(rests: u32) -> Duration {
    // 1 s doubled six times is over the longest.
    REST_BASE_MAX.min(REST_MIN * (1 << rests.min(6)))
}

fn is_mostly_failing(totals: Totals) -> bool {
    let calls = totals.plain + totals.special;
    CALLS_MIN <= calls && calls <= totals.special * 2
}

#[cfg(test)]
mod tests;
