//! All endpoints of one service: who of them is called next, and what is
//! learned when a call ends. Breaker, balance and retry budget meet here.
//!
//! A plain value. The client puts one lock around it, tells it the time, and
//! holds the lock for a choice or for the end of a call, never for the call.

mod choose;
mod member;

use crate::balance::{Balance, Strategy};
use crate::breaker::{Change, Pass, Standing, Verdict};
use crate::budget::Budget;
use crate::record::Now;
use member::Member;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One endpoint as it is listed.
#[derive(Clone, Debug)]
pub(crate) struct Listed<E> {
    /// What it is known by. One that moves to another address should get
    /// another id, for what is known of it is kept as long as its id is.
    pub(crate) id: Arc<str>,
    pub(crate) place: Place,
    /// Its part of the calls beside the others. Zero is called only when
    /// nothing else suits.
    pub(crate) weight: u32,
    /// What the client calls it with.
    pub(crate) endpoint: E,
}

/// Where an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this process.
    Here,
    There,
}

/// What a caller wants chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) now: Now,
    /// Evenly distributed bits.
    pub(crate) random: u64,
    pub(crate) turn: Turn,
    pub(crate) prefer: Prefer,
}

/// Which try of its call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    First,
    /// The try before failed: the budget is asked.
    Again,
    /// The endpoint before declined, drains or is at its limit. That is no
    /// failure, and costs nothing.
    Moved,
}

/// Who goes before whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefer {
    /// Those in this process, as long as they can take the call.
    Here,
    /// All are alike.
    Nobody,
}

/// Whether an endpoint suits a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Yes,
    /// It would, but is at its limit: better it than nobody.
    Full,
    /// It is not what was asked for, or was tried before.
    No,
}

/// Who is called.
#[derive(Debug)]
pub(crate) enum Choice<E> {
    Call(Chosen<E>),
    /// Endpoints suit, but all of them rest.
    Resting(Resting),
    /// The service has no retry left.
    Spent,
    /// No endpoint suits.
    Nobody,
}

/// An endpoint, and the call to it as begun.
#[derive(Debug)]
pub(crate) struct Chosen<E> {
    pub(crate) endpoint: E,
    pub(crate) place: Place,
    pub(crate) ticket: Ticket,
}

/// A call that was begun. It has to be given back with [`Fleet::ended`] or
/// [`Fleet::abandoned`], so the client keeps it in a guard: one that is
/// dropped otherwise counts as in flight as long as its endpoint is listed.
#[derive(Debug)]
#[must_use = "a call that is begun has to be ended"]
pub(crate) struct Ticket {
    id: Arc<str>,
    /// An endpoint that left and came back is another one.
    serial: u64,
    pass: Pass,
}

impl Ticket {
    /// The endpoint that is called.
    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }
}

/// Who rests, for the fault that the caller gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resting {
    /// Ids of some that suit and rest, at most eight.
    pub(crate) ids: Vec<Arc<str>>,
    /// How many there are.
    pub(crate) count: usize,
    /// When the first of them may be called again.
    pub(crate) due: Now,
}

/// How a call went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// Time from the choice to the head of the answer, or to the failure.
    pub(crate) latency: Duration,
}

/// An endpoint and its state, for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State<'a, E> {
    pub(crate) listed: &'a Listed<E>,
    pub(crate) standing: Standing,
    pub(crate) in_flight: u32,
    /// As it is reckoned with by now; none before the first answer.
    pub(crate) latency: Option<Duration>,
}

/// The endpoints of one service, in the order of their ids.
#[derive(Debug)]
pub(crate) struct Fleet<E> {
    members: Vec<Member<E>>,
    balance: Balance,
    budget: Budget,
    serial: u64,
    /// How many of them are in this process.
    here_count: usize,
    /// The only one there.
    here: Option<usize>,
    /// Whether all were found serving, and nothing happened since.
    is_calm: bool,
}

