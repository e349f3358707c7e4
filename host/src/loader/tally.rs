//! How loads went, and how long they took.

use crate::figures::{Figures, Latency};
use std::time::Duration;

/// Counts of all loads since the host started.
#[derive(Debug, Default)]
pub(crate) struct LoadTally {
    figures: [Figures; Loading::ALL.len()],
}

/// What came of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loading {
    /// Nothing of its module was live.
    Served,
    /// It took the place of another revision.
    Swapped,
    /// It is better code for the same revision.
    Optimized,
    Refused,
}

impl Loading {
    const ALL: [Self; 4] = [Self::Served, Self::Swapped, Self::Optimized, Self::Refused];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Swapped => "swapped",
            Self::Optimized => "optimized",
            Self::Refused => "refused",
        }
    }
}

impl LoadTally {
    /// One more, which took so long from the settled file on.
    pub(super) fn note(&self, loading: Loading, load_ms: u64) {
        if let Some(figures) = self.figures.get(loading as usize) {
            figures.note(Duration::from_millis(load_ms), false, false);
        }
    }

    /// How long loads took, by what came of them.
    pub(crate) fn read(&self) -> Vec<(Loading, Latency)> {
        let figures = self.figures.iter().map(|figures| figures.read().latency);
        Loading::ALL.into_iter().zip(figures).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_where_it_belongs() {
        let tally = LoadTally::default();
        tally.note(Loading::Refused, 10);
        let counts = tally.read().into_iter().map(|(it, times)| (it.as_str(), times.count()));
        let expected = [("served", 0), ("swapped", 0), ("optimized", 0), ("refused", 1)];
        assert_eq!(counts.collect::<Vec<_>>(), expected);
    }
}
