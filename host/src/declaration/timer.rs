//! Timers: what a service does from time to time.

use super::{DeclarationError, shorten};
use crate::name::{Name, NameError};
use crate::schedule::{Schedule, ScheduleError};
use std::collections::BTreeSet;

/// A timer as a module describes it, unchecked.
#[derive(Clone, Debug)]
pub(crate) struct RawTimer {
    pub name: String,
    pub schedule: RawSchedule,
    pub overlap: bool,
    pub description: String,
}

/// When it fires, unchecked.
#[derive(Clone, Debug)]
pub(crate) enum RawSchedule {
    EveryMs(u64),
    Cron(String),
}

/// What a service does from time to time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timer {
    pub name: Name,
    pub schedule: Schedule,
    /// Whether it fires although the time before has not ended.
    pub overlap: bool,
    pub description: String,
}

/// Why a timer is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimerError {
    #[error("timer name {name:?} {error}")]
    Name { name: String, error: NameError },
    #[error("timer {name}: {error}")]
    Schedule { name: Name, error: ScheduleError },
    #[error("timer {0} is declared twice")]
    Twice(Name),
    #[error("declares {count} timers, at most {max} are allowed")]
    TooMany { count: usize, max: usize },
}

impl Timer {
    /// Whether both fire at the same times.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.schedule, self.overlap) == (&other.name, &other.schedule, other.overlap)
    }

    fn check(raw: RawTimer) -> Result<Self, TimerError> {
        let RawTimer { name, schedule, overlap, description } = raw;
        let name =
            Name::parse(&name).map_err(|error| TimerError::Name { name: shorten(&name), error })?;
        let schedule = match schedule {
            RawSchedule::EveryMs(ms) => Schedule::every_ms(ms),
            RawSchedule::Cron(pattern) => Schedule::cron(&pattern),
        };
        match schedule {
            Ok(schedule) => Ok(Self { name, schedule, overlap, description }),
            Err(error) => Err(TimerError::Schedule { name, error }),
        }
    }
}

/// Checks all timers of a module.
pub(super) fn check_all(raw: Vec<RawTimer>, max: usize) -> Result<Vec<Timer>, DeclarationError> {
    let count = raw.len();
    if max < count {
        return Err(TimerError::TooMany { count, max }.into());
    }
    let timers: Vec<Timer> = raw.into_iter().map(Timer::check).collect::<Result<_, _>>()?;
    let mut names = BTreeSet::new();
    match timers.iter().find(|timer| !names.insert(&timer.name)) {
        Some(twice) => Err(TimerError::Twice(twice.name.clone()).into()),
        None => Ok(timers),
    }
}
