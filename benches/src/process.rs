//! A program as a process of its own. It is killed when it is dropped, and by
//! the kernel when the process that started it is gone.

use crate::Measured;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a program may run.
#[derive(Clone, Copy)]
pub(crate) enum Cores {
    One(usize),
    All,
}

/// A running program.
pub(crate) struct Process {
    child: Child,
    stderr: Option<BufReader<ChildStderr>>,
    refusals: Lines,
    errors: Lines,
}

/// Lines that a program has written.
type Lines = Arc<Mutex<Vec<String>>>;

/// What a program has of the machine.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// Memory that is resident, shared pages counted in full.
    pub(crate) rss_mb: f64,
    /// The same, shared pages counted in proportion.
    pub(crate) pss_mb: f64,
    pub(crate) files: usize,
    pub(crate) threads: usize,
}

/// CPU time that a program has used.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) user_micros: f64,
    pub(crate) kernel_micros: f64,
}

/// Ticks of `/proc/PID/stat` in a second, which the kernel's ABI fixes.
const TICKS_PER_SECOND: f64 = 100.0;

/// Lines that are kept to be shown.
const LINES_MAX: usize = 10;

/// A command that runs on these cores.
pub(crate) fn command(cores: Cores, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Cores::One(core) = cores {
        command.args(["taskset", "-c", &core.to_string()]);
    }
    // A backtrace for every store that is dropped is not what is measured.
    command.arg(program).env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Measured<Self> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().map(BufReader::new);
        Ok(Self { child, stderr, refusals: Lines::default(), errors: Lines::default() })
    }

    /// What follows this text in the first line of standard error that has it.
    pub(crate) fn line_after(&mut self, before: &str) -> Measured<String> {
        let mut seen = String::new();
        let stderr = self.stderr.as_mut().ok_or("standard error is read already")?;
        loop {
            let from = seen.len();
            if stderr.read_line(&mut seen)? == 0 {
                return Err(format!("the program ended without {before:?}:\n{seen}").into());
            }
            let line = seen.get(from..).unwrap_or_default();
            if let Some((_, after)) = line.split_once(before) {
                return Ok(after.trim().to_owned());
            }
        }
    }

    /// Reads the rest of standard error, so that the program never waits for
    /// room, and keeps what says that something was refused or went wrong.
    pub(crate) fn drain(&mut self) {
        let Some(stderr) = self.stderr.take() else { return };
        let (refusals, errors) = (self.refusals.clone(), self.errors.clone());
        std::thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                let lines = if line.starts_with("refused ") { &refusals } else { &errors };
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() < LINES_MAX {
                    lines.push(line.into_owned());
                }
            }
        });
    }

    /// The first refusals that the program has told.
    pub(crate) fn refusals(&self) -> Vec<String> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first lines of all else: state lines, and errors that it has logged.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// CPU time it has used, in microseconds, to 10 ms.
    pub(crate) fn cpu_micros(&self) -> Measured<f64> {
        let cpu = self.cpu()?;
        Ok(cpu.user_micros + cpu.kernel_micros)
    }

    /// The same by where it was used.
    pub(crate) fn cpu(&self) -> Measured<Cpu> {
        let stat = fs::read_to_string(self.proc("stat"))?;
        // The name in parentheses may hold anything.
        let (_, fields) = stat.rsplit_once(") ").ok_or("stat has no name")?;
        let mut ticks = fields.split(' ').skip(11);
        let mut micros = || -> Measured<f64> {
            let ticks: f64 = ticks.next().ok_or("stat is too short")?.parse()?;
            Ok(ticks / TICKS_PER_SECOND * 1e6)
        };
        Ok(Cpu { user_micros: micros()?, kernel_micros: micros()? })
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn usage(&self) -> Measured<Usage> {
        let rollup = fs::read_to_string(self.proc("smaps_rollup"))?;
        let mb = |name: &str| -> Measured<f64> {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|line| line.split_whitespace().next());
            Ok(kib.ok_or("smaps_rollup lacks a line")?.parse::<f64>()? * 1024.0 / 1e6)
        };
        Ok(Usage {
            rss_mb: mb("Rss:")?,
            pss_mb: mb("Pss:")?,
            files: fs::read_dir(self.proc("fd"))?.count(),
            threads: fs::read_dir(self.proc("task"))?.count(),
        })
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_looked_at_and_killed() {
        let mut sleeping = command(Cores::All, "sh");
        sleeping.args(["-c", "echo at 5 >&2; echo refused a >&2; exec sleep 60"]);
        let mut sleeping = Process::start(&mut sleeping).unwrap();
        assert_eq!(sleeping.line_after("at ").unwrap(), "5");
        sleeping.drain();
        while sleeping.refusals().is_empty() {}
        let usage = sleeping.usage().unwrap();
        assert!(0.0 < usage.rss_mb && usage.pss_mb <= usage.rss_mb);
        assert!(2 < usage.files && usage.threads == 1);
        assert!(0.0 <= sleeping.cpu_micros().unwrap());
        let proc = sleeping.proc("stat");
        drop(sleeping);
        assert!(!std::path::Path::new(&proc).exists());
    }
}
