//! What a call to a neighbour in the same process adds.

use crate::Measured;
use crate::connection::Connection;
use crate::figures::median;
use crate::machine::{LOAD_CORE, SERVER_CORE, pin};
use crate::report::{Column, Report};
use crate::served::serve;
use std::time::Instant;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    calls: usize,
}

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 9, calls: 2_000 };
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    pin(SERVER_CORE)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let host = serve(&runtime, &[("greeter", ""), ("greeter-api", "")])?;
    pin(LOAD_CORE)?;
    let mut connection = Connection::open(host.address)?;
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        direct.push(time(plan.calls, || {
            let answer = connection.post("/greeter/hello", r#"{"name":"John"}"#)?;
            expect(&answer.body, r#"{"msg":"Hello John"}"#)
        })?);
        through.push(time(plan.calls, || {
            let answer = connection.get("/greeter-api/say/hello?name=John")?;
            expect(&answer.body, r#"{"message":"Hello John"}"#)
        })?);
    }
    let added: Vec<f64> = direct.iter().zip(&through).map(|(d, t)| t - d).collect();
    let Plan { rounds, calls } = plan;
    let title =
        format!("greeter-api -> greeter in process, {rounds} rounds of {calls} calls in turn");
    let mut report = Report::new("hop", title);
    for (name, rounds) in [("direct", direct), ("through", through), ("added", added)] {
        report.add(name, vec![Column { name: "median", unit: " µs", rounds }]);
    }
    Ok(report)
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
        measure(&Plan { rounds: 1, calls: 5 }).unwrap().check_rows(3, 1);
    }
}
