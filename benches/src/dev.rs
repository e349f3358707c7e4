//! A new user's way: `picolet new`, `picolet dev`, then a line is changed, from
//! its save to the changed answer; beside it what cargo takes for such a change.

use crate::Measured;
use crate::connection::Connection;
use crate::figures::median;
use crate::files::{program, root};
use crate::process::{Cores, Process, command};
use crate::ready::wait_until;
use crate::report::{Column, Report};
use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    /// Changes of a line.
    rounds: usize,
    built: Built,
    /// A change may take so much longer than cargo does for it.
    over_cargo_max: Duration,
}

/// What of the dependencies is there before the first build.
enum Built {
    Nothing,
    /// What an earlier run has left.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test measures no first build"))]
    Before,
}

impl Plan {
    pub(crate) const FULL: Self =
        Self { rounds: 9, built: Built::Nothing, over_cargo_max: Duration::from_millis(100) };
}

const PATIENCE: Duration = Duration::from_secs(300);
const PATH: &str = "/first/hello/world";
/// Stands in the answer of a project that is new.
const GREETING: &str = "Hello";

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let folder = TempDir::new()?;
    let kept = root().join("target/bench-dev");
    let target = match plan.built {
        Built::Nothing => folder.path().join("target"),
        Built::Before => kept,
    };
    let began = Instant::now();
    let served = Project::make(&folder.path().join("served"), &target.join("served"))?;
    let made = began.elapsed();
    let began = Instant::now();
    let mut dev = served.command(&program()?);
    dev.args(["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let mut process = Process::start(&mut dev)?;
    let address = process.line_after("listening services ")?.parse()?;
    process.drain();
    served.wait_for_answer(address, GREETING)?;
    let first = began.elapsed();
    let alone = Project::make(&folder.path().join("alone"), &target.join("alone"))?;
    alone.build()?;

    let (mut saved, mut built) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let greeting = format!("Greetings {round}, {GREETING}");
        let began = Instant::now();
        served.greet(&greeting)?;
        served.wait_for_answer(address, &greeting)?;
        saved.push(millis(began.elapsed()));
        alone.greet(&greeting)?;
        let began = Instant::now();
        alone.build()?;
        built.push(millis(began.elapsed()));
    }
    Ok(report(plan, [made, first], saved, built))
}

fn report(plan: &Plan, once: [Duration; 2], saved: Vec<f64>, built: Vec<f64>) -> Report {
    let Plan { rounds, over_cargo_max, .. } = plan;
    let title = format!("from nothing to an answer, then {rounds} changes of one line");
    let mut report = Report::new("dev", title);
    let time = |rounds| Column { name: "time", unit: " ms", rounds };
    let [made, first] = once.map(|once| time(vec![millis(once)]));
    report.add("picolet new", vec![made]);
    report.add("picolet dev, to the first answer", vec![first]);
    let over: Vec<f64> = saved.iter().zip(&built).map(|(saved, built)| saved - built).collect();
    let middle = median(&over);
    if millis(*over_cargo_max) < middle {
        report.note_broken(format!("a change takes {middle:.0} ms more than cargo"));
    }
    report.add("cargo build after a change", vec![time(built)]);
    let over = Column { name: "over cargo", unit: " ms", rounds: over };
    report.add("from a save to the changed answer", vec![time(saved), over]);
    report
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A project that the binary has made.
struct Project {
    folder: PathBuf,
    target: PathBuf,
    source: String,
}

impl Project {
    fn make(beside: &Path, target: &Path) -> Measured<Self> {
        fs::create_dir_all(beside)?;
        let mut new = Command::new(program()?);
        run(new.args(["new", "first"]).current_dir(beside))?;
        let folder = beside.join("first");
        let source = fs::read_to_string(folder.join("src/lib.rs"))?;
        Ok(Self { folder, target: target.to_owned(), source })
    }

    /// A command that builds there as from a shell.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = command(Cores::All, program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_") {
                command.env_remove(name);
            }
        }
        command.env("CARGO_TARGET_DIR", &self.target).env_remove("RUSTFLAGS");
        command.current_dir(&self.folder);
        command
    }

    fn build(&self) -> Measured {
        run(self.command("cargo").args(["build", "--release", "--target", "wasm32-wasip2"]))
    }

    /// Saves another greeting.
    fn greet(&self, greeting: &str) -> Measured {
        let source = self.source.replace(GREETING, greeting);
        Ok(fs::write(self.folder.join("src/lib.rs"), source)?)
    }

    fn wait_for_answer(&self, address: SocketAddr, greeting: &str) -> Measured {
        let mut connection = None;
        let mut has_answered = || {
            let open = match connection.take() {
                Some(open) => Some(open),
                None => Connection::open(address).ok(),
            };
            let Some(mut open) = open else { return false };
            let Ok(answer) = open.get(PATH) else { return false };
            connection = Some(open);
            String::from_utf8_lossy(&answer.body).contains(greeting)
        };
        wait_until(&format!("{greeting:?}"), PATIENCE, &mut has_answered)
    }
}

fn run(command: &mut Command) -> Measured {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        let over_cargo_max = Duration::MAX;
        let plan = Plan { rounds: 1, built: Built::Before, over_cargo_max };
        measure(&plan).unwrap().check_rows(4, 1);
    }
}
