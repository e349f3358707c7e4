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
mod hop;
mod load;
mod machine;
mod served;
mod swap;
mod throughput;

use std::process::ExitCode;

/// What an entry came to, or why it could not be measured.
pub(crate) type Measured<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut outcome = machine::print();
    for name in &arguments {
        let measured = match name.as_str() {
            "throughput" => throughput::measure(),
            "hop" => hop::measure(),
            "swap" => swap::measure(),
            _ => Err(format!("there is no bench {name}; throughput, hop, swap").into()),
        };
        outcome = outcome.and(measured);
    }
    match outcome.and_then(|()| machine::print()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
