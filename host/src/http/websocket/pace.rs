//! When a socket is asked whether it is still there, and a service that has no
//! place for what came is asked again. The time is told.

use std::time::Duration;
use tokio::time::Instant;

/// How often it is asked.
const PING_EVERY: Duration = Duration::from_secs(30);
/// What it has to show that it is there.
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// The same when it is sent more than a little: the ping waits behind that.
const BUSY_PONG_WITHIN: Duration = Duration::from_secs(30);
/// Bytes that are a little, between two pings.
const LITTLE: u64 = 1 << 10;

/// Whether a peer is there.
#[derive(Debug)]
pub(super) struct Beat {
    next: Instant,
    /// When it was asked last, or began.
    asked: Instant,
    is_asked: bool,
    was_heard: bool,
    /// Bytes that were written since then.
    written: u64,
}

/// What is to be done at the time of [`Beat::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    /// It was asked and has not answered.
    Silent,
}

impl Beat {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now + PING_EVERY, asked: now, is_asked: false, was_heard: false, written: 0 }
    }

    /// When to look again.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Something came.
    pub(super) fn hear(&mut self) {
        self.was_heard = true;
    }

    /// So many bytes were written.
    pub(super) fn write(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// What is due now.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        if now < self.next {
            return Due::Nothing;
        }
        if !self.is_asked {
            let within = if LITTLE < self.written { BUSY_PONG_WITHIN } else { PONG_WITHIN };
            *self = Self { is_asked: true, ..Self::new(now) };
            self.next = now + within;
            return Due::Ping;
        }
        if !self.was_heard {
            return Due::Silent;
        }
        *self = Self { written: self.written, ..Self::new(self.asked) };
        Due::Nothing
    }
}

/// The first pause before a service that had no place is asked again.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long to wait after so many pauses: twice as long each time. A half of it is
/// by lot, so that sockets that found no place together do not come together.
pub(super) fn pause(pauses: u32, random: u64) -> Duration {
    // 20 ms doubled six times is over the longest.
    let longest = PAUSE_MAX.min(PAUSE_MIN * (1 << pauses.min(6)));
    let fraction = f64::from(random as u32) / f64::from(u32::MAX);
    longest.mul_f64(0.5 + fraction / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_silent() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut beat = Beat::new(start);
        assert_eq!(beat.due(at(29)), Due::Nothing);
        assert_eq!(beat.due(at(30)), Due::Ping);
        beat.hear();
        assert_eq!(beat.due(at(40)), Due::Nothing);
        assert_eq!(beat.next(), at(60));
        assert_eq!(beat.due(at(60)), Due::Ping);
        assert_eq!(beat.due(at(69)), Due::Nothing);
        assert_eq!(beat.due(at(70)), Due::Silent);
    }

    #[test]
    fn pauses_double_up_to_a_second_and_half_of_each_is_by_lot() {
        let pauses = |random| [0, 1, 2, 5, 6, 1_000].map(|n| pause(n, random).as_millis());
        assert_eq!(pauses(u64::MAX), [20, 40, 80, 640, 1_000, 1_000]);
        assert_eq!(pauses(0), [10, 20, 40, 320, 500, 500]);
    }

    #[test]
    fn who_is_sent_much_has_more_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut beat = Beat::new(start);
        beat.write(LITTLE + 1);
        assert_eq!(beat.due(at(30)), Due::Ping);
        beat.write(2);
        assert_eq!(beat.due(at(59)), Due::Nothing);
        beat.hear();
        assert_eq!(beat.due(at(60)), Due::Nothing);
        assert_eq!(beat.due(at(60)), Due::Ping);
        beat.hear();
        beat.write(LITTLE + 1);
        assert_eq!(beat.due(at(70)), Due::Nothing);
        assert_eq!(beat.due(at(90)), Due::Ping);
        assert_eq!(beat.due(at(119)), Due::Nothing);
        assert_eq!(beat.due(at(120)), Due::Silent);
    }
}
