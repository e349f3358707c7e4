//! The last lines of the log, kept for each service by itself.
//!
//! A service that says much pushes out its own lines and nobody else's. All
//! together they have a bound; where that is met, who has most loses first.
//! Readers that follow get what was kept and what comes from one look at it,
//! so nothing falls in between.

use super::follow::{Followed, Follower};
use super::line::{Line, Wanted};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Requests have their own log; their lines would push out all others.
pub(crate) const ACCESS: &str = "access";

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineBounds {
    /// Lines of one service.
    pub(crate) lines_max: usize,
    /// Bytes of these.
    pub(crate) service_bytes_max: usize,
    /// Bytes of all lines.
    pub(crate) bytes_max: usize,
    /// Services that lines are kept of; beyond that the one is forgotten that
    /// was silent longest, which after a while is one that is gone.
    pub(crate) services_max: usize,
}

/// The last lines. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    /// Tells the lines of this process from those of the one before.
    run: u32,
    bounds: LineBounds,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    count: u64,
    bytes: usize,
    /// By the name of the service, empty for the host.
    rings: HashMap<String, Ring>,
    followers: Vec<Weak<Follower>>,
}

/// The lines of one service, in their order.
#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
}

/// Names a line among those of all runs of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineId {
    run: u32,
    number: u64,
}

impl LineId {
    /// Reads what [`Lines::id`] writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (run, number) = text.split_once('-')?;
        Some(Self { run: u32::from_str_radix(run, 16).ok()?, number: number.parse().ok()? })
    }
}

impl Lines {
    /// Keeps lines within these bounds. Those of `Lines::default()` keep none.
    pub(crate) fn new(bounds: LineBounds) -> Self {
        let run = uuid::Uuid::new_v4().as_fields().0;
        Self(Some(Arc::new(Shared { run, bounds, kept: Mutex::default() })))
    }

    /// The newest of the lines that are asked for, oldest first.
    pub(crate) fn last(&self, wanted: &Wanted, count: usize) -> Vec<Arc<Line>> {
        let Some(shared) = &self.0 else { return Vec::new() };
        shared.kept().last(wanted, 0, count)
    }

    /// What is kept of one trace, oldest first.
    pub(crate) fn of_trace(&self, trace_id: &str) -> Vec<Arc<Line>> {
        let wanted = Wanted { trace_id: Some(trace_id.to_owned()), ..Wanted::default() };
        self.last(&wanted, usize::MAX)
    }

    /// So many of the newest lines that are asked for, and then each that comes.
    /// Whoever goes on after a line misses none that is kept.
    pub(crate) fn follow(&self, wanted: Wanted, count: usize, after: Option<LineId>) -> Followed {
        let Some(shared) = &self.0 else { return Followed::new(wanted, Vec::new()) };
        let count = if after.is_some() { usize::MAX } else { count };
        let after = after.filter(|after| after.run == shared.run);
        let mut kept = shared.kept();
        let before = kept.last(&wanted, after.map_or(0, |after| after.number), count);
        let followed = Followed::new(wanted, before);
        // Where nothing is logged nobody else looks who is gone.
        kept.followers.retain(|follower| 0 < follower.strong_count());
        kept.followers.push(followed.follower());
        followed
    }

    /// How a line is called.
    pub(crate) fn id(&self, line: &Line) -> String {
        let run = self.0.as_ref().map_or(0, |shared| shared.run);
        format!("{run:x}-{}", line.number)
    }

    fn put(&self, line: Line) {
        if let Some(shared) = &self.0 {
            shared.kept().put(line, &shared.bounds);
        }
    }
}

