//! All endpoints are down: how soon a call fails, and what becomes of those
//! that wait.

use crate::Measured;
use crate::connection::Connection;
use crate::endpoint::{ANY, Endpoint, HELLO, register};
use crate::files::state;
use crate::process::Cores;
use crate::ready::wait_until;
use crate::report::{Column, Report};
use crate::spawned::Spawned;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    /// Calls that fail, in a round.
    failing: usize,
    /// Calls that wait, in a round.
    waiting: usize,
}

const PATIENCE: Duration = Duration::from_secs(60);
const WAITS: &str = r#"{"target":"ext.hello","options":{"wait":"true","timeout-ms":"30000"}}"#;

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 5, failing: 500, waiting: 100 };
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let folder = TempDir::new()?;
    let (host, _) = Spawned::start(folder.path(), &state(), Cores::All, PATIENCE)?;
    let Plan { rounds, failing, waiting } = plan;
    let title = format!(
        "three endpoints down, {rounds} rounds of {failing} calls that fail and {waiting} that wait"
    );
    let mut report = Report::new("down", title);
    let (mut fails, mut waits, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..*rounds {
        let mut addresses = Vec::new();
        for name in ["one", "two", "three"] {
            let endpoint = Endpoint::start(ANY)?;
            register(host.admin, "ext", name, endpoint.address)?;
            addresses.push(endpoint.address);
        }
        let mut connection = Connection::open(host.address)?;
        wait_until("all to be known as down", PATIENCE, || {
            connection.get("/services/ext/hello").is_ok_and(|answer| answer.status == 503)
        })?;
        let mut times = Vec::new();
        for _ in 0..*failing {
            let before = Instant::now();
            let status = connection.get("/services/ext/hello")?.status;
            times.push(before.elapsed().as_secs_f64() * 1e3);
            if ![502, 503].contains(&status) {
                return Err(format!("a call of nobody was answered {status}").into());
            }
        }
        fails.push(crate::figures::median(&times));
        let address = *addresses.first().ok_or("there is no endpoint")?;
        waits.push(wait(&host, address, *waiting)?.as_secs_f64() * 1e3);
        let mut admin = Connection::open(host.admin)?;
        let in_line = admin.metric("picolet_client_waiting")?;
        wait_until("the requests to be over", PATIENCE, || {
            admin.metric("picolet_requests").is_ok_and(|requests| requests < 0.5)
        })?;
        if 0.0 < in_line {
            report.note_broken(format!("{in_line} calls are left in line"));
        }
        left.push(in_line);
    }
    let column = |name, unit, rounds| vec![Column { name, unit, rounds }];
    report.add("a call that fails", column("median", " ms", fails));
    report.add("from a return to the last that waited", column("time", " ms", waits));
    report.add("left in line", column("count", "", left));
    Ok(report)
}

/// Lets calls wait, brings an endpoint back, and tells how long after that the
/// last of them was answered.
fn wait(host: &Spawned, address: SocketAddr, count: usize) -> Measured<Duration> {
    let ask = || -> Result<Vec<u8>, String> {
        let mut connection = Connection::open(host.admin).map_err(|error| error.to_string())?;
        let answer = connection.post("/admin/v1/call", WAITS);
        answer.map(|answer| answer.body).map_err(|error| error.to_string())
    };
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..count).map(|_| scope.spawn(ask)).collect();
        let mut admin = Connection::open(host.admin)?;
        #[allow(clippy::cast_precision_loss, reason = "there are few")]
        let all = count as f64;
        wait_until("all to wait", PATIENCE, || {
            admin.metric("picolet_client_waiting").is_ok_and(|waiting| all <= waiting)
        })?;
        let _endpoint = Endpoint::start(address)?;
        let returned = Instant::now();
        for caller in waiting {
            let body = caller.join().map_err(|_| "a caller panicked")??;
            if body != HELLO.as_bytes() {
                return Err(
                    format!("one that waited got {}", String::from_utf8_lossy(&body)).into()
                );
            }
        }
        Ok(returned.elapsed())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        measure(&Plan { rounds: 1, failing: 5, waiting: 3 }).unwrap().check_rows(3, 1);
    }
}
