//! How long a guest has computed, as opposed to waited.
//!
//! The engine's ticks interrupt a guest that computes; whoever polls its store
//! reports when it came to rest. Between the first tick after a rest and the
//! next rest the guest was computing. A burst shorter than a tick may go
//! uncounted. No clock of its own: the callers say what time it is.

use crate::limits::EPOCH_TICK;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Counts the computing time of one call.
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    /// A tick has met this call; most calls are over before one does.
    has_begun: AtomicBool,
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
        }
    }

    /// A tick met the guest computing, and makes it yield. Gives the time that
    /// it has computed by now.
    pub(super) fn tick(&self, now: Instant) -> Duration {
        self.has_begun.store(true, Relaxed);
        let mut reading = self.lock();
        if let Some(since) = reading.running_since.replace(now) {
            reading.spent += at_most_a_tick(since, now);
        }
        reading.is_yielding = true;
        reading.spent
    }

    /// The guest came to rest.
    pub(super) fn paused(&self, now: impl FnOnce() -> Instant) {
        if !self.has_begun.load(Relaxed) {
            return;
        }
        let now = now();
        let mut reading = self.lock();
        if std::mem::take(&mut reading.is_yielding) {
            return;
        }
        if let Some(since) = reading.running_since.take() {
            reading.spent += at_most_a_tick(since, now);
        }
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

    /// Replays `t`ick (with the rest it forces), `p`ause, `+N` milliseconds.
    #[track_caller]
    fn check(script: &str, expected_ms: u64) {
        let (meter, mut now) = (CpuMeter::default(), Instant::now());
        for step in script.split_whitespace() {
            match step {
                "t" => {
                    meter.tick(now);
                    meter.paused(|| now);
                }
                "p" => meter.paused(|| now),
                wait => now += Duration::from_millis(wait[1..].parse().unwrap()),
            }
        }
        let spent = meter.lock().spent;
        assert_eq!(spent, Duration::from_millis(expected_ms), "script {script:?}");
    }

    #[test]
    fn computing_counts_and_waiting_does_not() {
        check("+9 t +10 t +10 t", 20);
        check("t +9 p", 9);
        check("p +500 t p +500 t p +500 t p", 0);
        check("t +10 t +2 p +500 t +3 p", 15);
        check("t +80 t +80 t", 20);
    }
}
