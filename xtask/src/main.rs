//! The project's own commands: `cargo xtask run`, `test`, `bench` and more.
//!
//! Each sets up what it needs and says what it does; the first step that fails
//! ends it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command talks to whoever runs it, and is run by cargo's environment"
)]

mod bench;
mod browser;
mod guests;
mod run;
mod setup;
mod shell;
mod test;
mod tidy;

use shell::Step;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  run            build the examples into services/ and start the host on them
  test           set up what the tests need and run every check and test
  tidy           check the house rules that no compiler knows
  guests         build the guests that tests and benches use
  bench [NAME]   measure: throughput, wrk, serve, hop, hops, swap, routes, density, hostile,
                 killed, down, timeouts, leave, calls, bus, kept; all of them without a name
  soak           a million requests with swaps and traps, after which nothing may be left";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome: Step = match words.as_slice() {
        ["run", rest @ ..] => run::run(rest),
        ["test"] => test::test(),
        ["tidy"] => tidy::tidy(),
        ["guests"] => guests::for_tests().map(|_| ()),
        ["soak"] => bench::bench(&["soak"]),
        ["bench", names @ ..] => bench::bench(names),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}
