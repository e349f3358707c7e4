//! A host as a process of its own.

use crate::Measured;
use crate::connection::Connection;
use crate::files::program;
use crate::process::{Cores, Process, command};
use crate::ready::{status, wait_until};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A running host.
pub(crate) struct Spawned {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Spawned {
    /// Starts the binary over a folder and waits until it is ready; also tells
    /// how long that took.
    pub(crate) fn start(
        folder: &Path,
        state: &Path,
        cores: Cores,
        patience: Duration,
    ) -> Measured<(Self, Duration)> {
        let mut command = command(cores, program()?);
        Self::begin(&mut command, folder, state, patience)
    }

    /// The same by a program that runs others.
    pub(crate) fn start_by(
        mut runner: Command,
        folder: &Path,
        state: &Path,
        patience: Duration,
    ) -> Measured<(Self, Duration)> {
        Self::begin(runner.arg(program()?), folder, state, patience)
    }

    fn begin(
        command: &mut Command,
        folder: &Path,
        state: &Path,
        patience: Duration,
    ) -> Measured<(Self, Duration)> {
        let started = Instant::now();
        command.arg("serve").arg(folder).arg("--state").arg(state);
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let mut process = Process::start(command.env("PICOLET_LOG__FILTER", "error"))?;
        let address = process.line_after("listening services ")?.parse()?;
        let admin = process.line_after("listening admin ")?.parse()?;
        process.drain();
        wait_until("the host", patience, || status(admin, "/readyz") == Some(200))?;
        let took = started.elapsed();
        let refusals = process.refusals();
        if !refusals.is_empty() {
            return Err(refusals.join("\n").into());
        }
        Ok((Self { process, address, admin }, took))
    }

    /// How many tasks the host counts: connections, streams, loads, drains.
    pub(crate) fn tasks(&self) -> Measured<f64> {
        Connection::open(self.admin)?.metric("picolet_tasks")
    }
}
