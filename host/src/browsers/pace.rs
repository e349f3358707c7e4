//! How many messages a browser may send. Who sends more is refused at first.

use crate::rate::{AHEAD, Rate};
use tokio::time::Instant;

/// The pace of one socket.
#[derive(Debug)]
pub(crate) struct Pace(Rate);

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paced {
    /// It is let in.
    Granted,
    /// It is one too many.
    Refused,
    /// So many were refused, one right after the other, that nobody listens.
    Flood,
}

impl Pace {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self(Rate::new(per_second, now))
    }

    /// Judges a message. What is refused counts, too.
    pub(crate) fn judge(&mut self, now: Instant) -> Paced {
        self.0.take(now);
        let ahead = self.0.ahead(now);
        if ahead <= AHEAD {
            Paced::Granted
        } else if ahead <= AHEAD * 2 {
            Paced::Refused
        } else {
            Paced::Flood
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_second_of_messages_is_granted_the_next_refused_then_it_is_a_flood() {
        let start = Instant::now();
        let mut pace = Pace::new(10, start);
        let seen: Vec<Paced> = (0..21).map(|_| pace.judge(start)).collect();
        assert!(seen.iter().take(10).all(|paced| *paced == Paced::Granted));
        assert!(seen.iter().skip(10).take(10).all(|paced| *paced == Paced::Refused));
        assert_eq!(seen.last(), Some(&Paced::Flood));
    }

    #[test]
    fn who_waits_may_go_on() {
        let start = Instant::now();
        let mut pace = Pace::new(10, start);
        while pace.judge(start) == Paced::Granted {}
        assert_eq!(pace.judge(start + Duration::from_secs(1)), Paced::Granted);
        let much_later = start + Duration::from_secs(1_000);
        let granted = (0..20).filter(|_| pace.judge(much_later) == Paced::Granted);
        assert_eq!(granted.count(), 10);
    }
}
