//! Measures the host. Entries compare things in turn, several rounds, in one
//! process on one pinned core, with the load on the other; what counts is the
//! ratio of the medians.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that measures and prints, alone in its process"
)]

mod bare;
mod figures;
#[path = "../../tests/it/kit/hand_made.rs"]
mod hand_made;
mod hop;
mod hostile;
mod load;
mod machine;
mod report;
mod served;
mod swap;
mod throughput;

use machine::Machine;
use std::process::ExitCode;

/// What an entry came to, or why it could not be measured.
pub(crate) type Measured<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut outcome = ExitCode::SUCCESS;
    for name in &arguments {
        if let Err(error) = run(name) {
            eprintln!("bench {name}: {error}");
            outcome = ExitCode::FAILURE;
        }
    }
    outcome
}

/// Runs an entry, prints its figures and leaves them in `target/bench`. Of
/// `hostile/TEXT`, only what has this text in its name.
fn run(name: &str) -> Measured {
    machine::unpin()?;
    let machine = Machine::look()?;
    machine.print();
    let (name, only) = name.split_once('/').unwrap_or((name, ""));
    let report = match name {
        "throughput" => throughput::measure()?,
        "hop" => hop::measure()?,
        "swap" => swap::measure()?,
        "hostile" => hostile::measure(only)?,
        _ => return Err("there is none; throughput, hop, swap, hostile".into()),
    };
    report.print();
    report.write(&served::root().join("target/bench"), &machine)
}
