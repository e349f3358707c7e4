//! When a timeout of 300 ms fires, at each place where it can.

use crate::Measured;
use crate::connection::{Answer, Connection};
use crate::endpoint::{Deaf, mean, register};
use crate::files::{guest, put, state};
use crate::process::Cores;
use crate::report::{Column, Report};
use crate::spawned::Spawned;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
}

const PATIENCE: Duration = Duration::from_secs(60);
/// The timeout as a header.
const HEADER: &str = "x-picolet-timeout-ms: 300\r\n";
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\nhalf";

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 20 };
}

/// Where it fires: what is asked, and the fault that tells of it.
struct Place {
    name: &'static str,
    ask: Ask,
    fault: &'static str,
}

/// How the timeout is asked for.
#[derive(Clone, Copy)]
enum Ask {
    /// By header.
    Get(&'static str),
    /// By the guest's own call.
    Own(&'static str),
    /// By option of a call that waits for an endpoint.
    Wait(&'static str),
}

const PLACES: [Place; 9] = [
    Place::new("waiting for a place", Ask::Get("/ticker/1"), "deadline"),
    Place::new("waiting for an endpoint", Ask::Wait("gone.hello"), "deadline"),
    Place::new("a guest waits", Ask::Get("/misbehaves/sleep/5000"), "deadline"),
    Place::new(
        "a guest waits, called by name",
        Ask::Get("/services/misbehaves/sleep/5000"),
        "deadline",
    ),
    Place::new("an endpoint is silent", Ask::Get("/services/silent/hello"), "no-answer"),
    Place::new(
        "the same, a guest calls",
        Ask::Own("/misbehaves/read/silent/hello/300"),
        "no-answer",
    ),
    Place::new(
        "an endpoint stalls in its answer",
        Ask::Own("/misbehaves/read/stalling/hello/300"),
        "slow-answer",
    ),
    Place::new("an address does not connect", Ask::Get("/services/deaf/hello"), "no-answer"),
    // Last, as what follows a guest that computes begins on other threads.
    Place::new("a guest spins", Ask::Get("/misbehaves/spin"), "deadline"),
];

impl Place {
    const fn new(name: &'static str, ask: Ask, fault: &'static str) -> Self {
        Self { name, ask, fault }
    }
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let folder = TempDir::new()?;
    put(folder.path(), "misbehaves", &guest("misbehaves")?, "")?;
    let one = "[limits]\nconcurrency = 1\nqueue_ms = 5000";
    put(folder.path(), "ticker", &guest("ticker")?, one)?;
    let (host, _) = Spawned::start(folder.path(), &state(), Cores::All, PATIENCE)?;
    let deaf = Deaf::start()?;
    let gone = SocketAddr::from(([127, 0, 0, 1], 1));
    let neighbours =
        [("silent", mean("")?), ("stalling", mean(HALF)?), ("deaf", deaf.address), ("gone", gone)];
    let _held = hold(host.address, "/ticker/1000000")?;
    let title = format!("a timeout of 300 ms, {} rounds at each place", plan.rounds);
    let mut report = Report::new("timeouts", title);
    for place in &PLACES {
        let mut rounds = Vec::new();
        for round in 0..plan.rounds {
            // A new registration is one of which nothing bad is known.
            for (name, address) in &neighbours {
                let path = format!("/api/services/default/{name}-{}", round.wrapping_sub(1));
                Connection::open(host.admin)?.delete(&path)?;
                register(host.admin, name, &format!("{name}-{round}"), *address)?;
            }
            rounds.push(place.fire(&host)?.as_secs_f64() * 1e3);
        }
        let worst = vec![crate::figures::quantile(&rounds, 1.0)];
        let median = Column { name: "median", unit: " ms", rounds };
        report.add(place.name, vec![median, Column { name: "worst", unit: " ms", rounds: worst }]);
        for (name, _) in &neighbours {
            let path = format!("/api/services/default/{name}-{}", plan.rounds.wrapping_sub(1));
            Connection::open(host.admin)?.delete(&path)?;
        }
    }
    Ok(report)
}

impl Place {
    fn fire(&self, host: &Spawned) -> Measured<Duration> {
        // So that the service does not rest for what is done to it here.
        let mut connection = Connection::open(host.address)?;
        for _ in 0..3 {
            connection.get("/services/misbehaves/state")?;
        }
        let side = if let Ask::Wait(_) = self.ask { host.admin } else { host.address };
        let mut connection = Connection::open(side)?;
        let before = Instant::now();
        let Answer { status, body } = match self.ask {
            Ask::Get(path) => connection.get_with(path, HEADER)?,
            Ask::Own(path) => connection.get(path)?,
            Ask::Wait(target) => {
                let options = r#"{"wait":"true","timeout-ms":"300"}"#;
                let order = format!(r#"{{"target":"{target}","options":{options}}}"#);
                connection.post("/admin/v1/call", &order)?
            }
        };
        let took = before.elapsed();
        let body = String::from_utf8_lossy(&body);
        if status == 504 && body.contains(&format!("\"{}\"", self.fault)) {
            return Ok(took);
        }
        Err(format!("{}: answered {status} {body}", self.name).into())
    }
}

/// Begins an endless answer and reads its head.
fn hold(address: SocketAddr, path: &str) -> Measured<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())?;
    if stream.read(&mut [0; 64])? == 0 {
        return Err("the host closed the connection".into());
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        measure(&Plan { rounds: 1 }).unwrap().check_rows(PLACES.len(), 1);
    }
}
