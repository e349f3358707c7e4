//! Who is called next.
//!
//! Endpoints that *fail* are given rest up to half of the service, so that the
//! load of all never falls on a few (Envoy has the like as "max ejection
//! percent"). Beyond that, those whose rest ends first stay callable. Endpoints
//! that are *silent* are exempt: calling them costs each caller a deadline, so
//! with all of them gone a call fails at once.

use super::member::Member;
use super::{Choice, Chosen, Fit, Fleet, Place, Prefer, Resting, Ticket, Turn, Wish};
use crate::balance::{Candidate, two_of};
use crate::breaker::{Cause, Standing};
use crate::budget::Retry;
use crate::record::Now;
use std::sync::Arc;
use std::time::Duration;

/// Ids named to a caller for whom all rest.
const IDS_MAX: usize = 8;

/// Who comes into question, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// In this process, where that is preferred.
    Near,
    Any,
    /// At their limit.
    Last,
}

/// The best rank that was found, and who is of it.
#[derive(Default)]
struct Field {
    rank: Option<Rank>,
    /// Places in the list of members.
    ready: Vec<usize>,
    /// The first of them for which a probe is due.
    due: Option<usize>,
    resting: Vec<Arc<str>>,
    resting_count: usize,
    next: Option<Now>,
}

impl<E: Clone> Fleet<E> {
    /// Chooses an endpoint and begins the call to it. `fit` says who suits;
    /// those that were tried before do not.
    pub(crate) fn choose(&mut self, wish: Wish, fit: impl Fn(&E) -> Fit) -> Choice<E> {
        let at_once = self.the_near_one(wish, &fit).or_else(|| self.two_at_random(wish, &fit));
        let chosen = match at_once {
            Some(index) => index,
            None => {
                let field = self.survey(wish, &fit);
                match self.pick(&field, wish) {
                    Some(index) => index,
                    None => return field.nobody(),
                }
            }
        };
        if wish.turn == Turn::Again && self.budget.take(wish.now) == Retry::Spent {
            return Choice::Spent;
        }
        if wish.turn == Turn::First {
            self.budget.called(wish.now);
        }
        let Some(member) = self.members.get_mut(chosen) else { return Choice::Nobody };
        member.load.began();
        let pass = member.breaker.begin(wish.now);
        let ticket = Ticket { id: member.listed.id.clone(), serial: member.serial, pass };
        Choice::Call(Chosen {
            endpoint: member.listed.endpoint.clone(),
            place: member.listed.place,
            ticket,
        })
    }

    /// What a new endpoint in this place is taken for: as slow as the slowest
    /// of the faster half of those that serve there.
    pub(super) fn peers_latency(&self, place: Place, now: Now) -> Option<Duration> {
        let peers = self.members.iter().filter(|member| {
            member.listed.place == place && member.breaker.standing(now) == Standing::Serving
        });
        let mut latencies: Vec<Duration> =
            peers.filter_map(|member| member.load.measured(now)).collect();
        latencies.sort_unstable();
        latencies.get(latencies.len().saturating_sub(1) / 2).copied()
    }

    /// The shortest way: while all is well, the only one in this process takes
    /// every call that it has room for.
    fn the_near_one(&self, wish: Wish, fit: impl Fn(&E) -> Fit) -> Option<usize> {
        let here = self.here.filter(|_| self.is_calm && wish.prefer == Prefer::Here)?;
        let listed = &self.members.get(here)?.listed;
        (0 < listed.weight && fit(&listed.endpoint) == Fit::Yes).then_some(here)
    }

    /// The short way, for long lists: while all is well, two are looked at and
    /// not all of them.
    fn two_at_random(&self, wish: Wish, fit: impl Fn(&E) -> Fit) -> Option<usize> {
        let all_alike = wish.prefer == Prefer::Nobody || self.here_count == 0;
        if !self.is_calm || !all_alike || !self.balance.looks_at_two() || self.members.len() < 3 {
            return None;
        }
        let (first, second) = two_of(self.members.len(), wish.random);
        let suits = |at: usize| {
            let member = self.members.get(at)?;
            let is_good = 0 < member.listed.weight && fit(&member.listed.endpoint) == Fit::Yes;
            is_good.then(|| member.load.cost(wish.now))
        };
        let (first_cost, second_cost) = (suits(first)?, suits(second)?);
        Some(if second_cost < first_cost { second } else { first })
    }

