//! The host beside `wasmtime serve`, both as processes on the same core: the
//! same work as a handler of the SDK and as components of `wasi:http`.

use crate::Measured;
use crate::connection::Connection;
use crate::files::{guest, guest_path, put, state};
use crate::load::{Headers, Load};
use crate::machine::SERVER_CORE;
use crate::process::{Cores, Process, command};
use crate::ready::{status, wait_until};
use crate::report::{Column, Report, ratios};
use crate::spawned::Spawned;
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    load: Load,
    sides: &'static [Side],
}

/// One of those that are compared.
struct Side {
    name: &'static str,
    guest: &'static str,
    by: By,
}

/// Who serves a guest, and how long an instance lives.
#[derive(Clone, Copy, PartialEq)]
enum By {
    PicoletKept,
    PicoletNew,
    WasmtimeKept,
    WasmtimeNew,
}

const SIDES: [Side; 10] = [
    Side { name: "calc kept", guest: "calc", by: By::PicoletKept },
    Side { name: "calc new", guest: "calc", by: By::PicoletNew },
    Side { name: "picolet 0.2 kept", guest: "calc-wasi2", by: By::PicoletKept },
    Side { name: "picolet 0.2 new", guest: "calc-wasi2", by: By::PicoletNew },
    Side { name: "picolet 0.3 kept", guest: "calc-wasi3", by: By::PicoletKept },
    Side { name: "picolet 0.3 new", guest: "calc-wasi3", by: By::PicoletNew },
    Side { name: "serve 0.2 kept", guest: "calc-wasi2", by: By::WasmtimeKept },
    Side { name: "serve 0.2 new", guest: "calc-wasi2", by: By::WasmtimeNew },
    Side { name: "serve 0.3 kept", guest: "calc-wasi3", by: By::WasmtimeKept },
    Side { name: "serve 0.3 new", guest: "calc-wasi3", by: By::WasmtimeNew },
];

/// What is to be of what.
const RATIOS: [(&str, &str, &str); 7] = [
    ("calc kept / serve 0.2 kept", "calc kept", "serve 0.2 kept"),
    ("calc kept / serve 0.3 kept", "calc kept", "serve 0.3 kept"),
    ("calc new / serve 0.2 new", "calc new", "serve 0.2 new"),
    ("picolet 0.2 kept / serve 0.2 kept", "picolet 0.2 kept", "serve 0.2 kept"),
    ("picolet 0.2 new / serve 0.2 new", "picolet 0.2 new", "serve 0.2 new"),
    ("picolet 0.3 kept / serve 0.3 kept", "picolet 0.3 kept", "serve 0.3 kept"),
    ("picolet 0.3 new / serve 0.3 new", "picolet 0.3 new", "serve 0.3 new"),
];

const PATH: &str = "/api/add/40/2";
const ANSWER: &str = r#"{"message":"Hello 🌍","from":"pico","result":42}"#;
const VERSION: &str = "48.0.8";
const PATIENCE: Duration = Duration::from_secs(60);

/// The best flags that were found, for both and for either.
const FLAGS: [&str; 2] = ["-Scli", "-Opooling-allocator"];
const KEPT_FLAGS: [&str; 4] = [
    "-Opooling-memory-keep-resident=1048576",
    "-Opooling-table-keep-resident=65536",
    "-Opooling-async-stack-keep-resident=65536",
    "--max-instance-reuse-count=1000000000",
];
const NEW_FLAGS: [&str; 4] = [
    "-Opooling-memory-keep-resident=65536",
    "-Opooling-table-keep-resident=65536",
    "-Opooling-pagemap-scan=y",
    "--max-instance-reuse-count=1",
];

impl Plan {
    pub(crate) const FULL: Self =
        Self { rounds: 15, load: Load::Polling { seconds: 1 }, sides: &SIDES };
}

/// A side at work.
struct Serving {
    name: &'static str,
    address: SocketAddr,
    process: Process,
    _folder: TempDir,
    per_second: Vec<f64>,
    cpu_micros: Vec<f64>,
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    if plan.sides.iter().any(|side| side.by.is_wasmtime()) {
        check_wasmtime()?;
    }
    let mut servings: Vec<Serving> = plan.sides.iter().map(Side::start).collect::<Measured<_>>()?;
    for serving in &servings {
        serving.check()?;
    }
    for _ in 0..plan.rounds {
        for serving in &mut servings {
            let before = serving.process.cpu_micros()?;
            let rate = plan.load.put_on(serving.address, PATH, Headers::Plain);
            let rate = rate.map_err(|error| serving.explain(&*error))?;
            let used = serving.process.cpu_micros()? - before;
            serving.per_second.push(rate.per_second);
            serving.cpu_micros.push(used / rate.requests);
        }
    }
    Ok(report(&servings, plan))
}

