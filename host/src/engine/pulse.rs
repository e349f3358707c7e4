//! The clock that interrupts guests. It stands still while none of them runs,
//! so that an idle host sleeps.

use crate::limits::EPOCH_TICK;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use tracing::warn;

/// Counts guests that run, and makes ticks while there are any.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    running: AtomicUsize,
    is_resting: AtomicBool,
    ticker: OnceLock<Thread>,
}

/// A guest that runs.
#[derive(Debug)]
pub(crate) struct Running(Arc<Pulse>);

/// Ticks without a guest after which the clock stops. To start it again costs
/// more than to let it run through a short pause.
const TICKS_BEFORE_REST: u32 = 100;

/// Ticks of all clocks of this process.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// How many ticks there were.
pub(super) fn ticks() -> u64 {
    TICKS.load(Relaxed)
}

impl Pulse {
    /// Starts the clock; `tick` says whether to go on.
    pub(super) fn start(self: &Arc<Self>, mut tick: impl FnMut() -> bool + Send + 'static) {
        let pulse = self.clone();
        let run = move || {
            let _ = pulse.ticker.set(thread::current());
            let mut idle_ticks = 0;
            let mut next = || {
                // First, so that who meets the tick finds it counted.
                TICKS.fetch_add(1, Relaxed);
                tick()
            };
            while next() {
                idle_ticks = if pulse.running.load(SeqCst) == 0 { idle_ticks + 1 } else { 0 };
                if TICKS_BEFORE_REST <= idle_ticks {
                    pulse.rest();
                    idle_ticks = 0;
                }
                #[allow(clippy::disallowed_methods, reason = "the ticker's own thread")]
                thread::sleep(EPOCH_TICK);
            }
        };
        if let Err(error) = thread::Builder::new().name("epoch-ticker".to_owned()).spawn(run) {
            warn!(%error, "no ticker: a guest that computes is stopped by its wall time alone");
        }
    }

    /// A guest begins to run.
    pub(super) fn run(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, SeqCst);
        // Either this sees that the clock is about to stop, or the clock sees
        // that a guest runs.
        if self.is_resting.load(SeqCst) {
            self.wake();
        }
        Running(self.clone())
    }

    /// Starts a clock that stands still.
    pub(super) fn wake(&self) {
        self.is_resting.store(false, SeqCst);
        if let Some(ticker) = self.ticker.get() {
            ticker.unpark();
        }
    }

    fn rest(&self) {
        self.is_resting.store(true, SeqCst);
        while self.is_resting.load(SeqCst) && self.running.load(SeqCst) == 0 {
            thread::park();
        }
        self.is_resting.store(false, SeqCst);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn it_ticks_while_a_guest_runs_and_rests_when_none_does() {
        let pulse = Arc::new(Pulse::default());
        let (sender, ticks) = mpsc::channel();
        pulse.start(move || sender.send(()).is_ok());
        let running = pulse.run();
        for _ in 0..2 * TICKS_BEFORE_REST {
            ticks.recv_timeout(Duration::from_secs(5)).expect("it ticks");
        }
        drop(running);
        while ticks.recv_timeout(Duration::from_millis(500)).is_ok() {}
        assert!(pulse.is_resting.load(SeqCst));
        let _running = pulse.run();
        ticks.recv_timeout(Duration::from_secs(5)).expect("it ticks again");
    }
}