impl Shared {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn last(&self, wanted: &Wanted, after: u64, count: usize) -> Vec<Arc<Line>> {
        let of_ring = |ring: &Ring| {
            let newest = ring.lines.iter().rev().take_while(|line| after < line.number);
            let asked = newest.filter(|line| wanted.has(line));
            asked.take(count).cloned().collect::<Vec<_>>()
        };
        let mut lines: Vec<Arc<Line>> = match &wanted.service {
            Some(service) => self.rings.get(service).map(of_ring).unwrap_or_default(),
            None => self.rings.values().flat_map(of_ring).collect(),
        };
        lines.sort_unstable_by_key(|line| line.number);
        lines.drain(..lines.len().saturating_sub(count));
        lines
    }

    fn put(&mut self, line: Line, bounds: &LineBounds) {
        self.count += 1;
        let line = Arc::new(Line { number: self.count, ..line });
        self.tell(&line);
        if bounds.lines_max == 0 {
            return;
        }
        if !self.rings.contains_key(line.whose()) {
            if bounds.services_max <= self.rings.len() {
                self.forget_most_silent();
            }
            self.rings.insert(line.whose().to_owned(), Ring::default());
        }
        let Some(ring) = self.rings.get_mut(line.whose()) else { return };
        self.bytes += ring.push(line);
        while bounds.lines_max < ring.lines.len()
            || bounds.service_bytes_max < ring.bytes && 1 < ring.lines.len()
        {
            self.bytes -= ring.pop();
        }
        if bounds.bytes_max < self.bytes {
            self.halve_largest();
        }
    }

    fn tell(&mut self, line: &Arc<Line>) {
        self.followers.retain(|follower| match follower.upgrade() {
            Some(follower) => {
                follower.offer(line);
                true
            }
            None => false,
        });
    }

    fn forget_most_silent(&mut self) {
        let newest = |ring: &Ring| ring.lines.back().map_or(0, |line| line.number);
        let silent = self.rings.iter().min_by_key(|(_, ring)| newest(ring));
        let Some(service) = silent.map(|(service, _)| service.clone()) else { return };
        if let Some(ring) = self.rings.remove(&service) {
            self.bytes -= ring.bytes;
        }
    }

    /// By half, so that it is seldom looked for.
    fn halve_largest(&mut self) {
        let Some(ring) = self.rings.values_mut().max_by_key(|ring| ring.bytes) else { return };
        let enough = ring.bytes / 2;
        while enough < ring.bytes {
            self.bytes -= ring.pop();
        }
    }
}

impl Ring {
    /// Gives what it takes.
    fn push(&mut self, line: Arc<Line>) -> usize {
        let bytes = line.bytes();
        self.bytes += bytes;
        self.lines.push_back(line);
        bytes
    }

