//! The line of what is to be sent to one socket.
//!
//! It is bounded. Who reads too slowly for what is put into it is not waited
//! for: the socket is closed. One who sends much at once gives the socket no time
//! to write, so a line may be over its bounds for a moment.

use super::Ended;
use super::tally::Cause;
use crate::sockets::{Closing, Payload};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Messages that wait for one socket.
const MESSAGES_MAX: usize = 256;
/// Bytes of them, unless a single one has more.
const BYTES_MAX: usize = 1 << 20;
/// How long it may be over these bounds.
const OVER_MAX: Duration = Duration::from_secs(1);
/// How many times its bounds it may never be over.
const BOUNDS_AT_ONCE: usize = 4;
/// How long what is in the line may take once the socket has ended.
const REST_MAX: Duration = Duration::from_secs(2);
/// The same where the service has closed it, which counts on that.
const REST_OF_SERVICE_MAX: Duration = Duration::from_secs(10);
/// Places that an empty line may keep.
const PLACES_KEPT: usize = 4;

/// What is to be sent to one socket, in order, and how it ends.
#[derive(Debug, Default)]
pub(in crate::http) struct Outbox {
    line: Mutex<Line>,
    changed: Notify,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Line {
    payloads: VecDeque<Payload>,
    bytes: usize,
    /// Since when it has been over its bounds.
    over_since: Option<Instant>,
    ended: Option<(Ended, Instant)>,
}

/// What comes next out of the line.
#[derive(Debug)]
pub(super) enum Next {
    Payload(Payload),
    Nothing,
    /// Everything has been taken, and nothing comes any more.
    Ended(Ended),
}

impl Outbox {
    /// Puts something into the line. Whoever is too far behind is disconnected.
    pub(in crate::http) fn send(&self, payload: Payload) {
        self.send_at(payload, Instant::now());
    }

    fn send_at(&self, payload: Payload, now: Instant) {
        let mut line = self.line();
        if line.ended.is_some() {
            return;
        }
        line.bytes += payload.len();
        line.payloads.push_back(payload);
        let is_slow = line.is_over(BOUNDS_AT_ONCE)
            || line.over_since.is_some_and(|since| OVER_MAX < now.duration_since(since));
        if is_slow {
            *line = Line { ended: Some((Ended::slow(), now)), ..Line::default() };
        } else if line.is_over(1) {
            line.over_since.get_or_insert(now);
        }
        drop(line);
        self.changed.notify_one();
        if is_slow {
            self.ended.notify_one();
        }
    }

    /// Has the socket closed once it has been sent what is in the line.
    pub(in crate::http) fn close(&self, closing: Closing) {
        self.end(Ended { closing, cause: Cause::Service });
    }

    /// The same for whatever cause. The first end stands.
    pub(super) fn end(&self, ended: Ended) {
        self.line().ended.get_or_insert_with(|| (ended, Instant::now()));
        self.changed.notify_one();
        self.ended.notify_one();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.line().ended.is_some()
    }

    /// Resolves when it has ended and the peer has had time to take the rest.
    /// Nothing is lost when it is dropped before it is done.
    pub(super) async fn given_up(&self) -> Ended {
        loop {
            let ended = self.line().ended.clone();
            if let Some((ended, at)) = ended {
                let rest_max = match ended.cause {
                    Cause::Service => REST_OF_SERVICE_MAX,
                    _ => REST_MAX,
                };
                sleep_until(at + rest_max).await;
                return ended;
            }
            self.ended.notified().await;
        }
    }

    pub(super) fn next(&self) -> Next {
        let mut line = self.line();
        if let Some(payload) = line.payloads.pop_front() {
            line.bytes -= payload.len();
            if !line.is_over(1) {
                line.over_since = None;
            }
            if line.payloads.is_empty() && PLACES_KEPT < line.payloads.capacity() {
                line.payloads = VecDeque::new();
            }
            return Next::Payload(payload);
        }
        line.ended.clone().map_or(Next::Nothing, |(ended, _)| Next::Ended(ended))
    }

    /// Resolves when it is worth while to look again.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Whether it has more than so many times what may wait. A single message may
    /// be as large as it is.
    fn is_over(&self, times: usize) -> bool {
        let messages = self.payloads.len();
        times * MESSAGES_MAX < messages || (1 < messages && times * BYTES_MAX < self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn bytes(len: usize) -> Payload {
        Payload::Binary(Bytes::from(vec![0; len]))
    }

    /// Code with which the line ends, and what is taken out of it before.
    fn drain(outbox: &Outbox) -> (usize, Option<u16>) {
        let mut taken = 0;
        loop {
            match outbox.next() {
                Next::Payload(_) => taken += 1,
                Next::Nothing => return (taken, None),
                Next::Ended(ended) => return (taken, Some(ended.closing.code)),
            }
        }
    }

    #[test]
    fn what_is_in_the_line_goes_before_the_end() {
        let outbox = Outbox::default();
        outbox.send(bytes(1));
        outbox.close(Closing::new(4_000, "bye"));
        outbox.send(bytes(1));
        outbox.end(Ended::shutdown());
        assert_eq!(drain(&outbox), (1, Some(4_000)));
    }

    #[test]
    fn much_at_once_is_taken_but_not_everything() {
        let now = Instant::now();
        let outbox = Outbox::default();
        (0..1_024).for_each(|_| outbox.send_at(bytes(1), now));
        assert_eq!(drain(&outbox), (1_024, None));
        (0..1_025).for_each(|_| outbox.send_at(bytes(1), now));
        assert_eq!(drain(&outbox), (0, Some(1_013)));

        let outbox = Outbox::default();
        outbox.send_at(bytes(4 * BYTES_MAX + 1), now);
        assert_eq!(drain(&outbox), (1, None), "one alone may be as large as it is");
        (0..4).for_each(|_| outbox.send_at(bytes(BYTES_MAX), now));
        assert_eq!(drain(&outbox), (4, None));
        (0..4).for_each(|_| outbox.send_at(bytes(BYTES_MAX), now));
        outbox.send_at(bytes(1), now);
        assert_eq!(drain(&outbox), (0, Some(1_013)));
    }

    #[test]
    fn who_stays_behind_is_cut() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let outbox = Outbox::default();
        (0..257).for_each(|_| outbox.send_at(bytes(1), at(0)));
        outbox.send_at(bytes(1), at(1_000));
        (0..2).for_each(|_| drop(outbox.next()));
        outbox.send_at(bytes(1), at(5_000));
        assert!(!outbox.has_ended(), "it caught up in between");
        outbox.send_at(bytes(1), at(6_000));
        outbox.next();
        assert!(!outbox.has_ended());
        outbox.send_at(bytes(1), at(6_001));
        assert_eq!(drain(&outbox), (0, Some(1_013)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_the_rest_is_given_up() {
        let outbox = Outbox::default();
        outbox.send(bytes(1));
        let start = Instant::now();
        let closing = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            outbox.close(Closing::new(4_000, "bye"));
            tokio::time::sleep(Duration::from_secs(1)).await;
            outbox.end(Ended::shutdown());
        };
        let (ended, ()) = tokio::join!(outbox.given_up(), closing);
        assert_eq!(ended.closing.code, 4_000);
        assert_eq!(start.elapsed().as_secs(), 11);
        // The next who waits need not be told again.
        assert_eq!(outbox.given_up().await.closing.code, 4_000);
        // For whatever else it is closed, there is less time.
        let (outbox, start) = (Outbox::default(), Instant::now());
        outbox.end(Ended::shutdown());
        outbox.given_up().await;
        assert_eq!(start.elapsed().as_secs(), 2);
    }
}