impl<E: Clone> Fleet<E> {
    /// A service without endpoints.
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self {
            members: Vec::new(),
            balance: Balance::new(strategy),
            budget: Budget::default(),
            serial: 0,
            here_count: 0,
            here: None,
            is_calm: false,
        }
    }

    /// Takes the list as it is now. What is known of those that stay is kept;
    /// of two with one id the last counts.
    pub(crate) fn refresh(&mut self, listed: impl IntoIterator<Item = Listed<E>>, now: Now) {
        let here = self.peers_latency(Place::Here, now);
        let there = self.peers_latency(Place::There, now);
        let listed: BTreeMap<Arc<str>, Listed<E>> =
            listed.into_iter().map(|listed| (listed.id.clone(), listed)).collect();
        let known = std::mem::take(&mut self.members);
        let mut known: BTreeMap<Arc<str>, Member<E>> =
            known.into_iter().map(|member| (member.listed.id.clone(), member)).collect();
        for (id, listed) in listed {
            let member = match known.remove(&id) {
                Some(member) => member.relist(listed),
                None => {
                    self.serial += 1;
                    let peers = if listed.place == Place::Here { here } else { there };
                    Member::new(listed, self.serial, peers, now)
                }
            };
            self.members.push(member);
        }
        let is_here = |member: &Member<E>| member.listed.place == Place::Here;
        self.here_count = self.members.iter().filter(|member| is_here(member)).count();
        let first_here = self.members.iter().position(is_here);
        self.here = first_here.filter(|_| self.here_count == 1);
        self.is_calm = false;
    }

    /// A call is over. What changed by that is for the log.
    pub(crate) fn ended(
        &mut self,
        ticket: Ticket,
        outcome: Outcome,
        now: Now,
        random: u64,
    ) -> Change {
        let Ticket { id, serial, pass } = ticket;
        let Some(member) = self.member_mut(&id, Some(serial)) else { return Change::Unchanged };
        let verdict = member.learn(outcome, now);
        let place = member.listed.place;
        let change = member.breaker.ended(pass, verdict, now, random);
        if verdict != Verdict::Answered {
            self.is_calm = false;
        }
        if change == Change::Serves {
            let peers = self.peers_latency(place, now);
            if let Some(member) = self.member_mut(&id, None) {
                member.load.restart(peers, now);
            }
        }
        change
    }

    /// An answer broke off after the call to it counted as answered.
    pub(crate) fn broke_off(&mut self, id: &str, now: Now, random: u64) -> Change {
        let Some(member) = self.member_mut(id, None) else { return Change::Unchanged };
        if member.breaker.standing(now) != Standing::Serving {
            return Change::Unchanged;
        }
        let pass = member.breaker.begin(now);
        let change = member.breaker.ended(pass, Verdict::Failed, now, random);
        self.is_calm = false;
        change
    }

    /// The caller left; nothing is known of how the call would have ended.
    pub(crate) fn abandoned(&mut self, ticket: Ticket, now: Now) {
        let outcome = Outcome { verdict: Verdict::Nothing, latency: Duration::ZERO };
        self.ended(ticket, outcome, now, 0);
    }

    /// An endpoint was seen alive by other means: it registered again, or a
    /// health check was good.
    pub(crate) fn seen_alive(&mut self, id: &str, now: Now) {
        if let Some(member) = self.member_mut(id, None) {
            member.breaker.seen_alive(now);
        }
    }

    /// Every endpoint with its state, in the order of their ids.
    pub(crate) fn states(&self, now: Now) -> impl Iterator<Item = State<'_, E>> {
        self.members.iter().map(move |member| State {
            listed: &member.listed,
            standing: member.breaker.standing(now),
            in_flight: member.load.in_flight(),
            latency: member.load.measured(now),
        })
    }

    fn member_mut(&mut self, id: &str, serial: Option<u64>) -> Option<&mut Member<E>> {
        let at = self.members.binary_search_by(|member| (*member.listed.id).cmp(id)).ok()?;
        let member = self.members.get_mut(at)?;
        (serial.is_none() || serial == Some(member.serial)).then_some(member)
    }
}

#[cfg(test)]
mod tests;
