//! What a large table of routes costs a request.

use crate::Measured;
use crate::files::{guest, put, state};
use crate::load::{Headers, Load};
use crate::machine::SERVER_CORE;
use crate::process::Cores;
use crate::report::{Column, Report, ratios};
use crate::spawned::Spawned;
use std::fmt::Write;
use std::time::Duration;
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    load: Load,
    tables: [Table; 3],
}

/// Routes beside those of the service that is asked.
#[derive(Clone, Copy)]
struct Table {
    name: &'static str,
    services: usize,
    routes_each: usize,
}

impl Plan {
    pub(crate) const FULL: Self = Self {
        rounds: 21,
        load: Load::Polling { seconds: 1 },
        tables: [
            // The service that is asked has two more.
            Table { name: "10 routes", services: 1, routes_each: 8 },
            Table { name: "10,000 routes of 10 services", services: 10, routes_each: 1_000 },
            Table { name: "10,000 routes of 1,000 services", services: 1_000, routes_each: 10 },
        ],
    };
}

const PATH: &str = "/api/add/40/2";
const PATIENCE: Duration = Duration::from_secs(120);

/// Forms of patterns, taken in turn.
const PATTERNS: [&str; 4] = ["", "/{id}", "/{id}/parts", "/{id}/parts/{part}"];

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let mut hosts = Vec::new();
    for table in plan.tables {
        let folder = TempDir::new()?;
        table.fill(&folder)?;
        let core = Cores::One(SERVER_CORE);
        let (host, _) = Spawned::start(folder.path(), &state(), core, PATIENCE)?;
        hosts.push((table.name, host, folder, Vec::new(), Vec::new()));
    }
    for _ in 0..plan.rounds {
        for (_, host, _, per_second, cpu_micros) in &mut hosts {
            let before = host.process.cpu_micros()?;
            let rate = plan.load.put_on(host.address, PATH, Headers::Plain)?;
            per_second.push(rate.per_second);
            cpu_micros.push((host.process.cpu_micros()? - before) / rate.requests);
        }
    }
    let (load, rounds) = (plan.load.render(), plan.rounds);
    let mut report = Report::new("routes", format!("{PATH}, {load}, {rounds} rounds in turn"));
    let few = hosts.first().map(|(_, _, _, per_second, _)| per_second.clone());
    for (name, _, _, per_second, cpu_micros) in hosts {
        let of_few = ratios(&per_second, few.as_deref().unwrap_or_default());
        let requests = Column { name: "requests", unit: "/s", rounds: per_second };
        let of_few = Column { name: "of 10 routes", unit: "", rounds: of_few };
        let cpu = Column { name: "CPU", unit: " µs", rounds: cpu_micros };
        report.add(name, vec![requests, of_few, cpu]);
    }
    Ok(report)
}

impl Table {
    /// One module under many names, whose manifests have the routes.
    fn fill(self, folder: &TempDir) -> Measured {
        put(folder.path(), "calc", &guest("calc")?, "")?;
        let other = guest("calc-wasi2")?;
        for service in 0..self.services {
            let name = format!("other-{service}");
            put(folder.path(), &name, &other, &self.manifest()?)?;
        }
        Ok(())
    }

    fn manifest(self) -> Result<String, std::fmt::Error> {
        let mut manifest = String::new();
        for (route, form) in (0..self.routes_each).zip(PATTERNS.iter().cycle()) {
            writeln!(manifest, "[[routes]]\nname = \"route-{route}\"\ntype = \"GET\"")?;
            writeln!(manifest, "pattern = \"/things-{route}{form}\"")?;
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        let load = Load::Few { requests: 20 };
        let tables = [1, 10, 2].map(|services| Table { name: "some", services, routes_each: 5 });
        measure(&Plan { rounds: 1, load, tables }).unwrap().check_rows(3, 1);
    }
}
