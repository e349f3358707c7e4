//! From the file's close to the first answer of the new revision.

use crate::Measured;
use crate::callers::{Ask, Callers};
use crate::connection::Connection;
use crate::figures::quantile;
use crate::files::{distinct, guest, replaced, root, state};
use crate::process::Cores;
use crate::report::{Column, Report};
use crate::spawned::Spawned;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How much is measured.
pub(crate) struct Plan {
    swaps: usize,
    /// Of the large module.
    large_swaps: usize,
}

/// One row: what is swapped, how, and beside what load.
struct Case {
    name: &'static str,
    guest: Guest,
    manifest: &'static str,
    source: Source,
    load: Option<Callers>,
}

#[derive(Clone, Copy, PartialEq)]
enum Guest {
    /// 98 kB.
    Calc,
    /// 13 MB.
    JavaScript,
}

/// Where the code of the new revision comes from.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    /// Every build is one that nobody has seen.
    Compiled,
    /// Two builds take turns.
    Cached,
}

const CASES: [Case; 12] = [
    Case::calc("compiled", Source::Compiled, None),
    Case::calc("fast reload", Source::Compiled, None).fast(),
    Case::calc("from the cache", Source::Cached, None),
    Case::calc("compiled, under load", Source::Compiled, Some(STEADY)),
    Case::calc("fast reload, under load", Source::Compiled, Some(STEADY)).fast(),
    Case::calc("from the cache, under load", Source::Cached, Some(STEADY)),
    Case::calc("compiled, saturated", Source::Compiled, Some(SATURATED)),
    Case::calc("fast reload, saturated", Source::Compiled, Some(SATURATED)).fast(),
    Case::calc("from the cache, saturated", Source::Cached, Some(SATURATED)),
    Case::large("JavaScript, fast reload", None).fast(),
    Case::large("JavaScript from the cache", None),
    Case::large("JavaScript from the cache, under load", Some(STEADY_LARGE)),
];

/// Some 7,000 requests a second.
const STEADY: Callers = Callers { connections: 16, pause: Duration::from_millis(2), asks: &[ADD] };

/// As many as the cores can do.
const SATURATED: Callers = Callers { connections: 32, pause: Duration::ZERO, asks: &[ADD] };

/// Some 400 requests a second.
const STEADY_LARGE: Callers =
    Callers { connections: 8, pause: Duration::from_millis(20), asks: &[HELLO] };

/// Either build of calc answers this, each in its own words.
pub(crate) const ADD: Ask = Ask {
    path: "/api/add/40/2",
    every: 1,
    status: 200,
    bodies: &[
        r#"{"message":"Hello 🌍","from":"pico","result":42}"#,
        r#"{"message":"Hello 🌍","from":"pico2","result":42}"#,
    ],
};

const HELLO: Ask = Ask {
    path: "/hello-js",
    every: 1,
    status: 200,
    bodies: &["Hello from JavaScript at /", "Hallo from JavaScript at /"],
};

/// How long a revision may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at who answers. To ask without a pause would take a whole
/// core from those who compile.
const GLANCE: Duration = Duration::from_micros(250);

impl Plan {
    pub(crate) const FULL: Self = Self { swaps: 100, large_swaps: 20 };
}

pub(crate) fn measure(plan: &Plan) -> Measured<Report> {
    let Plan { swaps, large_swaps } = plan;
    let title = format!(
        "close of the file -> first answer of the new revision, all cores, {swaps} swaps of \
         calc.wasm, {large_swaps} of hello-js.wasm"
    );
    let mut report = Report::new("swap", title);
    let fresh = TempDir::new_in(root().join("target"))?;
    for case in &CASES {
        let count = if case.guest == Guest::Calc { *swaps } else { *large_swaps };
        if 0 < count {
            // All of them take minutes.
            eprintln!("  {}", case.name);
            let rounds = case.measure(count, fresh.path())?;
            let p95 = vec![quantile(&rounds, 0.95)];
            let median = Column { name: "median", unit: " ms", rounds };
            report.add(case.name, vec![median, Column { name: "p95", unit: " ms", rounds: p95 }]);
        }
    }
    Ok(report)
}

