//! A method by its route, and by the name of its service through the gateway.

use crate::Measured;
use crate::connection::{Connection, get};
use crate::figures::median;
use crate::machine::{LOAD_CORE, SERVER_CORE, pin};
use crate::polling::poll;
use crate::report::{Column, Report, ratios};
use crate::served::serve;
use std::time::{Duration, Instant};

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    /// One after the other, in a round.
    calls: usize,
    /// How long 32 connections ask in a round.
    polled: Duration,
}

const ROUTE: &str = "/api/add/40/2";
const BY_NAME: &str = "/services/calc/add/40/2";

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 9, calls: 2_000, polled: Duration::from_secs(1) };
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    pin(SERVER_CORE)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let host = serve(&runtime, &[("calc", "")])?;
    pin(LOAD_CORE)?;
    let Plan { rounds, calls, polled } = plan;
    let title = format!(
        "calc by its route and by /services/calc/…, time of a request: with 32 polled connections \
         for {polled:?}, and one after the other, {calls} calls, {rounds} rounds in turn"
    );
    let mut report = Report::new("gateway", title);
    let (mut route, mut by_name) = (Vec::new(), Vec::new());
    for _ in 0..*rounds {
        route.push(1e6 / poll(host.address, get(ROUTE), *polled)?.per_second);
        by_name.push(1e6 / poll(host.address, get(BY_NAME), *polled)?.per_second);
    }
    add(["by route", "by name"], route, by_name, &mut report);
    let mut connection = Connection::open(host.address)?;
    let (mut route, mut by_name) = (Vec::new(), Vec::new());
    for _ in 0..*rounds {
        route.push(time(&mut connection, ROUTE, *calls)?);
        by_name.push(time(&mut connection, BY_NAME, *calls)?);
    }
    add(["by route, one by one", "by name, one by one"], route, by_name, &mut report);
    Ok(report)
}

fn add([own, other]: [&'static str; 2], route: Vec<f64>, by_name: Vec<f64>, report: &mut Report) {
    let of_route = Column { name: "of by route", unit: "", rounds: ratios(&by_name, &route) };
    report.add(own, vec![Column { name: "time", unit: " µs", rounds: route }]);
    report.add(other, vec![Column { name: "time", unit: " µs", rounds: by_name }, of_route]);
}

/// The median time of one request in a round, in microseconds.
fn time(connection: &mut Connection, path: &str, calls: usize) -> Measured<f64> {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let before = Instant::now();
        let answer = connection.get(path)?;
        times.push(before.elapsed().as_secs_f64() * 1e6);
        if answer.status != 200 {
            return Err(format!("{path} answered {}", answer.status).into());
        }
    }
    Ok(median(&times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        let polled = Duration::from_millis(50);
        measure(&Plan { rounds: 1, calls: 5, polled }).unwrap().check_rows(4, 1);
    }
}
