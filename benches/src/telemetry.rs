//! What traces cost: the same requests with them and without, in turn.

use crate::Measured;
use crate::connection::{get, post};
use crate::figures::median;
use crate::machine::{LOAD_CORE, SERVER_CORE, pin};
use crate::polling::poll;
use crate::report::{Column, Report, ratios};
use crate::served::serve_with;
use std::net::SocketAddr;
use std::time::Duration;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    /// How long 32 connections ask in a round.
    polled: Duration,
    /// With traces there must be so many requests for each one without.
    of_off_min: f64,
}

impl Plan {
    pub(crate) const FULL: Self =
        Self { rounds: 60, polled: Duration::from_millis(250), of_off_min: 0.95 };
}

/// A way to ask, and how often a second it is answered.
struct Way {
    names: [&'static str; 2],
    request: String,
    off: Vec<f64>,
    on: Vec<f64>,
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    pin(SERVER_CORE)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let modules = [("calc", ""), ("greeter", ""), ("greeter-api", "")];
    let off = serve_with(&runtime, &modules, "[telemetry]\ntraces = false")?;
    let on = serve_with(&runtime, &modules, "")?;
    pin(LOAD_CORE)?;
    let way = |names, request| Way { names, request, off: Vec::new(), on: Vec::new() };
    let mut ways = [
        way(["kept, no traces", "kept, traces"], get("/api/add/40/2")),
        way(["JSON, no traces", "JSON, traces"], post("/greeter/hello", r#"{"name":"John"}"#)),
        way(["hop, no traces", "hop, traces"], get("/greeter-api/say/hello?name=John")),
    ];
    for round in 0..plan.rounds {
        for Way { request, off: without, on: with, .. } in &mut ways {
            let mut sides = [(off.address, without), (on.address, with)];
            // Neither is always the one that follows the other.
            if round % 2 == 1 {
                sides.reverse();
            }
            for (address, rates) in sides {
                rates.push(per_second(address, request, plan.polled)?);
            }
        }
    }
    let Plan { rounds, polled, .. } = plan;
    let title = format!("traces off and on, 32 polled connections for {polled:?}, {rounds} rounds");
    let mut report = Report::new("telemetry", title);
    for Way { names: [without, with], off, on, .. } in ways {
        let of_off = ratios(&on, &off);
        let middle = median(&of_off);
        if middle < plan.of_off_min {
            report.note_broken(format!("{with}: {middle:.3} of what it is without"));
        }
        let each = |rounds| Column { name: "requests", unit: "/s", rounds };
        report.add(without, vec![each(off)]);
        let of_off = Column { name: "of those without", unit: "", rounds: of_off };
        report.add(with, vec![each(on), of_off]);
    }
    Ok(report)
}

fn per_second(address: SocketAddr, request: &str, polled: Duration) -> Measured<f64> {
    Ok(poll(address, request.to_owned(), polled)?.per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        let plan = Plan { rounds: 1, polled: Duration::from_millis(50), of_off_min: 0.0 };
        measure(&plan).unwrap().check_rows(6, 1);
    }
}
