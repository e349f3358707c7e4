//! Many services in one host: how long it takes to start, and what it holds.

use crate::Measured;
use crate::connection::Connection;
use crate::files::{guest, put, replaced, root};
use crate::process::Cores;
use crate::report::{Column, Report};
use crate::spawned::Spawned;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    services: usize,
}

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 5, services: 1_000 };
}

/// A module of the SDK whose number is replaced, so every one is compiled for
/// itself and declares itself.
const GUEST: &str = "numbered";

/// Compiling all of them is a part of the first start.
const PATIENCE: Duration = Duration::from_secs(900);

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let (folder, state) = (TempDir::new()?, TempDir::new_in(root().join("target"))?);
    let module = guest(GUEST)?;
    for service in 0..plan.services {
        let name = numbered(service);
        put(folder.path(), &name, &replaced(&module, &numbered(0), &name), "")?;
    }
    let services = plan.services;
    let title = format!("{services} services of the SDK, from the start to ready, all cores");
    let mut report = Report::new("density", title);
    let mut cold = Starts::default();
    cold.add(folder.path(), state.path(), services)?;
    report.add("nothing compiled before", cold.columns());
    let mut warm = Starts::default();
    for _ in 0..plan.rounds {
        warm.add(folder.path(), state.path(), services)?;
    }
    report.add("from the cache", warm.columns());
    Ok(report)
}

fn numbered(service: usize) -> String {
    format!("{GUEST}-{service:04}")
}

/// Figures of some starts.
#[derive(Default)]
struct Starts {
    seconds: Vec<f64>,
    rss_mb: Vec<f64>,
    pss_mb: Vec<f64>,
}

impl Starts {
    /// Starts a host, looks at it when it is ready, and ends it.
    fn add(&mut self, folder: &Path, state: &Path, services: usize) -> Measured {
        let (host, took) = Spawned::start(folder, state, Cores::All, PATIENCE)?;
        let usage = host.process.usage()?;
        self.seconds.push(took.as_secs_f64());
        self.rss_mb.push(usage.rss_mb);
        self.pss_mb.push(usage.pss_mb);
        // Every one of them has to be there.
        let mut connection = Connection::open(host.address)?;
        for service in 0..services {
            let path = format!("/{}/add/40/2", numbered(service));
            let answer = connection.get(&path)?;
            if answer.status != 200 || answer.body != br#"{"result":42}"# {
                return Err(format!("{path} answered {}", answer.status).into());
            }
        }
        Ok(())
    }

    fn columns(self) -> Vec<Column> {
        let Self { seconds, rss_mb, pss_mb } = self;
        vec![
            Column { name: "ready", unit: " s", rounds: seconds },
            Column { name: "RSS", unit: " MB", rounds: rss_mb },
            Column { name: "PSS", unit: " MB", rounds: pss_mb },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        measure(&Plan { rounds: 1, services: 2 }).unwrap().check_rows(2, 1);
    }
}
