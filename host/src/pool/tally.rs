//! What a service has done.

use crate::call::Answer;
use crate::declaration::Declaration;
use crate::fault::Fault;
use crate::figures::Figures;
use crate::withdraw::Tally;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts of one revision.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Calls that were begun.
    pub(crate) calls: AtomicU64,
    /// Calls whose outcome is known.
    ended: AtomicU64,
    pub(crate) faults: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// Calls of methods and WebSockets that were turned away: too late, no place
    /// in time, or over the pace.
    pub(crate) sheds: AtomicU64,
    /// Of these, those that were over the pace.
    pub(crate) over_pace: AtomicU64,
    /// Faults by their labels, of which there are few.
    by_label: Mutex<Vec<(&'static str, u64)>>,
}

/// What a revision has done. Clones share it.
#[derive(Clone)]
pub(crate) struct Done {
    pub(super) counts: Arc<Counts>,
    /// Of each method, as it is declared.
    pub(super) figures: Arc<[Figures]>,
}

impl Counts {
    /// A call has ended. Tells whether it failed.
    pub(super) fn ended(&self, outcome: &Result<Answer, Fault>) -> bool {
        if let Err(fault) = outcome {
            self.faults.fetch_add(1, Ordering::Relaxed);
            let (label, mut by_label) = (fault.label(), self.by_label());
            match by_label.iter_mut().find(|(known, _)| *known == label) {
                Some((_, count)) => *count += 1,
                None => by_label.push((label, 1)),
            }
        }
        let is_failure = is_failure(outcome);
        if is_failure {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        // What is counted above is seen by whoever sees this.
        self.ended.fetch_add(1, Ordering::Release);
        is_failure
    }

    /// Faults by their labels, those that there were.
    pub(crate) fn faults_by_label(&self) -> Vec<(&'static str, u64)> {
        self.by_label().clone()
    }

    fn by_label(&self) -> MutexGuard<'_, Vec<(&'static str, u64)>> {
        self.by_label.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls that ended, and how many of them failed.
    pub(crate) fn tally(&self) -> Tally {
        let calls = self.ended.load(Ordering::Acquire);
        Tally { calls, failures: self.failures.load(Ordering::Relaxed).min(calls) }
    }
}

impl Done {
    /// Nothing, by the methods of a declaration.
    pub(crate) fn nothing(declaration: &Declaration) -> Self {
        let figures = declaration.methods.iter().map(|_| Figures::default()).collect();
        Self { counts: Arc::default(), figures }
    }
}

/// Whether a call failed by the fault of who was called: 5xx, a trap, a limit.
/// What callers do wrong, and the time they do not give, is none.
fn is_failure(outcome: &Result<Answer, Fault>) -> bool {
    match outcome {
        Ok(answer) => answer.status.is_server_error(),
        Err(
            Fault::Deadline { .. }
            | Fault::Overloaded { .. }
            | Fault::HostOverloaded
            | Fault::Stopping,
        ) => false,
        Err(Fault::Guest { name, .. }) if name == "rejected" => false,
        Err(fault) => fault.reply().status.is_server_error(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::AnswerBody;

    fn answer(status: u16) -> Result<Answer, Fault> {
        let (status, headers) = (status.try_into().unwrap(), http::HeaderMap::new());
        Ok(Answer { status, headers, body: AnswerBody::Empty })
    }

    fn guest(status: u16, name: &str) -> Result<Answer, Fault> {
        Err(Fault::Guest { status, name: name.into(), message: String::new() })
    }

    #[test]
    fn failures_are_those_of_who_was_called() {
        let service = || "calc".to_owned();
        let counts = Counts::default();
        for outcome in [
            answer(500),
            guest(503, "busy"),
            Err(Fault::Trapped { service: service() }),
            Err(Fault::WallLimit { service: service(), wall_ms: 1 }),
        ] {
            counts.ended(&outcome);
        }
        assert_eq!(counts.tally(), Tally { calls: 4, failures: 4 });
        assert_eq!(counts.faults_by_label(), [("guest", 1), ("trapped", 1), ("wall-limit", 1)]);
        for outcome in [
            answer(200),
            answer(404),
            guest(404, "not-found"),
            guest(503, "rejected"),
            Err(Fault::Deadline { doing: "a service was called" }),
            Err(Fault::HostOverloaded),
        ] {
            counts.ended(&outcome);
        }
        assert_eq!(counts.tally(), Tally { calls: 10, failures: 4 });
    }
}
