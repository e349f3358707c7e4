//! Compiling, in a child process of this binary.
//!
//! The child bounds its own memory, time and priority first thing, so that a
//! module made to be slow or large to compile costs the host nothing but a
//! refusal, and no memory stays behind in the host.

use super::artifact::{self, Trusted};
use super::config;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// The hidden command by which the binary becomes the compiler.
pub(crate) const COMMAND: &str = "compile-worker";

/// Why a module was not compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    #[error("compiling takes longer than {ms} ms")]
    TooSlow { ms: u64 },
    #[error("{reason}")]
    Refused { reason: String },
    #[error("compiling needs more than {mib} MiB of memory")]
    TooLarge { mib: u64 },
    #[error("the compiler process cannot be run")]
    Spawn(#[source] std::io::Error),
}

impl CompileError {
    /// Whether the same module may compile when it is tried again.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Spawn(_))
    }
}

/// How compiles are run.
#[derive(Clone, Debug)]
pub(crate) struct Compiler {
    /// The binary to run.
    pub program: PathBuf,
    /// Time for one compile.
    pub ms_max: u64,
    /// Address space of one compile.
    pub mib_max: u64,
}

impl Compiler {
    /// Compiles a component.
    pub(super) async fn compile(&self, component: &[u8]) -> Result<Trusted, CompileError> {
        let time = Duration::from_millis(self.ms_max);
        match tokio::time::timeout(time, self.run(component)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(CompileError::TooSlow { ms: self.ms_max }),
        }
    }

    async fn run(&self, component: &[u8]) -> Result<Trusted, CompileError> {
        let mut child = Command::new(&self.program)
            .arg(COMMAND)
            .arg(self.mib_max.to_string())
            .arg(self.ms_max.div_ceil(1_000).to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(CompileError::Spawn)?;
        let mut input = child.stdin.take();
        let mut output = child.stdout.take();
        let mut errors = child.stderr.take();
        let (mut compiled, mut complaint) = (Vec::new(), String::new());
        let feed = async {
            if let Some(mut input) = input.take() {
                // A child that fails early closes its end; its exit tells why.
                let _ = input.write_all(component).await;
            }
        };
        let read = async {
            if let Some(output) = output.as_mut() {
                let _ = output.read_to_end(&mut compiled).await;
            }
        };
        let read_errors = async {
            if let Some(errors) = errors.as_mut() {
                let _ = errors.take(4_096).read_to_string(&mut complaint).await;
            }
        };
        tokio::join!(feed, read, read_errors);
        let status = child.wait().await.map_err(CompileError::Spawn)?;
        if status.success() {
            return Ok(Trusted::from_compiler(compiled));
        }
        Err(self.explain(status.code(), complaint.trim()))
    }

    fn explain(&self, code: Option<i32>, complaint: &str) -> CompileError {
        match code {
            Some(1) => CompileError::Refused { reason: one_line(complaint) },
            // Killed: the bound on CPU time sends SIGXCPU, a failed allocation
            // aborts.
            None if complaint.contains("allocation") => {
                CompileError::TooLarge { mib: self.mib_max }
            }
            None if complaint.is_empty() => CompileError::TooSlow { ms: self.ms_max },
            _ => CompileError::Refused { reason: one_line(complaint) },
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The compiler process: a component on stdin, compiled code on stdout, a
/// complaint on stderr.
pub(crate) fn worker_main(mib_max: u64, seconds_max: u64) -> ExitCode {
    bound_self(mib_max, seconds_max);
    let mut component = Vec::new();
    if std::io::stdin().lock().read_to_end(&mut component).is_err() {
        return ExitCode::from(2);
    }
    let compiled = match config::compiler_engine() {
        Ok(engine) => artifact::compile(&engine, &component),
        Err(error) => Err(error),
    };
    let sent = match compiled {
        Ok(compiled) => {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&compiled).and_then(|()| stdout.flush())
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error:#}");
            return ExitCode::from(1);
        }
    };
    if sent.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn bound_self(mib_max: u64, seconds_max: u64) {
    let bounds = [
        (Resource::As, mib_max << 20),
        (Resource::Cpu, seconds_max.saturating_mul(2).max(1)),
        (Resource::Core, 0),
    ];
    for (resource, bound) in bounds {
        // A bound that cannot be set leaves the host's own timeout.
        let _ = setrlimit(resource, Rlimit { current: Some(bound), maximum: Some(bound) });
    }
    let _ = rustix::process::nice(5);
}
