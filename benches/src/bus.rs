//! Events: deliveries a second and the time they take, to 1, 10 and 100
//! services, beside NATS; and what one of ten that is stuck costs the others.

use crate::Measured;
use crate::connection::Connection;
use crate::figures::quantile;
use crate::files::{guest, put, replaced, state};
use crate::machine::{LOAD_CORE, SERVER_CORE, pin};
use crate::nats::{self, Server};
use crate::process::Cores;
use crate::ready::wait_until;
use crate::report::{Column, Report, ratios};
use crate::spawned::Spawned;
use futures::future::try_join_all;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    /// In a round, all subscribers together.
    deliveries: usize,
    /// Events whose way is timed, in a round.
    timed: usize,
    subscribers: [usize; 3],
    has_nats: bool,
}

const GUEST: &str = "hears";
const PATIENCE: Duration = Duration::from_secs(120);
const LIMITS: &str = "[limits]\nevents = 100000\ncpu_ms = 60000\nwall_ms = 3600000";
const ROWS: [[&str; 2]; 3] = [
    ["1 service", "NATS, 1 connection"],
    ["10 services", "NATS, 10 connections"],
    ["100 services", "NATS, 100 connections"],
];

impl Plan {
    pub(crate) const FULL: Self = Self {
        rounds: 7,
        deliveries: 30_000,
        timed: 200,
        subscribers: [1, 10, 100],
        has_nats: true,
    };
}

/// Figures of one kind of subscriber.
#[derive(Default)]
struct Figures {
    per_second: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let has_nats = plan.has_nats && nats::is_there();
    let title = format!(
        "{} rounds: {} deliveries by a publisher that does not wait, {} events timed one by one",
        plan.rounds, plan.deliveries, plan.timed
    );
    let mut report = Report::new("bus", title);
    for (subscribers, [own_name, nats_name]) in plan.subscribers.into_iter().zip(ROWS) {
        let hosts = Hosts::start(subscribers, None)?;
        let mut nats = has_nats.then(|| Nats::start(subscribers)).transpose()?;
        let (mut own, mut other) = (Figures::default(), Figures::default());
        for _ in 0..plan.rounds {
            hosts.measure(plan, &mut own)?;
            if let Some(nats) = &mut nats {
                nats.measure(plan, &mut other)?;
            }
        }
        report.add(own_name, own.columns());
        if has_nats {
            report.add(nats_name, other.columns());
        }
    }
    let (all_well, one_stuck) = (Hosts::start(10, None)?, Hosts::start(10, Some(9))?);
    let (mut well, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        well.push(quantile(&all_well.times(plan.timed, 10)?, 0.99));
        beside.push(quantile(&one_stuck.times(plan.timed, 9)?, 0.99));
    }
    let of_well = Column { name: "of all well", unit: "", rounds: ratios(&beside, &well) };
    let beside = Column { name: "p99", unit: " µs", rounds: beside };
    report.add("9 services beside one that is stuck", vec![of_well, beside]);
    Ok(report)
}

impl Figures {
    fn note(&mut self, per_second: f64, times: &[f64]) {
        self.per_second.push(per_second);
        self.p50.push(quantile(times, 0.5));
        self.p99.push(quantile(times, 0.99));
    }

    fn columns(self) -> Vec<Column> {
        vec![
            Column { name: "deliveries", unit: "/s", rounds: self.per_second },
            Column { name: "p50", unit: " µs", rounds: self.p50 },
            Column { name: "p99", unit: " µs", rounds: self.p99 },
        ]
    }
}

/// A host with so many services that hear.
struct Hosts {
    _folder: TempDir,
    host: Spawned,
    services: usize,
}

impl Hosts {
    fn start(services: usize, stuck: Option<usize>) -> Measured<Self> {
        let folder = TempDir::new()?;
        let module = guest(GUEST)?;
        for service in 0..services {
            let name = numbered(service);
            let is_stuck = stuck == Some(service);
            let manifest =
                if is_stuck { format!("{LIMITS}\n[config]\nstuck = true") } else { LIMITS.into() };
            put(folder.path(), &name, &replaced(&module, &numbered(0), &name), &manifest)?;
        }
        let (host, _) = Spawned::start(folder.path(), &state(), Cores::One(SERVER_CORE), PATIENCE)?;
        pin(LOAD_CORE)?;
        Ok(Self { _folder: folder, host, services })
    }

