//! Requests of a guest to a stranger, beside a bare pooled client that makes
//! the same ones.

use crate::Measured;
use crate::connection::Connection;
use crate::endpoint::{ANY, Endpoint, HELLO};
use crate::files::{guest, put, state};
use crate::machine::{LOAD_CORE, SERVER_CORE, pin};
use crate::process::Cores;
use crate::report::{Column, Report, ratios};
use crate::spawned::Spawned;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    /// One after the other, in a round.
    requests: usize,
}

const PATIENCE: Duration = Duration::from_secs(60);

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 9, requests: 5_000 };
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    // The stranger on a core of its own, both who ask on the other.
    pin(SERVER_CORE)?;
    let stranger = Endpoint::start(ANY)?;
    let folder = TempDir::new()?;
    let url = format!("http://{}/hello", stranger.address);
    let manifest = format!(
        "[grants]\noutbound = \"http://{}\"\n[limits]\ncpu_ms = 60000\nwall_ms = 60000",
        stranger.address
    );
    put(folder.path(), "fetches", &guest("fetches")?, &manifest)?;
    let (host, _) = Spawned::start(folder.path(), &state(), Cores::One(LOAD_CORE), PATIENCE)?;
    pin(LOAD_CORE)?;
    let bare_client = BareClient::new()?;
    let (mut bare, mut through) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        bare.push(bare_client.time(stranger.address, plan.requests)?);
        through.push(time(host.address, &url, plan.requests)?);
    }
    let title = format!("{} rounds: {} requests one by one", plan.rounds, plan.requests);
    let mut report = Report::new("outbound", title);
    let of_bare = Column { name: "of bare", unit: "", rounds: ratios(&through, &bare) };
    report.add("bare hyper, pooled", vec![Column { name: "time", unit: " µs", rounds: bare }]);
    let through = Column { name: "time", unit: " µs", rounds: through };
    report.add("a guest's fetch", vec![through, of_bare]);
    Ok(report)
}

/// A pooled client with nothing around it.
struct BareClient {
    runtime: Runtime,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl BareClient {
    fn new() -> Measured<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { runtime, client })
    }

    /// The time of a request, its whole answer read, in microseconds.
    fn time(&self, address: SocketAddr, requests: usize) -> Measured<f64> {
        let uri: http::Uri = format!("http://{address}/hello").parse()?;
        self.runtime.block_on(async {
            let before = Instant::now();
            for _ in 0..requests {
                let response = self.client.get(uri.clone()).await?;
                let body = response.into_body().collect().await?.to_bytes();
                if body != HELLO {
                    return Err(format!("answered {body:?}").into());
                }
            }
            Ok(micros(before, requests))
        })
    }
}

/// The same of a guest that makes all of them in one call.
fn time(host: SocketAddr, url: &str, requests: usize) -> Measured<f64> {
    let mut connection = Connection::open(host)?;
    let before = Instant::now();
    let answer = connection.get(&format!("/fetches/count/{requests}?url={url}"))?;
    let time = micros(before, requests);
    let body = String::from_utf8_lossy(&answer.body);
    if answer.status == 200 && body == (requests * HELLO.len()).to_string() {
        return Ok(time);
    }
    Err(format!("answered {} {body}", answer.status).into())
}

fn micros(since: Instant, requests: usize) -> f64 {
    since.elapsed().as_secs_f64() * 1e6 / requests.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        measure(&Plan { rounds: 1, requests: 5 }).unwrap().check_rows(2, 1);
    }
}
