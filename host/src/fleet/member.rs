//! One endpoint with what is known of it.

use super::{Listed, Outcome};
use crate::balance::Load;
use crate::breaker::{Breaker, Verdict};
use crate::record::Now;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Member<E> {
    pub(super) listed: Listed<E>,
    pub(super) serial: u64,
    pub(super) breaker: Breaker,
    pub(super) load: Load,
}

impl<E> Member<E> {
    pub(super) fn new(listed: Listed<E>, serial: u64, peers: Option<Duration>, now: Now) -> Self {
        let load = Load::new(listed.weight, peers, now);
        Self { listed, serial, breaker: Breaker::new(now), load }
    }

    pub(super) fn relist(mut self, listed: Listed<E>) -> Self {
        self.load.set_weight(listed.weight);
        self.listed = listed;
        self
    }

    /// A call is over: what it says of the speed is kept, what it says to the
    /// breaker is given back. A caller who waits less than the endpoint
    /// usually takes learns nothing; otherwise the impatience of one would
    /// close the endpoint to all.
    pub(super) fn learn(&mut self, outcome: Outcome, now: Now) -> Verdict {
        let Outcome { verdict, latency } = outcome;
        self.load.left();
        match verdict {
            Verdict::Answered => self.load.answered(latency, now),
            Verdict::Failed | Verdict::TimedOut | Verdict::Unreachable => {
                self.load.failed(latency, now);
            }
            // Turned away in no time is not fast.
            Verdict::Busy { .. } | Verdict::Nothing => (),
        }
        match verdict {
            Verdict::TimedOut if !self.load.was_waited_for(latency) => Verdict::Nothing,
            verdict => verdict,
        }
    }
}
