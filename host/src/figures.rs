//! Figures of methods: how many calls, how they ended, how long they took.
//!
//! Times are counted in a histogram whose buckets grow with what they count:
//! eight of them between a power of two and the next, so that a time that is
//! read from it is off by 7 % at most. To count a call is two additions, and
//! nobody waits for anybody.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How the calls of one method did, since its revision is live, whatever code it
/// had.
#[derive(Clone, Debug, Default)]
pub(crate) struct MethodFigures {
    /// Calls that ended.
    pub(crate) calls: u64,
    /// Of these, those that ended in a fault.
    pub(crate) faults: u64,
    /// Of these, those that were the fault of the service.
    pub(crate) failures: u64,
    /// From when they asked to be let in until their answer began.
    pub(crate) latency: Latency,
}

/// Where calls of one method are counted.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    faults: AtomicU64,
    failures: AtomicU64,
    /// Most methods of most services are hardly ever called.
    times: OnceLock<Box<Times>>,
}

#[derive(Debug)]
struct Times {
    buckets: [AtomicU64; BUCKETS],
    /// Microseconds of all calls together.
    sum_us: AtomicU64,
}

/// Times of calls at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Latency {
    /// Empty when there were no calls.
    buckets: Vec<u64>,
    sum_us: u64,
}

/// The unit of the histogram is 2^7 = 128 nanoseconds.
const UNIT_BITS: u32 = 7;
/// There are 2^3 buckets between a power of two and the next.
const PART_BITS: u32 = 3;
const PARTS: u64 = 1 << PART_BITS;
/// The last bucket begins at 2^33 units, eighteen minutes; no call lasts longer.
const BUCKETS: usize = 249;

impl Default for Times {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum_us: AtomicU64::new(0) }
    }
}

/// The bucket of a time in units.
fn bucket(units: u64) -> usize {
    if units < PARTS {
        return usize::try_from(units).unwrap_or_default();
    }
    let power = units.ilog2();
    let part = (units >> (power - PART_BITS)) - PARTS;
    let index = u64::from(power - PART_BITS + 1) * PARTS + part;
    usize::try_from(index).map_or(BUCKETS - 1, |index| index.min(BUCKETS - 1))
}

/// The units at which a bucket begins.
fn begin(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    match (bucket / PARTS).checked_sub(1) {
        None => bucket,
        Some(shift) => (PARTS + bucket % PARTS) << shift,
    }
}

/// The time that a bucket stands for, which is its middle.
fn middle(bucket: usize) -> Duration {
    let (begin, end) = (begin(bucket), begin(bucket + 1));
    Duration::from_nanos((begin + end) << (UNIT_BITS - 1))
}

