//! Choosing among endpoints that may be called.
//!
//! The default is the better of two at random (Mitzenmacher's power of two
//! choices) by what a call costs there, after finagle's peak EWMA: latency
//! times the calls in flight, and one.

mod load;

pub(crate) use load::Load;

use crate::record::Now;
use std::sync::Arc;

/// How one of several endpoints is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// The cheaper of two at random.
    #[default]
    TwoChoices,
    /// The one with the fewest calls in flight for its weight.
    LeastInFlight,
    /// One after the other, in the order of their ids.
    RoundRobin,
    Random,
    /// At random, by weight.
    Weighted,
}

/// Chooses, and remembers whose turn it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Balance {
    strategy: Strategy,
    last: Option<Arc<str>>,
}

/// One that may be chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) id: &'a Arc<str>,
    pub(crate) load: &'a Load,
}

impl Strategy {
    /// Every one, the usual first.
    pub(crate) const ALL: [Self; 5] =
        [Self::TwoChoices, Self::LeastInFlight, Self::RoundRobin, Self::Random, Self::Weighted];

    /// The strategy of a name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.as_str() == text)
    }

    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TwoChoices => "two-choices",
            Self::LeastInFlight => "least-in-flight",
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
            Self::Weighted => "weighted",
        }
    }
}

impl Balance {
    /// Chooses by this strategy.
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self { strategy, last: None }
    }

    /// Whether it looks at two endpoints only, however many there are.
    pub(crate) fn looks_at_two(&self) -> bool {
        self.strategy == Strategy::TwoChoices
    }

    /// Which of the candidates is called; none only if there are none. They
    /// stand in the order of their ids, each once.
    pub(crate) fn choose(
        &mut self,
        candidates: &[Candidate<'_>],
        now: Now,
        random: u64,
    ) -> Option<usize> {
        let count = candidates.len();
        let index = match self.strategy {
            _ if count < 2 => 0,
            Strategy::TwoChoices => cheaper_of_two(candidates, now, random),
            Strategy::LeastInFlight => least_in_flight(candidates, now, random),
            Strategy::RoundRobin => self.next_in_turn(candidates),
            Strategy::Random => below(count, random as u32),
            Strategy::Weighted => {
                let weights = candidates.iter().map(|candidate| candidate.load.weight_at(now));
                draw(weights, random).unwrap_or(0)
            }
        };
        let chosen = candidates.get(index)?;
        if self.strategy == Strategy::RoundRobin {
            self.last = Some(chosen.id.clone());
        }
        Some(index)
    }

    /// The first id after the last one: who comes or goes moves nobody's turn.
    fn next_in_turn(&self, candidates: &[Candidate<'_>]) -> usize {
        let Some(last) = &self.last else { return 0 };
        let next = candidates.partition_point(|candidate| *candidate.id <= *last);
        if next < candidates.len() { next } else { 0 }
    }
}

/// Draws an index by weight; none if no weight is above zero.
pub(crate) fn draw(weights: impl Iterator<Item = f64> + Clone, random: u64) -> Option<usize> {
    let total: f64 = weights.clone().sum();
    let mut left = total * f64::from(random as u32) / (f64::from(u32::MAX) + 1.0);
    let mut last = None;
    for (index, weight) in weights.enumerate().filter(|(_, weight)| 0.0 < *weight) {
        if left < weight {
            return Some(index);
        }
        left -= weight;
        last = Some(index);
    }
    last
}

/// Two different ones of so many, which are at least two.
pub(crate) fn two_of(count: usize, random: u64) -> (usize, usize) {
    let first = below(count, random as u32);
    let second = below(count - 1, (random >> 32) as u32);
    (first, if first <= second { second + 1 } else { second })
}

/// Evenly, from 0 to below `count`.
fn below(count: usize, random: u32) -> usize {
    ((u64::from(random) * count as u64) >> 32) as usize
}

fn cheaper_of_two(candidates: &[Candidate<'_>], now: Now, random: u64) -> usize {
    let (first, second) = two_of(candidates.len(), random);
    let cost = |at: usize| candidates.get(at).map_or(f64::MAX, |one| one.load.cost(now));
    if cost(second) < cost(first) { second } else { first }
}

fn least_in_flight(candidates: &[Candidate<'_>], now: Now, random: u64) -> usize {
    let calls = candidates.iter().map(|candidate| candidate.load.calls_by_weight(now));
    let least = calls.clone().fold(f64::MAX, f64::min);
    let equals = calls.enumerate().filter(|(_, calls)| *calls <= least);
    let nth = below(equals.clone().count(), random as u32);
    equals.map(|(index, _)| index).nth(nth).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests;
