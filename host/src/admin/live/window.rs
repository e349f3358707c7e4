//! The last seconds of counts that only grow.

use crate::figures::Latency;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How far back figures reach.
const SPAN: Duration = Duration::from_secs(10);

/// Counts at one moment.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) latency: Arc<Latency>,
}

/// Samples of the last seconds.
#[derive(Default)]
pub(super) struct Window {
    /// Tells the revision whose counts these are from the one after it.
    of: usize,
    samples: VecDeque<Sample>,
}

/// What the last seconds came to.
#[derive(Debug, PartialEq)]
pub(super) struct Recent {
    /// Calls in a second.
    pub(super) rate: f64,
    /// Of these, those that failed.
    pub(super) failing: f64,
    pub(super) p50: Option<Duration>,
    pub(super) p99: Option<Duration>,
}

impl Window {
    /// The last sample, if it is of these counts.
    pub(super) fn last(&self, of: usize) -> Option<&Sample> {
        self.samples.back().filter(|_| self.of == of)
    }

    /// Takes one more sample. Counts of another revision begin at nothing.
    pub(super) fn push(&mut self, of: usize, sample: Sample) {
        let begins = self.samples.back().is_some_and(|last| {
            self.of != of || sample.calls < last.calls || sample.failures < last.failures
        });
        self.of = of;
        if begins && let Some(last) = self.samples.pop_back() {
            self.samples.clear();
            let latency = Arc::default();
            self.samples.push_back(Sample { at: last.at, calls: 0, failures: 0, latency });
        }
        while 1 < self.samples.len()
            && self.samples.front().is_some_and(|first| SPAN < sample.at - first.at)
        {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// What they came to; nothing after a single sample.
    pub(super) fn recent(&self) -> Recent {
        let nothing = Recent { rate: 0.0, failing: 0.0, p50: None, p99: None };
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return nothing;
        };
        let seconds = (last.at - first.at).as_secs_f64();
        let (calls, failures) = (last.calls - first.calls, last.failures - first.failures);
        if seconds <= 0.0 || calls == 0 && failures == 0 {
            return nothing;
        }
        let latency = last.latency.since(&first.latency);
        Recent {
            rate: per_second(calls, seconds),
            failing: per_second(failures, seconds),
            p50: latency.quantile(0.5),
            p99: latency.quantile(0.99),
        }
    }
}

/// With two digits behind the point, so that noise is no change.
#[allow(clippy::cast_precision_loss, reason = "counts of ten seconds are small")]
pub(super) fn per_second(count: u64, seconds: f64) -> f64 {
    (count as f64 / seconds * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: Instant, calls: u64, failures: u64) -> Sample {
        Sample { at, calls, failures, latency: Arc::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_that_of_the_last_seconds() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut window = Window::default();
        window.push(1, sample(start, 1_000, 3));
        assert_eq!(window.recent().rate, 0.0);
        window.push(1, sample(start + second, 1_020, 5));
        let recent = window.recent();
        assert_eq!((recent.rate, recent.failing), (20.0, 2.0));
        for seconds in 2..=12 {
            window.push(1, sample(start + seconds * second, 1_020, 5));
        }
        assert_eq!(window.recent().rate, 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_revision_begins_at_nothing() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut window = Window::default();
        window.push(1, sample(start, 1_000, 3));
        window.push(1, sample(start + second, 1_100, 3));
        window.push(2, sample(start + 2 * second, 7, 0));
        assert_eq!(window.recent().rate, 7.0);
        assert!(window.last(1).is_none());
    }
}
