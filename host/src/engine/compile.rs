//! Compiling, in a child process of this binary.
//!
//! The child bounds its own memory, time and priority first thing, so that a
//! module made to be slow or large to compile costs the host nothing but a
//! refusal, and no memory stays behind in the host. A compile that takes long
//! is stopped for a while when others wait, so it holds up nobody.

use super::artifact::{self, Trusted};
use super::config;
use super::tier::Tier;
use crate::lane::Lane;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

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

/// A compile runs at least so long before it lets others go first.
const TURN: Duration = Duration::from_millis(100);

impl Compiler {
    /// Compiles a component, in the turns that a lane gives it.
    pub(super) async fn compile(
        &self,
        component: &[u8],
        tier: Tier,
        lane: &Lane,
    ) -> Result<Trusted, CompileError> {
        let mut place = lane.enter().await;
        let mut child = self.spawn(tier)?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let mut exchange = std::pin::pin!(exchange(&mut child, component));
        let mut left = Duration::from_millis(self.ms_max);
        let (status, compiled, complaint) = loop {
            let begun = Instant::now();
            let asked_to_wait = async {
                sleep(TURN).await;
                place.wanted().await;
            };
            tokio::select! {
                done = &mut exchange => break done.map_err(CompileError::Spawn)?,
                () = sleep(left) => return Err(CompileError::TooSlow { ms: self.ms_max }),
                () = asked_to_wait => (),
            }
            left = left.saturating_sub(begun.elapsed());
            send(pid, Signal::STOP);
            drop(place);
            place = lane.enter_last().await;
            send(pid, Signal::CONT);
        };
        if status.success() {
            return Ok(Trusted::from_compiler(compiled));
        }
        Err(self.explain(status.code(), complaint.trim()))
    }

    fn spawn(&self, tier: Tier) -> Result<Child, CompileError> {
        Command::new(&self.program)
            .arg(COMMAND)
            .arg(self.mib_max.to_string())
            .arg(self.ms_max.div_ceil(1_000).to_string())
            .args((tier == Tier::Baseline).then_some("--baseline"))
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(CompileError::Spawn)
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

/// Feeds the child and takes what it hands back, until it has exited.
async fn exchange(
    child: &mut Child,
    component: &[u8],
) -> std::io::Result<(ExitStatus, Vec<u8>, String)> {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut compiled, mut complaint) = (Vec::new(), String::new());
    let feed = async {
        if let Some(mut input) = input {
            // A child that fails early closes its end; its exit tells why.
            let _ = input.write_all(component).await;
        }
    };
    let read = async {
        if let Some(mut output) = output {
            let _ = output.read_to_end(&mut compiled).await;
        }
    };
    let read_errors = async {
        if let Some(errors) = errors {
            let _ = errors.take(4_096).read_to_string(&mut complaint).await;
        }
    };
    tokio::join!(feed, read, read_errors);
    Ok((child.wait().await?, compiled, complaint))
}

fn send(to: Option<Pid>, signal: Signal) {
    if let Some(to) = to {
        // One that has exited by now needs no signal.
        let _ = kill_process(to, signal);
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The compiler process: a component on stdin, compiled code on stdout, a
/// complaint on stderr.
pub(crate) fn worker_main(mib_max: u64, seconds_max: u64, tier: Tier) -> ExitCode {
    bound_self(mib_max, seconds_max);
    let mut component = Vec::new();
    if std::io::stdin().lock().read_to_end(&mut component).is_err() {
        return ExitCode::from(2);
    }
    let compiled = match config::compiler_engine(tier) {
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
    // One that is stopped would outlive a host that is killed.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
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