    /// Looks at everyone.
    fn survey(&mut self, wish: Wish, fit: impl Fn(&E) -> Fit) -> Field {
        let spared = self.spared(wish.now);
        let fits: Vec<Fit> =
            self.members.iter().map(|member| fit(&member.listed.endpoint)).collect();
        let of_weight =
            |(member, fit): (&Member<E>, &Fit)| *fit != Fit::No && 0 < member.listed.weight;
        let has_weight = self.members.iter().zip(&fits).any(of_weight);
        let mut field = Field::default();
        let mut is_calm = true;
        for (index, (member, fit)) in self.members.iter().zip(&fits).enumerate() {
            let standing = member.breaker.standing(wish.now);
            is_calm &= standing == Standing::Serving;
            if *fit == Fit::No || (has_weight && member.listed.weight == 0) {
                continue;
            }
            let is_near = wish.prefer == Prefer::Here && member.listed.place == Place::Here;
            match standing {
                Standing::Resting { .. } | Standing::Probing { .. }
                    if spared.binary_search(&member.serial).is_ok() =>
                {
                    field.add(index, rank_of(*fit, false));
                }
                Standing::Resting { until, .. } | Standing::Probing { until, .. } => {
                    field.rests(&member.listed.id, until);
                }
                Standing::Serving => field.add(index, rank_of(*fit, is_near)),
                Standing::Due { .. } => field.add_due(index, rank_of(*fit, is_near)),
            }
        }
        self.is_calm = is_calm;
        field
    }

    /// Those who should rest because they fail, and stay callable because too
    /// many do: their serials, in order.
    fn spared(&self, now: Now) -> Vec<u64> {
        if self.is_calm {
            return Vec::new();
        }
        let mut failing = Vec::new();
        let mut reachable = 0;
        for member in self.members.iter().filter(|member| 0 < member.listed.weight) {
            let (until, cause) = match member.breaker.standing(now) {
                Standing::Serving => (now, None),
                Standing::Due { cause } => (now, Some(cause)),
                Standing::Resting { until, cause } | Standing::Probing { until, cause } => {
                    (until, Some(cause))
                }
            };
            reachable += usize::from(cause != Some(Cause::Silent));
            if cause == Some(Cause::Failing) {
                failing.push((until, member.serial));
            }
        }
        // One alone has nobody to leave its load to.
        let rest_max = if reachable < 2 { reachable } else { reachable / 2 };
        failing.sort_unstable();
        failing.truncate(failing.len().saturating_sub(rest_max));
        let mut spared: Vec<u64> = failing.into_iter().map(|(_, serial)| serial).collect();
        spared.sort_unstable();
        spared
    }

    fn pick(&mut self, field: &Field, wish: Wish) -> Option<usize> {
        // Who failed once is not sent ahead as a probe.
        if field.due.is_some() && (wish.turn != Turn::Again || field.ready.is_empty()) {
            return field.due;
        }
        let member = |index: &usize| self.members.get(*index);
        let candidates: Vec<Candidate<'_>> = field
            .ready
            .iter()
            .filter_map(member)
            .map(|member| Candidate { id: &member.listed.id, load: &member.load })
            .collect();
        let at = self.balance.choose(&candidates, wish.now, wish.random)?;
        field.ready.get(at).copied()
    }
}

fn rank_of(fit: Fit, is_near: bool) -> Rank {
    match fit {
        Fit::Yes if is_near => Rank::Near,
        Fit::Yes => Rank::Any,
        Fit::Full | Fit::No => Rank::Last,
    }
}

impl Field {
    fn add(&mut self, index: usize, rank: Rank) {
        if self.rise_to(rank) {
            self.ready.push(index);
        }
    }

    fn add_due(&mut self, index: usize, rank: Rank) {
        if self.rise_to(rank) {
            self.due.get_or_insert(index);
        }
    }

    /// Whether one of this rank is still of interest.
    fn rise_to(&mut self, rank: Rank) -> bool {
        if self.rank.is_none_or(|best| rank < best) {
            self.rank = Some(rank);
            self.ready.clear();
            self.due = None;
        }
        self.rank == Some(rank)
    }

    fn rests(&mut self, id: &Arc<str>, until: Now) {
        if self.resting.len() < IDS_MAX {
            self.resting.push(id.clone());
        }
        self.resting_count += 1;
        self.next = Some(self.next.map_or(until, |next| next.min(until)));
    }

    fn nobody<E>(self) -> Choice<E> {
        match self.next {
            Some(due) => {
                Choice::Resting(Resting { ids: self.resting, count: self.resting_count, due })
            }
            None => Choice::Nobody,
        }
    }
}
