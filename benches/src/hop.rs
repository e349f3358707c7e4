//! What a call to a neighbour in the same process adds.

use crate::Measured;
use crate::connection::{Connection, get, post};
use crate::figures::median;
use crate::machine::{LOAD_CORE, SERVER_CORE, pin};
use crate::polling::poll;
use crate::report::{Column, Report};
use crate::served::serve;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    /// One after the other, in a round.
    calls: usize,
    /// How long 32 connections ask in a round.
    polled: Duration,
}

const HELLO: (&str, &str) = ("/greeter/hello", r#"{"name":"John"}"#);
const SAY_HELLO: &str = "/greeter-api/say/hello?name=John";

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 9, calls: 2_000, polled: Duration::from_secs(1) };
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    pin(SERVER_CORE)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let host = serve(&runtime, &[("greeter", ""), ("greeter-api", "")])?;
    pin(LOAD_CORE)?;
    let Plan { rounds, calls, polled } = plan;
    let title = format!(
        "greeter-api -> greeter in process, time of a request: with 32 polled connections for \
         {polled:?}, and one after the other, {calls} calls, {rounds} rounds in turn"
    );
    let mut report = Report::new("hop", title);
    let mut busy = Rounds::default();
    for _ in 0..*rounds {
        busy.direct.push(polled_time(host.address, post(HELLO.0, HELLO.1), *polled)?);
        busy.through.push(polled_time(host.address, get(SAY_HELLO), *polled)?);
    }
    busy.report(["direct", "through", "added"], &mut report);
    let mut connection = Connection::open(host.address)?;
    let mut single = Rounds::default();
    for _ in 0..*rounds {
        single.direct.push(time(*calls, || {
            let answer = connection.post(HELLO.0, HELLO.1)?;
            expect(&answer.body, r#"{"msg":"Hello John"}"#)
        })?);
        single.through.push(time(*calls, || {
            let answer = connection.get(SAY_HELLO)?;
            expect(&answer.body, r#"{"message":"Hello John"}"#)
        })?);
    }
    single.report(["direct, one by one", "through, one by one", "added, one by one"], &mut report);
    Ok(report)
}

/// Times of either way in microseconds, by round.
#[derive(Default)]
struct Rounds {
    direct: Vec<f64>,
    through: Vec<f64>,
}

impl Rounds {
    fn report(self, [direct, through, added]: [&'static str; 3], report: &mut Report) {
        let difference = self.direct.iter().zip(&self.through).map(|(d, t)| t - d).collect();
        let rows = [(direct, self.direct), (through, self.through), (added, difference)];
        for (name, rounds) in rows {
            report.add(name, vec![Column { name: "median", unit: " µs", rounds }]);
        }
    }
}

/// What the server takes for a request when it is never without one, in
/// microseconds.
fn polled_time(address: SocketAddr, request: String, polled: Duration) -> Measured<f64> {
    Ok(1e6 / poll(address, request, polled)?.per_second)
}

/// The median time of one call in a round, in microseconds.
fn time(calls: usize, mut call: impl FnMut() -> Measured) -> Measured<f64> {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let before = Instant::now();
        call()?;
        times.push(before.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&times))
}

fn expect(body: &[u8], expected: &str) -> Measured {
    if body == expected.as_bytes() {
        return Ok(());
    }
    Err(format!("answered {}, not {expected}", String::from_utf8_lossy(body)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        let polled = Duration::from_millis(50);
        measure(&Plan { rounds: 1, calls: 5, polled }).unwrap().check_rows(6, 1);
    }
}
