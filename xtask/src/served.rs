//! A host that a command starts, asks and stops.

use crate::shell::{Step, command, run};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything is waited for. A first start compiles all there is.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running host. It is killed when it is dropped.
pub(crate) struct Served {
    child: Child,
    lines: Receiver<String>,
    /// Where its services listen.
    pub(crate) services: String,
    /// Where its admin side listens.
    pub(crate) admin: String,
}

impl Served {
    /// Runs the command, which becomes a host, and waits until it is ready.
    pub(crate) fn start(mut command: Command) -> Step<Self> {
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the host cannot be started: {error}"))?;
        let stderr = child.stderr.take().ok_or("the host has no standard error")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("| {line}");
                // It is read to its end, whether or not anybody waits for a line.
                let _ = sender.send(line);
            }
        });
        let mut served = Self { child, lines, services: String::new(), admin: String::new() };
        served.services = served.says("listening services ")?;
        served.admin = served.says("listening admin ")?;
        served.says("ready")?;
        Ok(served)
    }

    /// Waits for a line that begins so, and gives the rest of it.
    pub(crate) fn says(&self, beginning: &str) -> Step<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(rest) = line.strip_prefix(beginning) {
                        return Ok(rest.to_owned());
                    }
                }
                Err(_) => return Err(format!("the host does not say {beginning:?}")),
            }
        }
    }

    /// Asks a service, which must answer with this in its body.
    pub(crate) fn answers(&self, path: &str, expected: &str) -> Step {
        let failed = |error: std::io::Error| format!("{}{path}: {error}", self.services);
        let mut stream = TcpStream::connect(&self.services).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let host = &self.services;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        let is_meant = answer.starts_with("HTTP/1.1 200") && answer.contains(expected);
        if is_meant { Ok(()) } else { Err(format!("{path} is answered by:\n{answer}")) }
    }

    /// Stops it, which it must do in order.
    pub(crate) fn stop(mut self) -> Step {
        run(&mut command("kill", &["-TERM", &self.child.id().to_string()]))?;
        self.says("stopped")?;
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the host ended with {status}")),
            Err(error) => Err(format!("the host cannot be waited for: {error}")),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
