//! What a hostile service costs its neighbour: the neighbour's p99 while it is
//! alone, and in the same round while a fixture is called 200 times a second or
//! has all the calls it may have; and what memory of the host comes back.

mod asking;
mod host;
mod neighbour;
mod pace;

use crate::Measured;
use crate::figures::quantile;
use crate::machine::{LOAD_CORE, pin};
use crate::report::{Column, Report};
use asking::{Asking, Way};
use host::HostProcess;
use neighbour::latencies;
use std::thread;
use std::time::Duration;

/// How much is measured.
pub(crate) struct Plan {
    rounds: usize,
    /// How long each half of a round is measured.
    half: Duration,
}

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 5, half: Duration::from_secs(2) };
}

/// Time in which the calls to a fixture may pile up before anything counts.
const RAMP: Duration = Duration::from_millis(700);
/// Requests a second to the neighbour, over so many connections.
const NEIGHBOUR: (u32, u32) = (500, 10);
const NEIGHBOUR_PATH: &str = "/api/add/40/2";
/// As by default, but for the time a call may take.
const MANIFEST: &str = "[limits]\nwall_ms = 5000\n";
/// The same with one call at a time.
const ONE_BY_ONE: &str = "[limits]\nwall_ms = 5000\nconcurrency = 1\nqueue = 0\n";

struct Fixture {
    name: &'static str,
    module: &'static str,
    manifest: &'static str,
    way: Way,
}

const fn fixture(name: &'static str, module: &'static str, way: Way) -> Fixture {
    Fixture { name, module, manifest: MANIFEST, way }
}

const FIXTURES: [Fixture; 20] = [
    fixture("a good method", "hostile", Way::Get("/hostile/state")),
    fixture("spin in handle", "misbehaves", Way::Get("/misbehaves/spin")),
    Fixture {
        manifest: ONE_BY_ONE,
        ..fixture("the same one by one", "misbehaves", Way::Get("/misbehaves/spin"))
    },
    fixture("spin in describe", "spins-describing", Way::Reload),
    fixture("spin in start", "spins-starting", Way::Get("/spins-starting/good")),
    fixture("spin in realloc", "raw", Way::GetAtLength("/raw/state")),
    fixture("spin in an answer", "hostile", Way::Get("/hostile/begin-and-spin")),
    fixture("memory to the limit", "hostile", Way::Get("/hostile/fill/100")),
    fixture("memory beyond it", "misbehaves", Way::Get("/misbehaves/alloc")),
    fixture("recursion", "misbehaves", Way::Get("/misbehaves/recurse")),
    fixture("10,000 streams", "raw", Way::Get("/raw/streams")),
    fixture("a 4 GiB list", "raw", Way::Get("/raw/body")),
    fixture("logs without end", "hostile", Way::Get("/hostile/print")),
    fixture("a body never read", "hostile", Way::Post("/hostile/hold")),
    fixture("an answer never finished", "hostile", Way::Get("/hostile/unfinished")),
    fixture("a sleep that blocks", "hostile", Way::Get("/hostile/nap")),
    fixture("a trap in a stream", "misbehaves", Way::Get("/misbehaves/stream-trap")),
    fixture("a panic of 4 MiB", "hostile", Way::Get("/hostile/panic")),
    fixture("a panic", "misbehaves", Way::Get("/misbehaves/panic")),
    fixture("every permit held", "hostile", Way::Get("/hostile/wait")),
];

/// What became of a fixture, by round.
#[derive(Default)]
struct Rounds {
    quiet_p99: Vec<f64>,
    beside_p99: Vec<f64>,
    calls_per_second: Vec<f64>,
}

/// Measures the fixtures whose names have this text.
pub(crate) fn measure(plan: &Plan, only: &str) -> Measured<Report> {
    pin(LOAD_CORE)?;
    let Plan { rounds, half } = plan;
    let title = format!(
        "{NEIGHBOUR_PATH} at {}/s beside a fixture at {}/s, {rounds} rounds of {half:?} alone \
         and as long beside it",
        NEIGHBOUR.0,
        asking::PER_SECOND,
    );
    let mut report = Report::new("hostile", title);
    for fixture in FIXTURES.iter().filter(|fixture| fixture.name.contains(only)) {
        // All of them take minutes.
        eprintln!("  beside {}", fixture.name);
        report.add(fixture.name, measured(plan, fixture)?);
    }
    Ok(report)
}

fn measured(plan: &Plan, fixture: &Fixture) -> Measured<Vec<Column>> {
    let host = HostProcess::start(fixture.module, fixture.manifest)?;
    // Once without looking, so that the first round is like the others.
    let asking = Asking::start(&host, fixture)?;
    neighbour_p99(&host, RAMP)?;
    asking.stop();
    host.rest()?;
    let before = host.resident_mb()?;
    let mut rounds = Rounds::default();
    for _ in 0..plan.rounds {
        rounds.quiet_p99.push(neighbour_p99(&host, plan.half)?);
        let asking = Asking::start(&host, fixture)?;
        thread::sleep(RAMP);
        let asked = asking.answered();
        rounds.beside_p99.push(neighbour_p99(&host, plan.half)?);
        let answered = f64::from(asking.answered() - asked);
        rounds.calls_per_second.push(answered / plan.half.as_secs_f64());
        asking.stop();
        host.rest()?;
    }
    let after = host.resident_mb()?;
    host.take_out(fixture.module)?;
    let resident = [before, after, host.resident_mb()?];
    Ok(columns(rounds, resident))
}

fn columns(rounds: Rounds, [before, after, without]: [f64; 3]) -> Vec<Column> {
    let ratios = ratios(&rounds.quiet_p99, &rounds.beside_p99);
    let once = |name, figure| Column { name, unit: " MB", rounds: vec![figure] };
    vec![
        Column { name: "p99 alone", unit: " µs", rounds: rounds.quiet_p99 },
        Column { name: "beside", unit: " µs", rounds: rounds.beside_p99 },
        Column { name: "ratio", unit: "", rounds: ratios },
        Column { name: "calls", unit: "/s", rounds: rounds.calls_per_second },
        once("before", before),
        once("after", after),
        once("without it", without),
    ]
}

/// Of the same round: what disturbs one half disturbs the other.
fn ratios(quiet: &[f64], beside: &[f64]) -> Vec<f64> {
    quiet.iter().zip(beside).map(|(quiet, beside)| beside / quiet).collect()
}

/// The neighbour's p99 in microseconds, of requests that come at a fixed pace
/// whether or not those before have been answered.
fn neighbour_p99(host: &HostProcess, time: Duration) -> Measured<f64> {
    let latencies = latencies(host.services, NEIGHBOUR_PATH, NEIGHBOUR, time)?;
    Ok(quantile(&latencies, 0.99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_the_same_round() {
        let rounds = Rounds {
            quiet_p99: vec![100.0, 200.0],
            beside_p99: vec![300.0, 200.0],
            calls_per_second: vec![1.0, 2.0],
        };
        let columns = columns(rounds, [1.0, 2.0, 3.0]);
        let ratio = columns.iter().find(|column| column.name == "ratio").unwrap();
        assert_eq!(ratio.rounds, [3.0, 1.0]);
    }

    #[test]
    fn a_small_run_has_a_row_for_each_fixture_of_the_name() {
        let plan = Plan { rounds: 1, half: Duration::from_millis(100) };
        measure(&plan, "panic").unwrap().check_rows(2, 1);
    }

    #[test]
    fn fixtures_have_names_of_their_own() {
        let mut names: Vec<_> = FIXTURES.iter().map(|fixture| fixture.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FIXTURES.len());
    }
}
