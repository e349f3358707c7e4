//! The machine that measures, and how busy it is.

use crate::Measured;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::ClockId;
use std::fs;

/// The core that serves, and the one that asks.
pub(crate) const SERVER_CORE: usize = 0;
pub(crate) const LOAD_CORE: usize = 1;

/// What figures depend on.
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// Averages of 1, 5 and 15 minutes.
    pub(crate) load: String,
}

impl Machine {
    /// The machine as it is now.
    pub(crate) fn look() -> Measured<Self> {
        let load = fs::read_to_string("/proc/loadavg")?;
        let cpus = fs::read_to_string("/proc/cpuinfo")?;
        Ok(Self {
            // Of the machine: a benching thread is pinned to one of them.
            cores: cpus.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
        })
    }

    /// Prints cores, kernel and load.
    pub(crate) fn print(&self) {
        println!("machine: {} cores, kernel {}, load {}", self.cores, self.kernel, self.load);
    }
}

/// Binds the calling thread, and those it starts from now on, to a core.
pub(crate) fn pin(core: usize) -> Measured {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None::<Pid>, &cores)?;
    Ok(())
}

/// Lets the calling thread run on every core again.
pub(crate) fn unpin() -> Measured {
    let mut cores = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|core| cores.set(core));
    sched_setaffinity(None::<Pid>, &cores)?;
    Ok(())
}

/// CPU time this process has used, in microseconds.
pub(crate) fn cpu_micros() -> f64 {
    micros(ClockId::ProcessCPUTime)
}

/// CPU time this thread has used, in microseconds.
pub(crate) fn thread_micros() -> f64 {
    micros(ClockId::ThreadCPUTime)
}

fn micros(clock: ClockId) -> f64 {
    let time = rustix::time::clock_gettime(clock);
    #[allow(clippy::cast_precision_loss, reason = "seconds and nanoseconds fit")]
    let micros = time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3;
    micros
}
