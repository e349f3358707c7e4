//! Requests to the neighbour at a pace, to see how long it takes.

use super::pace::{Due, Pace};
use crate::Measured;
use crate::polling::Polled;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long the last answers are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection with a pace of its own.
struct Asker {
    connection: Polled,
    pace: Pace,
    state: State,
}

enum State {
    /// The next request is to be sent.
    Waits(Due, Instant),
    /// One is under way, and its time counts from then.
    Asked(Instant),
}

/// Times of requests in microseconds, so many a second over so many
/// connections, which are looked at in turn without ever sleeping: what is
/// measured is when the answer was there, not when a client was waked.
pub(super) fn latencies(
    to: SocketAddr,
    path: &str,
    (per_second, connections): (u32, u32),
    time: Duration,
) -> Measured<Vec<f64>> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let open = |index| Asker::open(to, Pace::of(per_second, connections, index));
    let mut askers: Vec<Asker> = (0..connections).map(open).collect::<Measured<_>>()?;
    let (began, mut latencies) = (Instant::now(), Vec::new());
    loop {
        let is_over = time <= began.elapsed();
        for asker in &mut askers {
            latencies.extend(asker.go_on(request.as_bytes(), is_over)?);
        }
        if is_over && askers.iter().all(Asker::is_at_rest) {
            return Ok(latencies);
        }
        if time + PATIENCE < began.elapsed() {
            return Err("the neighbour does not answer".into());
        }
    }
}

impl Asker {
    fn open(to: SocketAddr, mut pace: Pace) -> Measured<Self> {
        let now = Instant::now();
        let state = State::Waits(pace.next(now), now);
        Ok(Self { connection: Polled::open(to)?, pace, state })
    }

    /// Sends what is due, unless it is over, or takes what has come: the time
    /// of a request in microseconds when it is answered.
    fn go_on(&mut self, request: &[u8], is_over: bool) -> Measured<Option<f64>> {
        let now = Instant::now();
        match self.state {
            State::Waits(..) if is_over => Ok(None),
            State::Waits(Due::In(wait), from) if now < from + wait => Ok(None),
            State::Waits(due, _) => {
                self.connection.ask(request)?;
                let since = if let Due::Since(since) = due { since } else { now };
                self.state = State::Asked(since);
                Ok(None)
            }
            State::Asked(since) => {
                if !self.connection.look()? {
                    return Ok(None);
                }
                let now = Instant::now();
                self.state = State::Waits(self.pace.next(now), now);
                Ok(Some((now - since).as_secs_f64() * 1e6))
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Waits(..))
    }
}
