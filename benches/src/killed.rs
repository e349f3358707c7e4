//! What callers notice when one of three endpoints is killed and returns.

use crate::Measured;
use crate::connection::Connection;
use crate::endpoint::{ANY, Endpoint, register};
use crate::figures::quantile;
use crate::files::state;
use crate::process::Cores;
use crate::ready::wait_until;
use crate::report::{Column, Report};
use crate::spawned::Spawned;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    callers: usize,
    /// Before the death, and again from 1 s after it.
    watched: Duration,
}

/// The least time between two calls of a caller.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 5, callers: 64, watched: Duration::from_secs(3) };
}

/// What callers saw.
#[derive(Default)]
struct Seen {
    /// When a call began, and how long it took.
    calls: Vec<(Instant, Duration)>,
    failures: Vec<String>,
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let folder = TempDir::new()?;
    let (host, _) = Spawned::start(folder.path(), &state(), Cores::All, PATIENCE)?;
    let mut endpoints = Vec::new();
    for name in ["one", "two", "three"] {
        let endpoint = Endpoint::start(ANY)?;
        register(host.admin, "ext", name, endpoint.address)?;
        endpoints.push(endpoint);
    }
    let (mut quiet, mut after, mut back) = (Vec::new(), Vec::new(), Vec::new());
    let mut errors = Vec::new();
    let mut report = Report::new("killed", title(plan));
    for _ in 0..plan.rounds {
        let (is_over, seen) = (AtomicBool::new(false), Mutex::new(Seen::default()));
        let times = std::thread::scope(|scope| {
            for _ in 0..plan.callers {
                scope.spawn(|| call(host.address, &is_over, &seen));
            }
            let times = kill_one(plan, &mut endpoints);
            is_over.store(true, Relaxed);
            times
        })?;
        let Seen { calls, failures } = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let p99 = |from: Instant, until: Instant| {
            let within = calls.iter().filter(|(at, _)| from <= *at && *at < until);
            let all: Vec<f64> = within.map(|(_, took)| took.as_secs_f64() * 1e3).collect();
            quantile(&all, 0.99)
        };
        quiet.push(p99(times.began, times.killed));
        after.push(p99(times.killed + Duration::from_secs(1), times.returned));
        back.push(times.back.as_secs_f64() * 1e3);
        #[allow(clippy::cast_precision_loss, reason = "there are few")]
        errors.push(failures.len() as f64);
        if let Some(first) = failures.first() {
            report.note_broken(format!("{} calls failed, first {first}", failures.len()));
        }
    }
    let ratio = crate::report::ratios(&after, &quiet);
    let column = |name, unit, rounds| vec![Column { name, unit, rounds }];
    report.add("errors seen by callers", column("count", "", errors));
    report.add("p99 before the death", column("time", " ms", quiet));
    report.add("p99 from 1 s after it", column("time", " ms", after));
    report.add("p99 after of p99 before", column("ratio", "", ratio));
    report.add("from its return to its first call", column("time", " ms", back));
    Ok(report)
}

fn title(plan: &Plan) -> String {
    let Plan { rounds, callers, .. } = plan;
    format!("one of three endpoints killed under {callers} callers, {rounds} rounds")
}

struct Times {
    began: Instant,
    killed: Instant,
    returned: Instant,
    /// From its return to its first call.
    back: Duration,
}

fn kill_one(plan: &Plan, endpoints: &mut Vec<Endpoint>) -> Measured<Times> {
    // Until everybody has a connection.
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    std::thread::sleep(plan.watched);
    let killed = Instant::now();
    let address = endpoints.pop().map(|endpoint| endpoint.address).ok_or("nobody to kill")?;
    std::thread::sleep(Duration::from_secs(1) + plan.watched);
    let returned = Instant::now();
    let endpoint = Endpoint::start(address)?;
    wait_until("it to be called", PATIENCE, || 0 < endpoint.calls())?;
    let back = returned.elapsed();
    // The next round kills another one.
    endpoints.insert(0, endpoint);
    Ok(Times { began, killed, returned, back })
}

fn call(address: SocketAddr, is_over: &AtomicBool, seen: &Mutex<Seen>) {
    let mut own = Seen::default();
    let mut connection = None;
    while !is_over.load(Relaxed) {
        let before = Instant::now();
        match ask(address, &mut connection) {
            Ok(()) => own.calls.push((before, before.elapsed())),
            Err(error) => own.failures.push(error.to_string()),
        }
        std::thread::sleep(PAUSE.saturating_sub(before.elapsed()));
    }
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.calls.append(&mut own.calls);
    seen.failures.append(&mut own.failures);
}

fn ask(address: SocketAddr, connection: &mut Option<Connection>) -> Measured {
    let open = match connection {
        Some(open) => open,
        none => none.insert(Connection::open(address)?),
    };
    let answer = open.get("/services/ext/hello")?;
    if answer.status == 200 {
        return Ok(());
    }
    Err(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        let plan = Plan { rounds: 1, callers: 4, watched: Duration::from_millis(200) };
        measure(&plan).unwrap().check_rows(5, 1);
    }
}
