//! Who follows the log, line by line. One that is slow loses the oldest of what
//! waits for it, and is told how many.

use super::line::{Line, Wanted};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Notify;

/// Lines that wait for one reader.
const WAITING_LINES_MAX: usize = 1_024;
/// Bytes of these.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// Lines that are told at once.
const TOLD_LINES_MAX: usize = 64;

/// The end of a reader that lines are put in.
#[derive(Debug)]
pub(super) struct Follower {
    wanted: Wanted,
    waiting: Mutex<Waiting>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
    missed: u64,
}

/// The other end. Dropping it ends the following.
#[derive(Debug)]
pub(crate) struct Followed {
    /// What was there when it began.
    before: VecDeque<Arc<Line>>,
    follower: Arc<Follower>,
}

/// What a reader is told.
#[derive(Debug)]
pub(crate) struct ToldLines {
    /// Lines that were lost before these.
    pub(crate) missed: u64,
    /// At least one.
    pub(crate) lines: Vec<Arc<Line>>,
}

impl Follower {
    /// Puts a line in, if it is asked for.
    pub(super) fn offer(&self, line: &Arc<Line>) {
        if !self.wanted.has(line) {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.bytes += line.bytes();
        waiting.lines.push_back(line.clone());
        while WAITING_LINES_MAX < waiting.lines.len()
            || WAITING_BYTES_MAX < waiting.bytes && 1 < waiting.lines.len()
        {
            waiting.take_first();
            waiting.missed += 1;
        }
        drop(waiting);
        self.told.notify_one();
    }
}

impl Waiting {
    fn take_first(&mut self) -> Option<Arc<Line>> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.bytes();
        Some(line)
    }
}

impl Followed {
    pub(super) fn new(wanted: Wanted, before: Vec<Arc<Line>>) -> Self {
        let follower = Follower { wanted, waiting: Mutex::default(), told: Notify::new() };
        Self { before: before.into(), follower: Arc::new(follower) }
    }

    pub(super) fn follower(&self) -> Weak<Follower> {
        Arc::downgrade(&self.follower)
    }

    /// The next lines, as soon as there are any.
    pub(crate) async fn next(&mut self) -> ToldLines {
        loop {
            if let Some(told) = self.take() {
                return told;
            }
            self.follower.told.notified().await;
        }
    }

    fn take(&mut self) -> Option<ToldLines> {
        if !self.before.is_empty() {
            let count = self.before.len().min(TOLD_LINES_MAX);
            return Some(ToldLines { missed: 0, lines: self.before.drain(..count).collect() });
        }
        let mut waiting = self.follower.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<Arc<Line>> =
            std::iter::from_fn(|| waiting.take_first()).take(TOLD_LINES_MAX).collect();
        let missed = std::mem::take(&mut waiting.missed);
        (!lines.is_empty()).then_some(ToldLines { missed, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;
    use tracing::Level;

    fn line(number: u64) -> Arc<Line> {
        Arc::new(Line {
            number,
            time_ms: 0,
            level: Level::WARN,
            service: None,
            revision: None,
            trace_id: None,
            request_id: None,
            stream: None,
            target: "picolet".into(),
            message: "said".into(),
            fields: Map::new(),
        })
    }

    #[tokio::test]
    async fn who_is_slow_is_told_how_much_was_missed() {
        let mut followed = Followed::new(Wanted::default(), Vec::new());
        let count = WAITING_LINES_MAX as u64 + 10;
        for number in 1..=count {
            followed.follower.offer(&line(number));
        }
        let told = followed.next().await;
        assert_eq!((told.missed, told.lines[0].number), (10, 11));
        assert_eq!(told.lines.len(), TOLD_LINES_MAX);
        assert_eq!(followed.next().await.missed, 0);
    }

    #[tokio::test]
    async fn only_what_is_asked_for_is_told() {
        let wanted = Wanted { level: Some(Level::ERROR), ..Wanted::default() };
        let followed = Followed::new(wanted, Vec::new());
        followed.follower.offer(&line(1));
        assert!(followed.follower.waiting.lock().unwrap().lines.is_empty());
    }
}
