//! What requests to outside came to, by service.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What a request came to by the time its answer began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    NotGranted,
    Prohibited,
    Failed,
    Timeout,
    Limit,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::Answered,
        Self::NotGranted,
        Self::Prohibited,
        Self::Failed,
        Self::Timeout,
        Self::Limit,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotGranted => "not-granted",
            Self::Prohibited => "address-prohibited",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
        }
    }
}

/// Counts of one service, all its revisions together.
#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; Outcome::ALL.len()]);

impl Tally {
    pub(super) fn add(&self, outcome: Outcome) {
        if let Some(count) = self.0.get(outcome as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    fn counts(&self) -> Vec<(Outcome, u64)> {
        let counts = self.0.iter().map(|count| count.load(Relaxed));
        Outcome::ALL.into_iter().zip(counts).collect()
    }
}

/// Counts of the services that there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies(Arc<Mutex<BTreeMap<String, Weak<Tally>>>>);

impl Tallies {
    /// Those of a service, from zero when it has no revision.
    pub(super) fn of(&self, service: &str) -> Arc<Tally> {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tallies.get(service).and_then(Weak::upgrade) {
            return known;
        }
        tallies.retain(|_, tally| 0 < tally.strong_count());
        let tally = Arc::default();
        tallies.insert(service.to_owned(), Arc::downgrade(&tally));
        tally
    }

    pub(super) fn counts(&self) -> Vec<(String, Vec<(Outcome, u64)>)> {
        let tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let live = tallies.iter().filter_map(|(name, tally)| Some((name, tally.upgrade()?)));
        live.map(|(name, tally)| (name.clone(), tally.counts())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_of_a_service_count_together_and_are_forgotten_with_the_last() {
        let tallies = Tallies::default();
        let (old, new) = (tallies.of("a"), tallies.of("a"));
        old.add(Outcome::Answered);
        new.add(Outcome::Limit);
        drop(old);
        let counts = tallies.counts();
        assert_eq!(counts.len(), 1);
        for (outcome, count) in &counts.first().unwrap().1 {
            let is_counted = [Outcome::Answered, Outcome::Limit].contains(outcome);
            assert_eq!(*count, u64::from(is_counted), "{outcome:?}");
        }
        drop(new);
        assert!(tallies.counts().is_empty());
        assert_eq!(tallies.of("a").counts().first(), Some(&(Outcome::Answered, 0)));
    }
}
