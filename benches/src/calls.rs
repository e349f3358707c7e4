//! Calls of one service by another: to another process over HTTP/2 beside a
//! bare client that does the same, and in process by several callers at once.

use crate::Measured;
use crate::connection::Connection;
use crate::endpoint::post_record;
use crate::figures::median;
use crate::files::{guest, put, state};
use crate::machine::{LOAD_CORE, SERVER_CORE, pin};
use crate::process::Cores;
use crate::report::{Column, Report, ratios};
use crate::spawned::Spawned;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    /// To another process, in a round.
    remote: usize,
    /// In process, in a round.
    inside: u32,
}

const PATIENCE: Duration = Duration::from_secs(60);
const ROWS: [(&str, u32); 3] =
    [("in process, 1 caller", 1), ("in process, 10 callers", 10), ("in process, 64 callers", 64)];
const LIMITS: &str = "[limits]\noutbound = 64\ncpu_ms = 60000\nwall_ms = 60000";

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 9, remote: 1_000, inside: 32_000 };
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let (far_folder, folder) = (TempDir::new()?, TempDir::new()?);
    put(far_folder.path(), "calc", &guest("calc")?, "")?;
    put(folder.path(), "calc", &guest("calc")?, "")?;
    put(folder.path(), "misbehaves", &guest("misbehaves")?, LIMITS)?;
    // The one that is called on a core of its own, both who call on the other.
    let (server, load) = (Cores::One(SERVER_CORE), Cores::One(LOAD_CORE));
    let (far, _) = Spawned::start(far_folder.path(), &state(), server, PATIENCE)?;
    let (host, _) = Spawned::start(folder.path(), &state(), load, PATIENCE)?;
    let record = json!({ "record": {
        "name": "far", "registration": "far", "domain": format!("http://{}", far.address),
        "root": "/api", "metadata": { "protocol": "h2c" },
        "methods": [{ "name": "add", "type": "GET", "path": "/add/40/2" }],
    } });
    post_record(host.admin, &record.to_string())?;
    pin(LOAD_CORE)?;
    let (mut bare, mut added) = (Vec::new(), Vec::new());
    let mut connection = Connection::open(host.address)?;
    for _ in 0..plan.rounds {
        bare.push(bare_call(far.address, plan.remote)?);
        let direct = time(plan.remote, &mut connection, "/misbehaves/state")?;
        added.push(time(plan.remote, &mut connection, "/misbehaves/call/far/add")? - direct);
    }
    let title = format!(
        "{} rounds: {} calls to another process, {} in process",
        plan.rounds, plan.remote, plan.inside
    );
    let mut report = Report::new("calls", title);
    let of_bare = Column { name: "of bare", unit: "", rounds: ratios(&added, &bare) };
    report.add("bare hyper, HTTP/2", vec![Column { name: "median", unit: " µs", rounds: bare }]);
    let added = Column { name: "median", unit: " µs", rounds: added };
    report.add("added by a guest's call, HTTP/2", vec![added, of_bare]);
    for (name, callers) in ROWS {
        let mut rounds = Vec::new();
        for _ in 0..plan.rounds {
            rounds.push(in_process(&mut connection, callers, plan.inside)?);
        }
        report.add(name, vec![Column { name: "calls", unit: "/s", rounds }]);
    }
    Ok(report)
}

/// The median time of a request by a bare client, in microseconds.
fn bare_call(address: SocketAddr, calls: usize) -> Measured<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut builder = Client::builder(TokioExecutor::new());
        let client: Client<_, Empty<Bytes>> = builder.http2_only(true).build_http();
        let uri: http::Uri = format!("http://{address}/api/add/40/2").parse()?;
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let before = Instant::now();
            let response = client.get(uri.clone()).await?;
            if response.status() != 200 {
                return Err(format!("answered {}", response.status()).into());
            }
            response.into_body().collect().await?;
            times.push(before.elapsed().as_secs_f64() * 1e6);
        }
        Ok(median(&times))
    })
}

/// The median time of a request, in microseconds.
fn time(calls: usize, connection: &mut Connection, path: &str) -> Measured<f64> {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let before = Instant::now();
        let status = connection.get(path)?.status;
        times.push(before.elapsed().as_secs_f64() * 1e6);
        if status != 200 {
            return Err(format!("{path} answered {status}").into());
        }
    }
    Ok(median(&times))
}

/// Calls a second of so many callers in one guest.
fn in_process(connection: &mut Connection, callers: u32, calls: u32) -> Measured<f64> {
    let each = (calls / callers).max(1);
    let before = Instant::now();
    let answer = connection.get(&format!("/misbehaves/calls/{callers}/{each}"))?;
    let took = before.elapsed().as_secs_f64();
    let body = String::from_utf8_lossy(&answer.body);
    if answer.status != 200 {
        return Err(format!("answered {} {body}", answer.status).into());
    }
    Ok(body.parse::<f64>()? / took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        measure(&Plan { rounds: 1, remote: 5, inside: 64 }).unwrap().check_rows(5, 1);
    }
}
