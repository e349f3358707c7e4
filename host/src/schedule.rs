//! When a timer fires: every so often, or at the times of a cron pattern.
//!
//! Nothing here reads a clock; the time is given.

use croner::Cron;
use croner::parser::CronParser;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// When a timer fires. Two are the same when they were written the same.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// Every so often.
    Every(Duration),
    /// At the times of a pattern, in UTC.
    Cron(Box<CronSchedule>),
}

/// A pattern, checked.
#[derive(Clone, Debug)]
pub(crate) struct CronSchedule {
    text: String,
    cron: Cron,
}

/// Why a schedule is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScheduleError {
    #[error("every {0} ms is not within 100 ms and 366 days")]
    Period(u64),
    #[error("cron pattern {text:?} cannot be read: {why}")]
    Cron { text: String, why: String },
    #[error("cron pattern {text:?} names a time that never comes")]
    Never { text: String },
}

/// Milliseconds between two times.
const PERIODS_MS: RangeInclusive<u64> = 100..=366 * 24 * 3_600 * 1_000;
/// Bytes of a pattern.
const CRON_BYTES_MAX: usize = 256;

impl Schedule {
    /// Every so many milliseconds.
    pub(crate) fn every_ms(ms: u64) -> Result<Self, ScheduleError> {
        if !PERIODS_MS.contains(&ms) {
            return Err(ScheduleError::Period(ms));
        }
        Ok(Self::Every(Duration::from_millis(ms)))
    }

    /// At the times of a pattern of five fields, or of six with seconds first.
    pub(crate) fn cron(text: &str) -> Result<Self, ScheduleError> {
        let refused = |why: String| {
            let text = text.chars().take(64).collect();
            ScheduleError::Cron { text, why }
        };
        if CRON_BYTES_MAX < text.len() {
            return Err(refused(format!("it is over {CRON_BYTES_MAX} bytes")));
        }
        let cron = CronParser::new().parse(text).map_err(|error| refused(error.to_string()))?;
        let schedule = CronSchedule { text: text.to_owned(), cron };
        // What comes at all comes within the 28 years after which days of the
        // week and of the month meet again.
        match schedule.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(Self::Cron(Box::new(schedule))),
            None => Err(ScheduleError::Never { text: text.to_owned() }),
        }
    }
}

impl CronSchedule {
    /// The next time after this one.
    pub(crate) fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let time = time.to_zoned(TimeZone::UTC);
        self.cron.find_next_occurrence(&time, false).ok().map(|next| next.timestamp())
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(period) => write!(f, "every {period:?}"),
            Self::Cron(schedule) => write!(f, "cron {}", schedule.text),
        }
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Every(one), Self::Every(other)) => one == other,
            (Self::Cron(one), Self::Cron(other)) => one.text == other.text,
            _ => false,
        }
    }
}

impl Eq for Schedule {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[track_caller]
    fn next(pattern: &str, after: &str) -> String {
        let Schedule::Cron(schedule) = Schedule::cron(pattern).unwrap() else { unreachable!() };
        schedule.next_after(at(after)).unwrap().to_string()
    }

    #[test]
    fn patterns_name_the_next_time() {
        let noon = "2026-03-01T12:00:00Z";
        assert_eq!(next("* * * * *", noon), "2026-03-01T12:01:00Z");
        assert_eq!(next("*/10 * * * * *", noon), "2026-03-01T12:00:10Z");
        assert_eq!(next("30 4 * * MON", noon), "2026-03-02T04:30:00Z");
        assert_eq!(next("0 0 29 2 *", noon), "2028-02-29T00:00:00Z");
        assert_eq!(next("0 0 L * *", noon), "2026-03-31T00:00:00Z");
        assert_eq!(next("@daily", noon), "2026-03-02T00:00:00Z");
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        let refused = |text: &str| Schedule::cron(text).unwrap_err().to_string();
        assert!(refused("* * * *").starts_with("cron pattern \"* * * *\" cannot be read: "));
        assert!(refused("61 * * * *").contains("cannot be read"));
        assert!(refused(&"*".repeat(300)).ends_with("cannot be read: it is over 256 bytes"));
        let never = "cron pattern \"0 0 30 2 *\" names a time that never comes";
        assert_eq!(refused("0 0 30 2 *"), never);
        assert_eq!(Schedule::every_ms(99), Err(ScheduleError::Period(99)));
        assert!(Schedule::every_ms(u64::MAX).is_err());
    }

    #[test]
    fn schedules_are_told_apart_and_shown() {
        let every = Schedule::every_ms(1_500).unwrap();
        assert_eq!(every.to_string(), "every 1.5s");
        assert_eq!(every, Schedule::every_ms(1_500).unwrap());
        assert_ne!(every, Schedule::cron("* * * * *").unwrap());
        assert_eq!(Schedule::cron("0 4 * * *").unwrap().to_string(), "cron 0 4 * * *");
    }
}