    fn measure(&self, plan: &Plan, figures: &mut Figures) -> Measured {
        let events = plan.deliveries / self.services;
        let mut admin = Connection::open(self.host.admin)?;
        let before = self.heard(&mut admin)?;
        let mut connection = Connection::open(self.host.address)?;
        let began = Instant::now();
        let status = connection.post(&format!("/hears-0000/ticks/{events}"), "")?.status;
        if status != 204 {
            return Err(format!("publishing answered {status}").into());
        }
        #[allow(clippy::cast_precision_loss, reason = "some thousands")]
        let wanted = (events * self.services) as f64;
        wait_until("all deliveries", PATIENCE, || {
            self.heard(&mut admin).is_ok_and(|heard| before + wanted <= heard)
        })?;
        let per_second = wanted / began.elapsed().as_secs_f64();
        figures.note(per_second, &self.times(plan.timed, self.services)?);
        Ok(())
    }

    /// Events that all services have heard.
    fn heard(&self, admin: &mut Connection) -> Measured<f64> {
        let metrics = String::from_utf8(admin.get("/metrics")?.body)?;
        let of = |line: &str| {
            let line = line.strip_prefix("picolet_service_events_heard_total{")?;
            line.split(' ').nth(1)?.parse::<f64>().ok()
        };
        Ok(metrics.lines().filter_map(of).sum())
    }

    /// Microseconds until each of the services has an event, of so many events
    /// one after the other.
    fn times(&self, events: usize, services: usize) -> Measured<Vec<f64>> {
        let mut told = Told::open(self.host.admin)?;
        let mut admin = Connection::open(self.host.admin)?;
        let mut times = Vec::with_capacity(events * services);
        for _ in 0..events {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros().to_string();
            let status = admin.post("/admin/v1/events/timed", &now)?.status;
            if status != 202 {
                return Err(format!("publishing answered {status}").into());
            }
            for _ in 0..services {
                times.push(told.next()?);
            }
        }
        Ok(times)
    }
}

fn numbered(service: usize) -> String {
    format!("{GUEST}-{service:04}")
}

/// Reads what services tell of the time it took.
struct Told(BufReader<TcpStream>);

impl Told {
    fn open(admin: SocketAddr) -> Measured<Self> {
        let mut stream = TcpStream::connect(admin)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream
            .write_all(b"GET /admin/v1/events?subject=took HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let mut told = Self(BufReader::new(stream));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            told.0.read_line(&mut line)?;
        }
        Ok(told)
    }

    fn next(&mut self) -> Measured<f64> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err("the stream of events ended".into());
            }
            if let Some(data) = line.strip_prefix("data: ") {
                let event: serde_json::Value = serde_json::from_str(data)?;
                let text = event.get("text").and_then(serde_json::Value::as_str);
                return Ok(text.ok_or("an event without text")?.parse()?);
            }
        }
    }
}

/// The same with a server of NATS between connections of this process.
struct Nats {
    runtime: tokio::runtime::Runtime,
    _server: Server,
    publisher: nats::Publisher,
    subscribers: Vec<nats::Subscriber>,
}

impl Nats {
    fn start(subscribers: usize) -> Measured<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let server = Server::start(Cores::One(SERVER_CORE))?;
        let (publisher, subscribers) = runtime.block_on(async {
            let mut all = Vec::new();
            for _ in 0..subscribers {
                all.push(server.subscriber().await?);
            }
            Ok::<_, Box<dyn std::error::Error>>((server.publisher().await?, all))
        })?;
        Ok(Self { runtime, _server: server, publisher, subscribers })
    }

    fn measure(&mut self, plan: &Plan, figures: &mut Figures) -> Measured {
        let Self { runtime, publisher, subscribers, .. } = self;
        let (events, count) = (plan.deliveries / subscribers.len(), subscribers.len());
        let began = Instant::now();
        runtime.block_on(async {
            let hear = try_join_all(subscribers.iter_mut().map(|one| one.hear(events)));
            tokio::try_join!(publisher.publish(events), hear).map(|_done| ())
        })?;
        #[allow(clippy::cast_precision_loss, reason = "some thousands")]
        let per_second = (events * count) as f64 / began.elapsed().as_secs_f64();
        let mut times = Vec::new();
        for _ in 0..plan.timed {
            let since = Instant::now();
            let (_, took) = runtime.block_on(async {
                let hear = try_join_all(subscribers.iter_mut().map(|one| one.time(since)));
                tokio::try_join!(publisher.publish(1), hear)
            })?;
            times.extend(took.iter().map(|took| took.as_secs_f64() * 1e6));
        }
        figures.note(per_second, &times);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        let subscribers = [1, 2, 3];
        let plan = Plan { rounds: 1, deliveries: 60, timed: 3, subscribers, has_nats: false };
        measure(&plan).unwrap().check_rows(4, 1);
    }
}
