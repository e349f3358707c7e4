//! How long a guest has computed, as opposed to waited.
//!
//! The engine's ticks interrupt a guest that computes; whoever polls its store
//! reports when it came to rest. Between the first tick after a rest and the
//! next rest the guest was computing. A burst shorter than two ticks may go
//! uncounted. No clock of its own: the callers say what time it is.

use crate::limits::EPOCH_TICK;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What a tick has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Burst {
    /// The guest may just have begun.
    Young,
    /// It has computed since the tick before, and has to yield. In all it has
    /// computed for so long.
    Long { spent: Duration },
}

/// Counts the computing time of one call.
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    /// A tick has met this call; most calls are over before one does.
    has_begun: AtomicBool,
    /// Two ticks have met it in one burst.
    is_long: AtomicBool,
    reading: Mutex<Reading>,
}

#[derive(Debug, Default)]
struct Reading {
    spent: Duration,
    /// Since when the guest is known to compute.
    running_since: Option<Instant>,
    /// The next rest is the one that a tick has just forced.
    is_yielding: bool,
}

impl CpuMeter {
    /// A new call begins.
    pub(super) fn reset(&self) {
        if self.has_begun.swap(false, Relaxed) {
            *self.lock() = Reading::default();
            self.is_long.store(false, Relaxed);
        }
    }

    /// A tick met the guest computing.
    pub(super) fn tick(&self, now: Instant) -> Burst {
        self.has_begun.store(true, Relaxed);
        let mut reading = self.lock();
        let Some(since) = reading.running_since.replace(now) else { return Burst::Young };
        reading.spent += at_most_a_tick(since, now);
        reading.is_yielding = true;
        self.is_long.store(true, Relaxed);
        Burst::Long { spent: reading.spent }
    }

    /// Whether this call has computed for long.
    pub(super) fn is_long(&self) -> bool {
        self.is_long.load(Relaxed)
    }

    /// Whether a tick has met the guest since it last came to rest.
    pub(super) fn is_computing(&self) -> bool {
        self.has_begun.load(Relaxed) && self.lock().running_since.is_some()
    }

    /// The guest stopped. True when it came to rest, and was not made to yield.
    pub(super) fn paused(&self, now: impl FnOnce() -> Instant) -> bool {
        if !self.has_begun.load(Relaxed) {
            return true;
        }
        let now = now();
        let mut reading = self.lock();
        if std::mem::take(&mut reading.is_yielding) {
            return false;
        }
        if let Some(since) = reading.running_since.take() {
            reading.spent += at_most_a_tick(since, now);
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between two looks a guest computes for a tick at most; what is longer, it
/// spent in line for a core.
fn at_most_a_tick(since: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(since).min(EPOCH_TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replays `t`ick (with the rest it forces), `p`ause, `+N` tenths of a tick.
    #[track_caller]
    fn check(script: &str, expected: u32) {
        let (meter, mut now) = (CpuMeter::default(), Instant::now());
        for step in script.split_whitespace() {
            match step {
                "t" => {
                    if meter.tick(now) != Burst::Young {
                        assert!(!meter.paused(|| now), "it was made to yield");
                    }
                }
                "p" => assert!(meter.paused(|| now)),
                wait => now += EPOCH_TICK / 10 * wait[1..].parse::<u32>().unwrap(),
            }
        }
        let spent = meter.lock().spent;
        assert_eq!(spent, EPOCH_TICK / 10 * expected, "script {script:?}");
    }

    #[test]
    fn computing_counts_and_waiting_does_not() {
        check("+9 t +10 t +10 t", 20);
        check("t +9 p", 9);
        check("p +500 t p +500 t p +500 t p", 0);
        check("t +10 t +2 p +500 t +3 p", 15);
        check("t +80 t +80 t", 20);
    }

    #[test]
    fn a_burst_is_long_from_its_second_tick_on() {
        let (meter, now) = (CpuMeter::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(meter.tick(now), Burst::Young);
            assert!(meter.paused(|| now));
        }
        assert!(!meter.is_long());
        meter.tick(now);
        assert_eq!(meter.tick(now + EPOCH_TICK), Burst::Long { spent: EPOCH_TICK });
        assert!(meter.is_long());
        meter.reset();
        assert!(!meter.is_long());
    }
}
