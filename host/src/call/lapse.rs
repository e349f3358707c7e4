//! Times between two moments, in half the space that they take elsewhere.

use std::num::NonZeroU64;
use std::time::Duration;
use tokio::time::Instant;

/// A time of less than 500 years, by the nanosecond. With nothing it takes as little
/// space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lapse(NonZeroU64);

impl Lapse {
    pub(crate) const NONE: Self = Self(NonZeroU64::MIN);

    /// From one moment to a later one.
    pub(crate) fn between(began: Instant, ended: Instant) -> Self {
        let nanos = ended.saturating_duration_since(began).as_nanos();
        Self(NonZeroU64::MIN.saturating_add(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_nanos(self.0.get() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_passed_and_never_less_than_nothing() {
        let began = Instant::now();
        for nanos in [0, 1, 1_000_000_007] {
            let passed = Duration::from_nanos(nanos);
            assert_eq!(Lapse::between(began, began + passed).duration(), passed);
        }
        assert_eq!(Lapse::between(began + Duration::from_secs(1), began), Lapse::NONE);
        assert_eq!(Lapse::NONE.duration(), Duration::ZERO);
    }
}
