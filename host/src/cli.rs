//! The command line: reads flags, environment and files, and prints.
//!
//! Results go to standard output, everything else to standard error. Exit
//! codes: 0 done, 1 failed, 2 wrong usage or settings.

mod args;
mod events;
mod inspect;
mod new;
mod remote;
mod serve;

use crate::engine::{Tier, worker_main};
use args::{Arguments, Command};
use clap::Parser;
use std::io::Write;
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
        Command::Inspect(inspect) => inspect::inspect(&inspect),
        Command::Services(command) => remote::services(&command),
        Command::Service(command) => remote::service(&command),
        Command::Rollback(command) => remote::rollback(&command),
        Command::Call(command) => remote::call(&command),
        Command::Publish(command) => events::publish(&command),
        Command::Subscribe(command) => events::subscribe(&command),
        Command::Health(command) => remote::health(&command),
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

/// Prints a line of a result. A reader that has gone away ends the process
/// quietly, as `cat` does.
pub(crate) fn print(line: &str) {
    if writeln!(std::io::stdout().lock(), "{line}").is_err() {
        std::process::exit(0);
    }
}

fn complain(line: &str) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