    /// Gives what it took.
    fn pop(&mut self) -> usize {
        let bytes = self.lines.pop_front().map_or(self.bytes, |line| line.bytes());
        self.bytes -= bytes;
        bytes
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() != ACCESS {
            self.put(Line::of(event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;
    use tracing::Level;

    const BOUNDS: LineBounds = LineBounds {
        lines_max: 3,
        service_bytes_max: 100_000,
        bytes_max: 1_000_000,
        services_max: 3,
    };

    fn line(service: &str, message: &str) -> Line {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Line {
            number: 0,
            time_ms: 1,
            level: Level::INFO,
            service: some(service),
            revision: None,
            trace_id: some(message.split(' ').next().unwrap_or_default()),
            request_id: None,
            stream: None,
            target: "guest".into(),
            message: message.to_owned(),
            fields: Map::new(),
        }
    }

    fn of(service: &str) -> Wanted {
        Wanted { service: Some(service.to_owned()), ..Wanted::default() }
    }

    #[track_caller]
    fn check(lines: &Lines, wanted: &Wanted, count: usize, expected: &[&str]) {
        let lines = lines.last(wanted, count);
        let messages: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, expected);
    }

    #[test]
    fn who_says_much_pushes_out_nobody_else() {
        let lines = Lines::new(BOUNDS);
        lines.put(line("quiet", "hush"));
        for n in 0..100 {
            lines.put(line("loud", &format!("n{n}")));
        }
        lines.put(line("", "own"));
        check(&lines, &of("quiet"), 10, &["hush"]);
        check(&lines, &of("loud"), 10, &["n97", "n98", "n99"]);
        check(&lines, &of(""), 10, &["own"]);
        check(&lines, &Wanted::default(), 10, &["hush", "n97", "n98", "n99", "own"]);
        check(&lines, &Wanted::default(), 2, &["n99", "own"]);
    }

    #[test]
    fn lines_of_a_trace_are_found_wherever_they_are() {
        let lines = Lines::new(BOUNDS);
        for (service, message) in [("a", "t1 begins"), ("b", "t2 begins"), ("b", "t1 goes on")] {
            lines.put(line(service, message));
        }
        let of_trace = lines.of_trace("t1");
        let services: Vec<&str> = of_trace.iter().map(|line| line.whose()).collect();
        assert_eq!(services, ["a", "b"]);
    }

    #[test]
    fn the_service_that_was_silent_longest_is_forgotten() {
        let lines = Lines::new(BOUNDS);
        for service in ["a", "b", "c", "a", "d"] {
            lines.put(line(service, service));
        }
        check(&lines, &Wanted::default(), 10, &["a", "c", "a", "d"]);
    }

    #[test]
    fn bytes_are_bounded_for_each_service_and_for_all() {
        // What comes before a space would be the name of a trace.
        let large = format!(" {}", "x".repeat(10_000));
        let lines = Lines::new(LineBounds { service_bytes_max: 25_000, ..BOUNDS });
        for _ in 0..3 {
            lines.put(line("a", &large));
        }
        assert_eq!(lines.last(&of("a"), 10).len(), 2);
        let lines = Lines::new(LineBounds { bytes_max: 45_000, ..BOUNDS });
        lines.put(line("b", &large));
        for _ in 0..3 {
            lines.put(line("a", &large));
        }
        assert_eq!((lines.last(&of("a"), 10).len(), lines.last(&of("b"), 10).len()), (3, 1));
        lines.put(line("b", &large));
        assert_eq!((lines.last(&of("a"), 10).len(), lines.last(&of("b"), 10).len()), (1, 2));
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_to_be() {
        let lines = Lines::new(LineBounds { lines_max: 0, ..BOUNDS });
        lines.put(line("a", "said"));
        check(&lines, &Wanted::default(), 10, &[]);
    }

    #[test]
    fn readers_that_are_gone_are_forgotten_when_others_come() {
        let lines = Lines::new(BOUNDS);
        for _ in 0..10 {
            drop(lines.follow(Wanted::default(), 10, None));
        }
        let _followed = lines.follow(Wanted::default(), 10, None);
        assert_eq!(lines.0.as_ref().unwrap().kept().followers.len(), 1);
    }

    #[tokio::test]
    async fn a_reader_gets_what_was_kept_and_what_comes_once() {
        let lines = Lines::new(BOUNDS);
        for message in ["one", "two"] {
            lines.put(line("a", message));
        }
        let seen = lines.last(&Wanted::default(), 1);
        let after = LineId::parse(&lines.id(&seen[0]));
        assert!(after.is_some());
        lines.put(line("a", "three"));
        let mut followed = lines.follow(of("a"), 10, after);
        lines.put(line("b", "aside"));
        lines.put(line("a", "four"));
        let mut messages = Vec::new();
        while messages.len() < 2 {
            let told = followed.next().await;
            assert_eq!(told.missed, 0);
            messages.extend(told.lines.iter().map(|line| line.message.clone()));
        }
        assert_eq!(messages, ["three", "four"]);
        // An id of another run says nothing.
        let stranger = LineId { run: !after.unwrap().run, number: 2 };
        let told = lines.follow(of("a"), 10, Some(stranger)).next().await;
        assert_eq!(told.lines.len(), 3);
    }
}
