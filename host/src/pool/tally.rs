//! What a service has done.

use crate::call::Answer;
use crate::fault::Fault;
use crate::withdraw::Tally;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one revision.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Calls that were begun.
    pub(crate) calls: AtomicU64,
    /// Calls whose outcome is known.
    ended: AtomicU64,
    pub(crate) faults: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl Counts {
    /// A call has ended.
    pub(super) fn ended(&self, outcome: &Result<Answer, Fault>) {
        if outcome.is_err() {
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
        if is_failure(outcome) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        // What is counted above is seen by whoever sees this.
        self.ended.fetch_add(1, Ordering::Release);
    }

    /// Calls that ended, and how many of them failed.
    pub(crate) fn tally(&self) -> Tally {
        let calls = self.ended.load(Ordering::Acquire);
        Tally { calls, failures: self.failures.load(Ordering::Relaxed).min(calls) }
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
