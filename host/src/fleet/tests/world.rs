//! A fleet in virtual time.

use super::{fleet, ms};
use crate::balance::tests::bits;
use crate::breaker::Verdict;
use crate::fleet::{Choice, Fit, Fleet, Outcome, Prefer, Ticket, Turn, Wish};
use crate::record::Now;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

/// A fleet in virtual time: callers that call one after the other.
pub(super) struct World {
    pub(super) fleet: Fleet<char>,
    pub(super) now: Now,
    random: u64,
    /// Calls that end, soonest first.
    ends: BinaryHeap<Reverse<(Now, u64)>>,
    tickets: BTreeMap<u64, (Ticket, Outcome)>,
    begun: u64,
    pub(super) counts: BTreeMap<char, u32>,
    pub(super) failed: u32,
    pub(super) refused: u32,
}

impl World {
    pub(super) fn new(ids: &str) -> Self {
        Self {
            fleet: fleet(ids),
            now: Duration::from_secs(10),
            random: 42,
            ends: BinaryHeap::new(),
            tickets: BTreeMap::new(),
            begun: 0,
            counts: BTreeMap::new(),
            failed: 0,
            refused: 0,
        }
    }

    fn random(&mut self) -> u64 {
        bits(&mut self.random)
    }

    pub(super) fn wish(&mut self, turn: Turn) -> Wish {
        Wish { now: self.now, random: self.random(), turn, prefer: Prefer::Here }
    }

    /// Begins a call whose end `answer` decides.
    fn begin(&mut self, answer: &impl Fn(char, Now) -> (Verdict, Duration)) {
        let wish = self.wish(Turn::First);
        let Choice::Call(chosen) = self.fleet.choose(wish, |_| Fit::Yes) else {
            self.refused += 1;
            return;
        };
        let (verdict, latency) = answer(chosen.endpoint, self.now);
        *self.counts.entry(chosen.endpoint).or_default() += 1;
        self.begun += 1;
        self.ends.push(Reverse((self.now + latency, self.begun)));
        let outcome = Outcome { verdict, latency };
        self.tickets.insert(self.begun, (chosen.ticket, outcome));
    }

    /// Ends the call that is next to end.
    fn end(&mut self) {
        let Some(Reverse((at, serial))) = self.ends.pop() else { return };
        self.now = self.now.max(at);
        let (ticket, outcome) = self.tickets.remove(&serial).unwrap();
        self.failed += u32::from(outcome.verdict != Verdict::Answered);
        let random = self.random();
        self.fleet.ended(ticket, outcome, self.now, random);
    }

    /// So many callers make so many calls; whom each went to is counted anew.
    pub(super) fn run(
        &mut self,
        callers: usize,
        calls: u32,
        answer: impl Fn(char, Now) -> (Verdict, Duration),
    ) {
        self.counts.clear();
        (self.failed, self.refused) = (0, 0);
        for _ in 0..calls {
            if callers <= self.tickets.len() {
                self.end();
            }
            let refused = self.refused;
            self.begin(&answer);
            if refused < self.refused {
                self.now += ms(1);
            }
        }
        while !self.tickets.is_empty() {
            self.end();
        }
    }

    pub(super) fn count(&self, id: char) -> u32 {
        self.counts.get(&id).copied().unwrap_or_default()
    }
}
