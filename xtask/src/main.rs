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
mod deploy;
mod fuzz;
mod guests;
mod image;
mod package;
mod picture;
mod python;
mod run;
mod served;
mod setup;
mod shell;
mod test;
mod tidy;

use shell::Step;
use std::process::ExitCode;

/// A command: its name, what it is for, and what it does with its arguments.
struct Command {
    name: &'static str,
    about: &'static str,
    act: fn(&[&str]) -> Step,
}

const COMMANDS: [Command; 9] = [
    Command {
        name: "run",
        about: "build the examples into services/ and start the host on them",
        act: run::run,
    },
    Command {
        name: "test",
        about: "set up what the tests need and run every check and test",
        act: |rest| alone(rest, test::test),
    },
    Command {
        name: "tidy",
        about: "check the house rules that no compiler knows",
        act: |rest| alone(rest, tidy::tidy),
    },
    Command {
        name: "guests",
        about: "build the guests that tests and benches use",
        act: |rest| alone(rest, || guests::for_tests().map(drop)),
    },
    Command {
        name: "fuzz-api",
        about: "a stock fuzzer on the admin API, 300 s; a validator on OpenAPI documents",
        act: fuzz::command_line,
    },
    Command {
        name: "bench",
        about: "measure what is named, or everything that does not take long",
        act: bench::bench,
    },
    Command {
        name: "soak",
        about: "a million requests with swaps and traps, after which nothing may be left",
        act: |rest| alone(rest, || bench::bench(&["soak"])),
    },
    Command {
        name: "package",
        about: "build the static binary and the tree of its image; `package try` runs it there",
        act: package,
    },
    Command {
        name: "picture",
        about: "make the pictures of the README from the running program",
        act: |rest| alone(rest, picture::picture),
    },
];

/// What takes no arguments, and would do other than what is meant with some.
fn alone(arguments: &[&str], act: impl FnOnce() -> Step) -> Step {
    match arguments {
        [] => act(),
        other => Err(format!("it takes no arguments, not {}", other.join(" "))),
    }
}

fn package(arguments: &[&str]) -> Step {
    match arguments {
        [] => package::package().map(drop),
        ["try"] => package::try_out(),
        other => Err(format!("package takes nothing or `try`, not {}", other.join(" "))),
    }
}

/// All commands, and what can be measured.
fn usage() -> String {
    let line = |command: &Command| format!("  {:<9} {}\n", command.name, command.about);
    let lines: String = COMMANDS.iter().map(line).collect();
    let measured = bench::ALL.join(" ");
    format!("usage: cargo xtask COMMAND\n\n{lines}\nbench measures: {measured}")
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, rest) = words.split_first().map_or(("", &[][..]), |(name, rest)| (*name, rest));
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("{}", usage());
        return ExitCode::from(2);
    };
    match (command.act)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}