impl Case {
    const fn calc(name: &'static str, source: Source, load: Option<Callers>) -> Self {
        Self { name, guest: Guest::Calc, manifest: "", source, load }
    }

    const fn large(name: &'static str, load: Option<Callers>) -> Self {
        let (guest, source) = (Guest::JavaScript, Source::Cached);
        Self { name, guest, manifest: "", source, load }
    }

    /// The same of builds that nobody has seen, whose quick code answers.
    const fn fast(self) -> Self {
        Self { manifest: "fast_reload = true", source: Source::Compiled, ..self }
    }

    /// The times of so many swaps, in milliseconds.
    fn measure(&self, count: usize, fresh: &Path) -> Measured<Vec<f64>> {
        let folder = TempDir::new()?;
        let builds = self.guest.builds()?;
        let name = self.guest.name();
        if !self.manifest.is_empty() {
            fs::write(folder.path().join(format!("{name}.toml")), self.manifest)?;
        }
        // Compiling the large one twice for every run would take long.
        let state = if self.guest == Guest::Calc { fresh } else { &state() };
        let (host, _) = Spawned::start(folder.path(), state, Cores::All, PATIENCE)?;
        let mut swapper = Swapper::new(&host, folder.path(), name, self.guest.ask().path)?;
        for (build, mark) in &builds {
            swapper.swap(build, mark)?;
        }
        let calling = self.load.map(|load| load.start(host.address));
        let mut times = Vec::with_capacity(count);
        for (swap, (build, mark)) in builds.iter().cycle().take(count).enumerate() {
            let unseen = distinct(build, &format!("{} {swap}", self.name));
            let build = if self.source == Source::Compiled { &unseen } else { build };
            times.push(swapper.swap(build, mark)?.as_secs_f64() * 1e3);
        }
        if let Some(calling) = calling {
            calling.end()?.check()?;
        }
        Ok(times)
    }
}

impl Guest {
    const fn name(self) -> &'static str {
        match self {
            Self::Calc => "calc",
            Self::JavaScript => "hello-js",
        }
    }

    const fn ask(self) -> Ask {
        match self {
            Self::Calc => ADD,
            Self::JavaScript => HELLO,
        }
    }

    /// Two builds, each with a text that only its answers have.
    fn builds(self) -> Measured<[(Vec<u8>, &'static str); 2]> {
        let first = guest(self.name())?;
        Ok(match self {
            Self::Calc => [(first, "\"pico\""), (guest("calc2")?, "\"pico2\"")],
            Self::JavaScript => {
                // The text lies in the module as the engine has read it.
                let (text, with) = ("Hello from JavaScript", "Hallo from JavaScript");
                let second = replaced(&first, text, with);
                [(first, "Hello from"), (second, "Hallo from")]
            }
        })
    }
}

/// Replaces one module of a host.
pub(crate) struct Swapper {
    file: PathBuf,
    connection: Connection,
    path: &'static str,
}

impl Swapper {
    pub(crate) fn new(
        host: &Spawned,
        folder: &Path,
        name: &str,
        path: &'static str,
    ) -> Measured<Self> {
        let file = folder.join(format!("{name}.wasm"));
        Ok(Self { file, connection: Connection::open(host.address)?, path })
    }

    /// Replaces the module and waits for an answer that has a mark. Tells how
    /// long that took from the close of the file.
    pub(crate) fn swap(&mut self, build: &[u8], mark: &str) -> Measured<Duration> {
        fs::write(&self.file, build)?;
        let closed = Instant::now();
        loop {
            let answer = self.connection.get(self.path)?;
            if String::from_utf8_lossy(&answer.body).contains(mark) {
                return Ok(closed.elapsed());
            }
            if PATIENCE < closed.elapsed() {
                return Err(format!("{mark} does not answer after {PATIENCE:?}").into());
            }
            thread::sleep(GLANCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_row() {
        measure(&Plan { swaps: 2, large_swaps: 0 }).unwrap().check_rows(9, 2);
    }
}
