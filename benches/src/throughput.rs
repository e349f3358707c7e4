//! Requests per second: bare hyper, an instance kept, an instance per call; with
//! the headers of a plain client and with those of a browser.

use crate::load::{Headers, Load};
use crate::machine::{SERVER_CORE, cpu_micros, pin};
use crate::report::{Column, Report, ratios};
use crate::served::serve;
use crate::{Measured, bare};
use std::net::SocketAddr;

/// How much is measured.
pub(crate) struct Plan {
    name: &'static str,
    rounds: usize,
    load: Load,
}

impl Plan {
    pub(crate) const FULL: Self =
        Self { name: "throughput", rounds: 15, load: Load::Polling { seconds: 1 } };

    /// The same with a load that sleeps when it has nothing to do.
    pub(crate) const WRK: Self = Self { name: "wrk", rounds: 5, load: Load::Wrk { seconds: 3 } };
}

const PATH: &str = "/api/add/40/2";

struct Server {
    name: &'static str,
    address: SocketAddr,
    headers: Headers,
    per_second: Vec<f64>,
    cpu_micros: Vec<f64>,
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    pin(SERVER_CORE)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let kept = serve(&runtime, &[("calc", "")])?;
    let fresh = serve(&runtime, &[("calc", "isolation = \"call\"")])?;
    let bare = runtime.block_on(bare::serve())?;
    let server = |name, address, headers| {
        let (per_second, cpu_micros) = (Vec::new(), Vec::new());
        Server { name, address, headers, per_second, cpu_micros }
    };
    let mut servers = [
        server("bare hyper", bare, Headers::Plain),
        server("instance kept", kept.address, Headers::Plain),
        server("instance per call", fresh.address, Headers::Plain),
        server("bare hyper, 13 headers", bare, Headers::Browser),
        server("instance kept, 13 headers", kept.address, Headers::Browser),
    ];
    for _ in 0..plan.rounds {
        for server in &mut servers {
            let before = cpu_micros();
            let rate = plan.load.put_on(server.address, PATH, server.headers)?;
            server.per_second.push(rate.per_second);
            let used = cpu_micros() - before - rate.load_micros;
            server.cpu_micros.push(used / rate.requests);
        }
    }
    Ok(report(&servers, plan))
}

fn report(servers: &[Server], plan: &Plan) -> Report {
    let (load, rounds) = (plan.load.render(), plan.rounds);
    let title = format!("{PATH}, {load}, {rounds} rounds in turn");
    let mut report = Report::new(plan.name, title);
    for server in servers {
        let bare = servers.iter().find(|other| other.headers == server.headers);
        let of_bare = bare.map(|bare| ratios(&server.per_second, &bare.per_second));
        report.add(
            server.name,
            vec![
                Column { name: "requests", unit: "/s", rounds: server.per_second.clone() },
                Column { name: "of bare", unit: "", rounds: of_bare.unwrap_or_default() },
                Column { name: "CPU", unit: " µs", rounds: server.cpu_micros.clone() },
            ],
        );
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        let plan = Plan { name: "small", rounds: 1, load: Load::Few { requests: 20 } };
        measure(&plan).unwrap().check_rows(5, 1);
    }
}
