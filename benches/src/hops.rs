//! The time of one call, hop by hop. Nothing is built into the host for it:
//! callgrind counts the instructions of some requests, they are sorted by where
//! they were written, and share the CPU time that a request takes without it.

use crate::Measured;
use crate::callgrind::{Cost, read};
use crate::connection::Connection;
use crate::files::{guest, put, state};
use crate::load::{Headers, Load};
use crate::machine::SERVER_CORE;
use crate::process::{Cores, command};
use crate::report::{Column, Report};
use crate::spawned::Spawned;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    load: Load,
    /// Requests that callgrind sees.
    counted: u32,
}

/// A hop, and what its files or functions begin with or have in them.
type Hop = (&'static str, &'static [&'static str]);

/// The first that fits counts. Code of a file of the host or of a crate counts
/// by that file, everything else by the function it is in.
const HOPS: [Hop; 9] = [
    // Compiled code of guests has no names.
    ("guest", &["0x0000"]),
    ("respond", &["http/respond", "http::respond", "pool/answer", "pool::answer", "Encoder"]),
    ("admit", &["src/gate.rs", "picolet::gate"]),
    ("lend", &["src/pool", "picolet::pool", "engine/slots", "engine::slots"]),
    ("lower, lift", &["src/block", "picolet::block", "src/engine", "picolet::engine"]),
    ("accept, read, write", &["hyper", "httparse", "tokio", "mio", "http/connection", "/http-"]),
    ("route", &["host/src", "picolet::", "matchit", "http::"]),
    ("engine", &["wasmtime"]),
    ("allocate, copy", &["malloc", "mem", "free", "alloc", "realloc"]),
];

const PATH: &str = "/api/add/40/2";
const PATIENCE: Duration = Duration::from_secs(120);

impl Plan {
    pub(crate) const FULL: Self =
        Self { rounds: 5, load: Load::Polling { seconds: 1 }, counted: 1_000 };
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let folder = TempDir::new()?;
    put(folder.path(), "calc", &guest("calc")?, "")?;
    let (user, kernel) = cpu(plan, folder.path())?;
    let profile = profile(plan, folder.path())?;
    let (load, counted) = (plan.load.render(), plan.counted);
    let title = format!("{PATH}, CPU time of {load}, shared by the instructions of {counted}");
    let mut report = Report::new("hops", title);
    let costs = read(&profile);
    let all: f64 = costs.iter().map(|cost| cost.instructions).sum();
    for name in HOPS.iter().map(|(name, _)| *name).chain(["other"]) {
        let own = costs.iter().filter(|cost| hop(cost) == name);
        let instructions: f64 = own.map(|cost| cost.instructions).sum();
        let micros = user.iter().map(|user| user * instructions / all).collect();
        let each = vec![instructions / f64::from(counted)];
        let instructions = Column { name: "instructions", unit: "", rounds: each };
        report.add(name, vec![Column { name: "CPU", unit: " µs", rounds: micros }, instructions]);
    }
    report.add("kernel", vec![Column { name: "CPU", unit: " µs", rounds: kernel }]);
    Ok(report)
}

/// CPU time of a request by round, in the program and in the kernel.
fn cpu(plan: &Plan, folder: &Path) -> Measured<(Vec<f64>, Vec<f64>)> {
    let core = Cores::One(SERVER_CORE);
    let (host, _) = Spawned::start(folder, &state(), core, PATIENCE)?;
    let (mut user, mut kernel) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let before = host.process.cpu()?;
        let rate = plan.load.put_on(host.address, PATH, Headers::Plain)?;
        let after = host.process.cpu()?;
        user.push((after.user_micros - before.user_micros) / rate.requests);
        kernel.push((after.kernel_micros - before.kernel_micros) / rate.requests);
    }
    Ok((user, kernel))
}

/// What callgrind says of so many requests over one connection.
fn profile(plan: &Plan, folder: &Path) -> Measured<String> {
    let out = TempDir::new()?;
    let file = out.path().join("profile");
    let mut valgrind = command(Cores::All, "valgrind");
    // The compiler has to see the same processor as the host, which valgrind makes up.
    valgrind.args(["--tool=callgrind", "--instr-atstart=no", "--trace-children=yes"]);
    valgrind.arg(format!("--callgrind-out-file={}.%p", file.display()));
    // It has no room for the address space of more.
    for limit in ["INSTANCES_MAX", "REQUESTS_MAX"] {
        valgrind.env(format!("PICOLET_LIMITS__{limit}"), "4");
    }
    let (host, _) = Spawned::start_by(valgrind, folder, out.path(), PATIENCE)?;
    let mut connection = Connection::open(host.address)?;
    connection.get(PATH)?;
    let pid = host.process.id().to_string();
    control(&["-i", "on", &pid])?;
    for _ in 0..plan.counted {
        connection.get(PATH)?;
    }
    control(&["-i", "off", &pid])?;
    control(&["-d", &pid])?;
    // A dump has a number behind the name of the file.
    Ok(fs::read_to_string(file.with_extension(format!("{pid}.1")))?)
}

fn control(arguments: &[&str]) -> Measured {
    let output = Command::new("callgrind_control").args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("callgrind_control: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Which hop a cost belongs to.
fn hop(cost: &Cost<'_>) -> &'static str {
    let has_file = cost.file.contains("host/src/") || cost.file.contains("/registry/src/");
    let subject = if has_file { cost.file } else { cost.function };
    let fits = |(_, marks): &&Hop| marks.iter().any(|mark| subject.contains(mark));
    HOPS.iter().find(fits).map_or("other", |(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, function: &str, expected: &str) {
        assert_eq!(hop(&Cost { file, function, instructions: 1.0 }), expected);
    }

    #[test]
    fn code_belongs_to_the_hop_it_was_written_for() {
        let call = "picolet::pool::Service::call::{{closure}}";
        check("/p/host/src/pool.rs", call, "lend");
        check("/p/host/src/http.rs", call, "route");
        check("/p/host/src/gate.rs", call, "admit");
        check("/c/registry/src/i/wasmtime-48.0.8/src/runtime/func.rs", call, "engine");
        check("/rustc/5/library/core/src/ptr/mod.rs", call, "lend");
        check("???", "0x0000000006eca2c0", "guest");
        check("./malloc/./malloc/malloc.c", "_int_free", "allocate, copy");
        check("???", "clock_gettime", "other");
    }

    #[test]
    fn a_small_run_has_cpu_time() {
        let folder = TempDir::new().unwrap();
        put(folder.path(), "calc", &guest("calc").unwrap(), "").unwrap();
        let plan = Plan { rounds: 1, load: Load::Few { requests: 20 }, counted: 1 };
        let (user, kernel) = cpu(&plan, folder.path()).unwrap();
        assert!(user.len() == 1 && kernel.len() == 1);
    }
}
