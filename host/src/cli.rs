//! The command line: reads flags, environment and files, and prints.
//!
//! Results go to standard output, everything else to standard error. Exit
//! codes: 0 done, 1 failed, 2 wrong usage or settings.

mod args;
mod build;
mod call;
mod deploy;
mod dev;
mod events;
mod inspect;
mod link;
mod logs;
mod new;
mod project;
mod records;
mod remote;
mod serve;
mod services;
mod shell;
mod supervisor;
mod table;
mod top;
mod traces;

use crate::engine::{Tier, worker_main};
use args::{Arguments, Command};
use clap::Parser;
use std::io::{ErrorKind, IsTerminal, Read, Write};
use std::process::ExitCode;

/// Why a command failed. It is printed and gives the exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command did not do what it was asked.
    Failed(String),
    /// It was asked in a way that cannot be done; one line for each complaint.
    Usage(Vec<String>),
}

impl Failure {
    #[allow(clippy::needless_pass_by_value, reason = "made for map_err")]
    fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Serve(serve) => serve::serve(serve),
        Command::New(new) => new::new(&new),
        Command::Build(args) => build::build(&args),
        Command::Dev(args) => dev::dev(args),
        Command::Inspect(inspect) => inspect::inspect(&inspect),
        Command::Services(command) => services::services(&command),
        Command::Top(command) => top::top(&command),
        Command::Service(command) => services::service(&command),
        Command::Rollback(command) => remote::rollback(&command),
        Command::Deploy(command) => deploy::deploy(&command),
        Command::Remove(command) => deploy::remove(&command),
        Command::Restart(command) => deploy::restart(&command),
        Command::Register(command) => records::register(&command),
        Command::Unregister(command) => records::unregister(&command),
        Command::Call(command) => call::call(&command),
        Command::Publish(command) => events::publish(&command),
        Command::Subscribe(command) => events::subscribe(&command),
        Command::Logs(command) => logs::logs(&command),
        Command::Traces(command) => traces::traces(&command),
        Command::Health(command) => remote::health(&command),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::CompileWorker { mib_max, seconds_max, baseline } => {
            let tier = if baseline { Tier::Baseline } else { Tier::Optimized };
            return worker_main(mib_max, seconds_max, tier);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(reason)) => {
            complain(&format!("error: {reason}"));
            ExitCode::from(1)
        }
        Err(Failure::Usage(complaints)) => {
            for complaint in complaints {
                complain(&format!("error: {complaint}"));
            }
            ExitCode::from(2)
        }
    }
}

/// Prints a line of a result.
pub(crate) fn print(line: &str) {
    write_out(format!("{line}\n").as_bytes());
}

/// Writes a part of a result. A reader that has gone away ends the process
/// quietly, as `cat` does; any other failure is one of the command.
fn write_out(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        if error.kind() == ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        complain(&format!("error: the result cannot be written: {error}"));
        std::process::exit(1);
    }
}

/// What is in a file, or comes by standard input where that is named by `-`.
fn read(file: &str) -> std::io::Result<Vec<u8>> {
    if file != "-" {
        return std::fs::read(file);
    }
    let mut read = Vec::new();
    std::io::stdin().read_to_end(&mut read)?;
    Ok(read)
}

/// Tells whoever waits for the command how it goes.
fn tell(line: &str) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The same about what went wrong.
fn complain(line: &str) {
    match line.strip_prefix("error: ") {
        Some(text) if is_coloured(&std::io::stderr()) => {
            tell(&format!("\x1b[1;31merror:\x1b[0m {text}"));
        }
        _ => tell(line),
    }
}

/// Whether what is written there may have colours: a terminal, and nobody has
/// said no.
fn is_coloured(stream: &impl IsTerminal) -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
    stream.is_terminal() && !is_unwanted
}

#[cfg(test)]
mod deployed;
#[cfg(test)]
mod documented;
