//! A long run of requests, swaps and traps, after which the host must be as it
//! was: every answer right, no more memory, files and tasks than before.

use crate::Measured;
use crate::callers::{Ask, Callers, Calling};
use crate::figures::{median, quantile};
use crate::files::{distinct, guest, put, root};
use crate::machine::SERVER_CORE;
use crate::process::{Cores, Usage};
use crate::ready::wait_until;
use crate::report::{Column, Report};
use crate::spawned::Spawned;
use crate::swap::{ADD, Swapper};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    requests: u64,
    swaps: u64,
    /// Memory at the end, of that after a twentieth.
    memory_ratio_max: f64,
}

impl Plan {
    pub(crate) const FULL: Self =
        Self { requests: 1_000_000, swaps: 1_000, memory_ratio_max: 1.05 };
}

const CALLERS: Callers = Callers { connections: 16, pause: Duration::ZERO, asks: &ASKS };

/// The first kind whose turn it is.
const ASKS: [Ask; 4] = [
    Ask { path: "/misbehaves/panic", every: 1_000, status: 500, bodies: &["{\"error\":"] },
    Ask {
        path: "/greeter-api/say/hello?name=John",
        every: 50,
        status: 200,
        bodies: &[r#"{"message":"Hello John"}"#],
    },
    Ask { path: "/nowhere", every: 49, status: 404, bodies: &["{\"error\":"] },
    ADD,
];

const GUESTS: [&str; 4] = ["calc", "greeter", "greeter-api", "misbehaves"];

/// Of so many swaps one is of a build that nobody has seen.
const UNSEEN_EVERY: u64 = 20;

/// How long the next share of requests may take, and the host to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let (folder, state) = (TempDir::new()?, TempDir::new_in(root().join("target"))?);
    for name in GUESTS {
        put(folder.path(), name, &guest(name)?, "")?;
    }
    let core = Cores::One(SERVER_CORE);
    let (host, _) = Spawned::start(folder.path(), state.path(), core, PATIENCE)?;
    let mut run = Run { plan, host: &host, early: None, times: Vec::new() };
    let start = (host.process.usage()?, host.tasks()?);
    let began = Instant::now();
    let calling = CALLERS.start(host.address);
    run.swap_along(&calling, folder.path())?;
    let late = settled(&host)?;
    let tally = calling.end()?;
    let took = began.elapsed();
    let rested = wait_until("the host to rest", PATIENCE, || {
        let now = host.process.usage().map(|usage| usage.files);
        now.is_ok_and(|now| now <= start.0.files)
            && host.tasks().is_ok_and(|tasks| tasks <= start.1)
    });
    let end = (host.process.usage()?, host.tasks()?);

    let Plan { requests, swaps, memory_ratio_max } = plan;
    let title = format!("{requests} requests, {swaps} swaps, one trap in 1,000, in {took:.0?}");
    let mut report = Report::new("soak", title);
    let early = run.early.unwrap_or(start.0);
    let ratio = late.rss_mb / early.rss_mb;
    let figures = [("at 5%", early.rss_mb), ("at the end", late.rss_mb), ("ratio", ratio)];
    report.add("resident MB", columns(&figures));
    report.add("PSS MB", columns(&[("at 5%", early.pss_mb), ("at the end", late.pss_mb)]));
    report.add("files", before_after([start.0.files, end.0.files].map(count)));
    report.add("tasks", before_after([start.1, end.1]));
    report.add("threads", before_after([start.0.threads, end.0.threads].map(count)));
    let answered = count(usize::try_from(tally.answered)?);
    let failed = count(usize::try_from(tally.failed)?);
    report.add("requests", columns(&[("answered", answered), ("failed", failed)]));
    let (middle, p95) = (median(&run.times), quantile(&run.times, 0.95));
    report.add("swap ms", columns(&[("median", middle), ("p95", p95)]));

    if let Err(error) = tally.check() {
        report.note_broken(error.to_string());
    }
    if *memory_ratio_max < ratio {
        report.note_broken(format!("memory grew to {ratio:.3} of that after 5%"));
    }
    if let Err(error) = rested {
        report.note_broken(format!("{error}: files or tasks are left"));
    }
    for refusal in host.process.refusals() {
        report.note_broken(refusal);
    }
    Ok(report)
}

/// A soak under way.
struct Run<'a> {
    plan: &'a Plan,
    host: &'a Spawned,
    /// After a twentieth of all.
    early: Option<Usage>,
    /// Of the swaps, in milliseconds.
    times: Vec<f64>,
}

impl Run<'_> {
    /// Swaps along with the requests, one every so many.
    fn swap_along(&mut self, calling: &Calling, folder: &std::path::Path) -> Measured {
        let Plan { requests, swaps, .. } = *self.plan;
        let builds = [(guest("calc2")?, "\"pico2\""), (guest("calc")?, "\"pico\"")];
        let mut swapper = Swapper::new(self.host, folder, "calc", "/api/add/40/2")?;
        for (swap, (build, mark)) in (1..=swaps).zip(builds.iter().cycle()) {
            wait_for(calling, requests * swap / swaps)?;
            let unseen = distinct(build, &format!("{swap}"));
            let build = if swap.is_multiple_of(UNSEEN_EVERY) { &unseen } else { build };
            self.times.push(swapper.swap(build, mark)?.as_secs_f64() * 1e3);
            if swap == swaps.div_ceil(20) {
                self.early = Some(settled(self.host)?);
            }
            if swap.is_multiple_of(swaps.div_ceil(10)) {
                let (answered, mb) = (calling.answered(), self.host.process.usage()?.rss_mb);
                println!("  {answered} requests, {swap} swaps, {mb:.1} MB");
            }
        }
        wait_for(calling, requests)
    }
}

fn wait_for(calling: &Calling, answered: u64) -> Measured {
    let what = format!("request {answered}");
    wait_until(&what, PATIENCE, || answered <= calling.answered())
}

/// The middle of some looks, a second in all.
fn settled(host: &Spawned) -> Measured<Usage> {
    let mut looks = Vec::new();
    for _ in 0..11 {
        looks.push(host.process.usage()?);
        std::thread::sleep(Duration::from_millis(90));
    }
    looks.sort_by(|one, other| one.rss_mb.total_cmp(&other.rss_mb));
    Ok(*looks.get(looks.len() / 2).ok_or("there was no look")?)
}

fn columns(figures: &[(&'static str, f64)]) -> Vec<Column> {
    let column = |(name, figure): &(&'static str, f64)| {
        let rounds = vec![*figure];
        Column { name, unit: "", rounds }
    };
    figures.iter().map(column).collect()
}

fn before_after([before, after]: [f64; 2]) -> Vec<Column> {
    columns(&[("at the start", before), ("at the end", after)])
}

#[allow(clippy::cast_precision_loss, reason = "counts of files and requests fit")]
fn count(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        let plan = Plan { requests: 2_000, swaps: 4, memory_ratio_max: f64::INFINITY };
        measure(&plan).unwrap().check_rows(7, 1);
    }
}
