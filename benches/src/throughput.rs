//! Requests per second: bare hyper, an instance kept, an instance per call; with
//! the headers of a plain client and with those of a browser.

use crate::load::Headers;
use crate::machine::{SERVER_CORE, cpu_micros, pin};
use crate::report::{Column, Report};
use crate::served::serve;
use crate::{Measured, bare, load};
use std::net::SocketAddr;

const ROUNDS: usize = 5;
const SECONDS: u32 = 3;
const PATH: &str = "/api/add/40/2";

struct Server {
    name: &'static str,
    address: SocketAddr,
    headers: Headers,
    per_second: Vec<f64>,
    cpu_micros: Vec<f64>,
}

pub(crate) fn measure() -> Measured<Report> {
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
    for _ in 0..ROUNDS {
        for server in &mut servers {
            let before = cpu_micros();
            let per_second = load::wrk(server.address, PATH, SECONDS, server.headers)?;
            server.per_second.push(per_second);
            let requests = per_second * f64::from(SECONDS);
            server.cpu_micros.push((cpu_micros() - before) / requests);
        }
    }
    Ok(report(&servers))
}

fn report(servers: &[Server]) -> Report {
    let title = format!("{PATH}, wrk -t1 -c32 -d{SECONDS}s, {ROUNDS} rounds in turn");
    let mut report = Report::new("throughput", title);
    for server in servers {
        // Of the same round: what disturbs one disturbs the other.
        let bare = servers.iter().find(|other| other.headers == server.headers);
        let rounds =
            bare.into_iter().flat_map(|bare| server.per_second.iter().zip(&bare.per_second));
        let ratios = rounds.map(|(own, bare)| own / bare).collect();
        report.add(
            server.name,
            vec![
                Column { name: "requests", unit: "/s", rounds: server.per_second.clone() },
                Column { name: "of bare", unit: "", rounds: ratios },
                Column { name: "CPU", unit: " µs", rounds: server.cpu_micros.clone() },
            ],
        );
    }
    report
}