impl Serving {
    /// What went wrong, where, and what the program said of it.
    fn explain(&self, error: &dyn std::error::Error) -> String {
        // What it says just now is being read.
        thread::sleep(Duration::from_millis(100));
        format!("{}: {error}\n{}", self.name, self.process.errors().join("\n"))
    }
}

fn report(servings: &[Serving], plan: &Plan) -> Report {
    let (load, rounds) = (plan.load.render(), plan.rounds);
    let title = format!("{PATH}, wasmtime serve {VERSION}, {load}, {rounds} rounds in turn");
    let mut report = Report::new("serve", title);
    for serving in servings {
        let per_second = serving.per_second.clone();
        let requests = Column { name: "requests", unit: "/s", rounds: per_second };
        let cpu = Column { name: "CPU", unit: " µs", rounds: serving.cpu_micros.clone() };
        report.add(serving.name, vec![requests, cpu]);
    }
    let find = |name| servings.iter().find(|serving| serving.name == name);
    for (name, own, of) in RATIOS {
        if let (Some(own), Some(of)) = (find(own), find(of)) {
            let rounds = ratios(&own.per_second, &of.per_second);
            report.add(name, vec![Column { name: "ratio", unit: "", rounds }]);
        }
    }
    report
}

/// Fails unless the version is there that the figures are about.
fn check_wasmtime() -> Measured {
    let advice = format!("cargo install wasmtime-cli --version {VERSION} --locked");
    let output = Command::new("wasmtime").arg("--version").output();
    let output = output.map_err(|error| format!("wasmtime: {error}; get it by {advice}"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if version.split(' ').nth(1) == Some(VERSION) {
        return Ok(());
    }
    Err(format!("{version:?} is not wasmtime {VERSION}; get it by {advice}").into())
}

impl By {
    const fn is_wasmtime(self) -> bool {
        matches!(self, Self::WasmtimeKept | Self::WasmtimeNew)
    }
}

impl Side {
    fn start(&self) -> Measured<Serving> {
        let folder = TempDir::new()?;
        let (process, address) = match self.by {
            By::PicoletKept => self.picolet(&folder, "kept")?,
            By::PicoletNew => self.picolet(&folder, "call")?,
            By::WasmtimeKept => self.wasmtime(&KEPT_FLAGS)?,
            By::WasmtimeNew => self.wasmtime(&NEW_FLAGS)?,
        };
        let (per_second, cpu_micros) = (Vec::new(), Vec::new());
        let (name, _folder) = (self.name, folder);
        Ok(Serving { name, address, process, _folder, per_second, cpu_micros })
    }

    fn picolet(&self, folder: &TempDir, isolation: &str) -> Measured<(Process, SocketAddr)> {
        let manifest = format!("name = \"calc\"\nroot = \"/api\"\nisolation = \"{isolation}\"");
        put(folder.path(), self.guest, &guest(self.guest)?, &manifest)?;
        let core = Cores::One(SERVER_CORE);
        let (host, _) = Spawned::start(folder.path(), &state(), core, PATIENCE)?;
        Ok((host.process, host.address))
    }

    fn wasmtime(&self, flags: &[&str]) -> Measured<(Process, SocketAddr)> {
        let mut command = command(Cores::One(SERVER_CORE), "wasmtime");
        command.arg("serve").args(FLAGS).args(flags).args(["--addr", "127.0.0.1:0"]);
        let mut process = Process::start(command.arg(guest_path(self.guest)))?;
        let address = process.line_after("http://")?;
        process.drain();
        let address = address.trim_end_matches('/').parse()?;
        wait_until(self.name, PATIENCE, || status(address, PATH) == Some(200))?;
        Ok((process, address))
    }
}

impl Serving {
    /// Every side has to do the same work.
    fn check(&self) -> Measured {
        let answer = Connection::open(self.address)?.get(PATH)?;
        let body = String::from_utf8_lossy(&answer.body);
        if answer.status == 200 && body == ANSWER {
            return Ok(());
        }
        Err(format!("{} answered {} {body}", self.name, answer.status).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        let load = Load::Few { requests: 20 };
        // The other sides need a program that not every machine has.
        let is_there = check_wasmtime().is_ok();
        let (own, rows) = if is_there { (SIDES.len(), 17) } else { (6, 6) };
        let sides = SIDES.get(..own).unwrap();
        measure(&Plan { rounds: 1, load, sides }).unwrap().check_rows(rows, 1);
    }
}
