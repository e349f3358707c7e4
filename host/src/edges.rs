//! Who calls whom, and how often that fails.
//!
//! Counting looks two names up in a value that is replaced whole when somebody
//! calls somebody for the first time, so calls never wait for each other here.

use crate::call::Answer;
use crate::fault::Fault;
use arc_swap::ArcSwap;
use http::StatusCode;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// The caller of what comes from no service: a request of a stranger, a
/// program on the admin side.
pub(crate) const OUTSIDE: &str = "";

/// Pairs of a caller and a callee that are counted; those that come later are
/// not.
const EDGES_MAX: usize = 4_096;

/// Counts calls by who makes them and who takes them.
#[derive(Default)]
pub(crate) struct Edges {
    callers: ArcSwap<Callers>,
    /// Held by whoever adds a pair; the number of pairs.
    count: Mutex<usize>,
    /// Whether there are as many as may be.
    is_full: AtomicBool,
}

/// Callees by their callers.
type Callers = HashMap<Box<str>, Callees>;
type Callees = HashMap<Box<str>, Arc<Counts>>;

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    failures: AtomicU64,
}

/// How a call went, as far as its edge is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Went {
    /// It was answered, be it that the caller had asked for something wrong.
    Well,
    /// It failed by the fault of who was called, or never got there.
    Wrong,
}

/// One caller with one callee, counted since the host started.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Edge {
    /// [`OUTSIDE`] or the name of a service.
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) calls: u64,
    pub(crate) failures: u64,
}

impl Went {
    /// How a call went that ended like this.
    pub(crate) fn of(outcome: &Result<Answer, Fault>) -> Self {
        Self::of_status(match outcome {
            Ok(answer) => answer.status,
            Err(fault) => fault.reply().status,
        })
    }

    /// How a call went that was answered with this status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        if status.is_server_error() { Self::Wrong } else { Self::Well }
    }
}

impl Counts {
    fn count(&self, went: Went) {
        self.calls.fetch_add(1, Relaxed);
        if went == Went::Wrong {
            self.failures.fetch_add(1, Relaxed);
        }
    }
}

impl Edges {
    /// Counts a call.
    pub(crate) fn count(&self, from: &str, to: &str, went: Went) {
        let callers = self.callers.load();
        match callers.get(from).and_then(|callees| callees.get(to)) {
            Some(counts) => counts.count(went),
            None if self.is_full() => (),
            None => self.count_first(from, to, went),
        }
    }

    #[cold]
    fn count_first(&self, from: &str, to: &str, went: Went) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let callers = self.callers.load();
        // Another thread may have been first.
        if let Some(counts) = callers.get(from).and_then(|callees| callees.get(to)) {
            return counts.count(went);
        }
        if EDGES_MAX <= *count {
            return;
        }
        *count += 1;
        let mut next = Callers::clone(&callers);
        next.entry(from.into()).or_default().entry(to.into()).or_default().count(went);
        self.callers.store(Arc::new(next));
        self.is_full.store(*count == EDGES_MAX, Relaxed);
    }

    /// All there are, by caller and callee.
    pub(crate) fn list(&self) -> Vec<Edge> {
        let callers = self.callers.load();
        let all = callers.iter().flat_map(|(from, callees)| {
            callees.iter().map(move |(to, counts)| Edge {
                from: from.to_string(),
                to: to.to_string(),
                calls: counts.calls.load(Relaxed),
                failures: counts.failures.load(Relaxed),
            })
        });
        let mut all: Vec<Edge> = all.collect();
        all.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        all
    }

    /// Whether pairs may be missing because there were too many.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str, calls: u64, failures: u64) -> Edge {
        Edge { from: from.to_owned(), to: to.to_owned(), calls, failures }
    }

    #[test]
    fn calls_are_counted_by_who_makes_and_who_takes_them() {
        let edges = Edges::default();
        edges.count("shop", "rates", Went::Well);
        edges.count(OUTSIDE, "shop", Went::Well);
        edges.count("shop", "rates", Went::Wrong);
        assert_eq!(edges.list(), [edge("", "shop", 1, 0), edge("shop", "rates", 2, 1)]);
    }

    #[test]
    fn pairs_that_are_too_many_are_not_counted_and_those_before_are() {
        let edges = Edges::default();
        for number in 0..EDGES_MAX {
            edges.count(OUTSIDE, &format!("s{number}"), Went::Well);
        }
        assert!(edges.is_full());
        edges.count(OUTSIDE, "late", Went::Well);
        edges.count(OUTSIDE, "s0", Went::Wrong);
        let all = edges.list();
        assert_eq!(all.len(), EDGES_MAX);
        assert!(all.contains(&edge("", "s0", 2, 1)), "{:?}", all.first());
    }
}
