//! What strangers can cause as often as they like is said seldom: the lines that
//! are kept are for other things, too.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often one thing is said.
const EVERY: Duration = Duration::from_secs(1);

/// When something was said last.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether it may be said again; whoever asks then says it.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| EVERY <= now.saturating_duration_since(last));
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_in_its_time() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        assert!(seldom.is_due_at(start) && !seldom.is_due_at(start + EVERY / 2));
        assert!(seldom.is_due_at(start + EVERY) && !seldom.is_due_at(start + EVERY));
    }
}
