//! From the file's close to the first answer of the new revision.

use crate::Measured;
use crate::figures::quantile;
use crate::load::Connection;
use crate::report::{Column, Report};
use crate::served::{guest_path, serve};
use std::fs;
use std::time::{Duration, Instant};

const SWAPS: usize = 50;

pub(crate) fn measure() -> Measured<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let host = serve(&runtime, &[("calc", "")])?;
    let file = host.folder.path().join("calc.wasm");
    let builds = [
        (fs::read(guest_path("calc2"))?, "\"pico2\""),
        (fs::read(guest_path("calc"))?, "\"pico\""),
    ];
    let mut connection = Connection::open(host.address)?;
    let (mut compiled, mut cached) = (Vec::new(), Vec::new());
    for (swap, (build, mark)) in builds.iter().cycle().take(SWAPS * 2).enumerate() {
        // A build nobody has seen is compiled; one seen before comes from the
        // cache.
        let is_new = swap < SWAPS;
        let build = if is_new { distinct(build, swap) } else { build.clone() };
        fs::write(&file, build)?;
        let closed = Instant::now();
        loop {
            let answer = connection.get("/api/add/40/2")?;
            if String::from_utf8_lossy(&answer.body).contains(mark) {
                break;
            }
            if Duration::from_secs(30) < closed.elapsed() {
                return Err("the new revision does not answer after 30 s".into());
            }
        }
        let times = if is_new { &mut compiled } else { &mut cached };
        times.push(closed.elapsed().as_secs_f64() * 1e3);
    }
    let title = format!("close of calc.wasm -> first answer of the new revision, {SWAPS} each");
    let mut report = Report::new("swap", title);
    for (name, rounds) in [("compiled", compiled), ("from the cache", cached)] {
        let p95 = vec![quantile(&rounds, 0.95)];
        let median = Column { name: "median", unit: " ms", rounds };
        report.add(name, vec![median, Column { name: "p95", unit: " ms", rounds: p95 }]);
    }
    Ok(report)
}

/// The same module with bytes of its own: an empty custom section more.
fn distinct(module: &[u8], count: usize) -> Vec<u8> {
    let name = format!("{}-{count}", std::process::id());
    let mut section = Vec::from(module);
    let len = u8::try_from(name.len()).unwrap_or_default();
    section.extend([0, len + 1, len]);
    section.extend(name.as_bytes());
    section
}