impl Figures {
    /// A call has ended.
    pub(crate) fn note(&self, took: Duration, is_fault: bool, is_failure: bool) {
        if is_fault {
            self.faults.fetch_add(1, Relaxed);
        }
        if is_failure {
            self.failures.fetch_add(1, Relaxed);
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let times = self.times.get_or_init(Box::default);
        if let Some(bucket) = times.buckets.get(bucket(nanos >> UNIT_BITS)) {
            bucket.fetch_add(1, Relaxed);
        }
        times.sum_us.fetch_add(nanos / 1_000, Relaxed);
    }

    /// How they are now.
    pub(crate) fn read(&self) -> MethodFigures {
        let latency = match self.times.get() {
            None => Latency::default(),
            Some(times) => Latency {
                buckets: times.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect(),
                sum_us: times.sum_us.load(Relaxed),
            },
        };
        MethodFigures {
            calls: latency.count(),
            faults: self.faults.load(Relaxed),
            failures: self.failures.load(Relaxed),
            latency,
        }
    }
}

impl Latency {
    /// How many calls there were.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their times together.
    pub(crate) fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// The time within which this part of the calls was over, from 0 to 1; none
    /// when there were none.
    pub(crate) fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among calls, which need not be exact beyond 2^52 of them"
        )]
        let rank = ((count as f64 * part.clamp(0.0, 1.0)).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let mut reached = self.buckets.iter().map(|calls| {
            seen += calls;
            rank <= seen
        });
        reached.position(|is_reached| is_reached).map(middle)
    }

    /// How many calls were over within a time, as the buckets have it.
    pub(crate) fn within(&self, time: Duration) -> u64 {
        let counted = self.buckets.iter().enumerate();
        counted.take_while(|(bucket, _)| middle(*bucket) <= time).map(|(_, calls)| calls).sum()
    }

    /// What was added since it was like this.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = earlier.buckets.iter().chain(std::iter::repeat(&0));
        let buckets = self.buckets.iter().zip(before);
        Self {
            buckets: buckets.map(|(now, before)| now.saturating_sub(*before)).collect(),
            sum_us: self.sum_us.saturating_sub(earlier.sum_us),
        }
    }

    /// Those of several methods or moments together.
    pub(crate) fn sum_of<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        all.into_iter().fold(Self::default(), |mut sum, one| {
            if sum.buckets.len() < one.buckets.len() {
                sum.buckets.resize(one.buckets.len(), 0);
            }
            for (total, calls) in sum.buckets.iter_mut().zip(&one.buckets) {
                *total += calls;
            }
            sum.sum_us += one.sum_us;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_are_narrow() {
        for index in 0..BUCKETS - 1 {
            let (from, to) = (begin(index), begin(index + 1));
            assert!(from < to, "bucket {index}");
            assert_eq!((bucket(from), bucket(to - 1)), (index, index), "bucket {index}");
            if 8 <= index {
                let (middle, from) = (middle(index).as_nanos(), u128::from(from) << UNIT_BITS);
                assert!((middle - from) * 100 <= from * 7, "bucket {index}");
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert!(Duration::from_secs(1_000) < middle(BUCKETS - 1));
    }

    #[track_caller]
    fn check(latency: &Latency, part: f64, expected_us: u64) {
        let seen = latency.quantile(part).unwrap().as_micros() as f64;
        let expected = expected_us as f64;
        assert!((seen - expected).abs() <= expected * 0.07, "{part}: {seen} µs, not {expected} µs");
    }

    #[test]
    fn quantiles_are_off_by_little() {
        let figures = Figures::default();
        for us in 1..=10_000 {
            figures.note(Duration::from_micros(us), us % 100 == 0, us % 1_000 == 0);
        }
        let MethodFigures { calls, faults, failures, latency } = figures.read();
        assert_eq!((calls, faults, failures), (10_000, 100, 10));
        assert_eq!(latency.sum(), Duration::from_micros(50_005_000));
        for (part, us) in [(0.5, 5_000), (0.9, 9_000), (0.99, 9_900), (1.0, 10_000)] {
            check(&latency, part, us);
        }
        let half = latency.within(Duration::from_millis(5));
        assert!((4_600..=5_400).contains(&half), "{half}");
        assert_eq!(latency.within(Duration::from_secs(1)), 10_000);
    }

    #[test]
    fn what_was_added_and_what_is_together() {
        let (one, other) = (Figures::default(), Figures::default());
        assert_eq!(one.read().latency.quantile(0.5), None);
        one.note(Duration::from_millis(1), false, false);
        let before = one.read().latency;
        one.note(Duration::from_millis(100), false, false);
        other.note(Duration::from_millis(10), false, false);
        let after = one.read().latency;
        let added = after.since(&before);
        assert_eq!((added.count(), added.sum()), (1, Duration::from_millis(100)));
        assert_eq!(after.since(&Latency::default()), after);
        check(&added, 0.5, 100_000);
        let both = Latency::sum_of([&after, &other.read().latency]);
        assert_eq!(both.count(), 3);
        check(&both, 0.5, 10_000);
    }
}
