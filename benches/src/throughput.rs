//! Requests per second: bare hyper, an instance kept, an instance per call.

use crate::figures::median;
use crate::machine::{SERVER_CORE, cpu_micros, pin};
use crate::served::serve;
use crate::{Measured, bare, load};
use std::net::SocketAddr;

const ROUNDS: usize = 5;
const SECONDS: u32 = 3;
const PATH: &str = "/api/add/40/2";

struct Row {
    name: &'static str,
    address: SocketAddr,
    path: &'static str,
    per_second: Vec<f64>,
    cpu_micros: Vec<f64>,
}

pub(crate) fn measure() -> Measured {
    pin(SERVER_CORE)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let kept = serve(&runtime, &[("calc", "")])?;
    let fresh = serve(&runtime, &[("calc", "isolation = \"call\"")])?;
    let bare = runtime.block_on(bare::serve())?;
    let row = |name, address| Row {
        name,
        address,
        path: PATH,
        per_second: Vec::new(),
        cpu_micros: Vec::new(),
    };
    let mut rows = [
        row("bare hyper", bare),
        row("instance kept", kept.address),
        row("instance per call", fresh.address),
    ];
    for _ in 0..ROUNDS {
        for row in &mut rows {
            let before = cpu_micros();
            let per_second = load::wrk(row.address, row.path, SECONDS)?;
            row.per_second.push(per_second);
            row.cpu_micros.push((cpu_micros() - before) / (per_second * f64::from(SECONDS)));
        }
    }
    print(&rows);
    Ok(())
}

fn print(rows: &[Row]) {
    println!("throughput: {PATH}, wrk -t1 -c32 -d{SECONDS}s, medians of {ROUNDS} rounds in turn");
    let bare = rows.first().map(|row| median(&row.per_second)).unwrap_or_default();
    for row in rows {
        let (per_second, micros) = (median(&row.per_second), median(&row.cpu_micros));
        let (name, ratio) = (row.name, per_second / bare);
        println!("  {name:<20}{per_second:>10.0}/s  {ratio:>5.2} of bare  {micros:>6.1} µs CPU");
    }
}
