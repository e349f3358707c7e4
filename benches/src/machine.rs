//! The machine that measures, and how busy it is.

use crate::Measured;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs;

/// The core that serves, and the one that asks.
pub(crate) const SERVER_CORE: usize = 0;
pub(crate) const LOAD_CORE: usize = 1;

/// Prints cores, kernel and load.
pub(crate) fn print() -> Measured {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!("machine: {cores} cores, kernel {}, load {}", kernel.trim(), load.trim());
    Ok(())
}

/// Binds the calling thread, and those it starts from now on, to a core.
pub(crate) fn pin(core: usize) -> Measured {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None::<Pid>, &cores)?;
    Ok(())
}

/// CPU time this process has used, in microseconds.
pub(crate) fn cpu_micros() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[allow(clippy::cast_precision_loss, reason = "seconds and nanoseconds fit")]
    let micros = time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3;
    micros
}
