//! Measures the host. Entries compare things in turn, several rounds, pinned to
//! one core, with the load on the other; what counts are ratios of the same
//! round. Each entry has a plan of how much it measures, and a test that runs
//! it with a small one.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that measures and prints, alone in its process"
)]

mod bare;
mod bus;
mod callers;
mod callgrind;
mod calls;
mod connection;
mod density;
mod dev;
mod down;
mod endpoint;
mod figures;
mod files;
mod gateway;
#[path = "../../tests/it/kit/hand_made.rs"]
mod hand_made;
mod hop;
mod hops;
mod hostile;
mod kept;
mod killed;
mod leave;
mod load;
mod machine;
mod nats;
mod outbound;
mod polling;
mod process;
mod ready;
mod report;
mod routes;
mod serve;
mod served;
mod soak;
mod sockets;
mod spawned;
mod swap;
mod telemetry;
mod throughput;
mod timeouts;

use machine::Machine;
use std::process::ExitCode;

/// What an entry came to, or why it could not be measured.
pub(crate) type Measured<T = ()> = Result<T, Box<dyn std::error::Error>>;

const ALL: &str = "throughput, wrk, serve, hop, hops, swap, routes, density, hostile, killed, \
                   down, timeouts, leave, calls, bus, kept, outbound, sockets, gateway, \
                   telemetry, dev, soak";

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
        "throughput" => throughput::measure(&throughput::Plan::FULL)?,
        "wrk" => throughput::measure(&throughput::Plan::WRK)?,
        "serve" => serve::measure(&serve::Plan::FULL)?,
        "hop" => hop::measure(&hop::Plan::FULL)?,
        "hops" => hops::measure(&hops::Plan::FULL)?,
        "swap" => swap::measure(&swap::Plan::FULL)?,
        "hostile" => hostile::measure(&hostile::Plan::FULL, only)?,
        "routes" => routes::measure(&routes::Plan::FULL)?,
        "density" => density::measure(&density::Plan::FULL)?,
        "killed" => killed::measure(&killed::Plan::FULL)?,
        "down" => down::measure(&down::Plan::FULL)?,
        "timeouts" => timeouts::measure(&timeouts::Plan::FULL)?,
        "leave" => leave::measure(&leave::Plan::FULL)?,
        "calls" => calls::measure(&calls::Plan::FULL)?,
        "bus" => bus::measure(&bus::Plan::FULL)?,
        "kept" => kept::measure(&kept::Plan::FULL)?,
        "outbound" => outbound::measure(&outbound::Plan::FULL)?,
        "sockets" => sockets::measure(&sockets::Plan::FULL)?,
        "gateway" => gateway::measure(&gateway::Plan::FULL)?,
        "telemetry" => telemetry::measure(&telemetry::Plan::FULL)?,
        "dev" => dev::measure(&dev::Plan::FULL)?,
        "soak" => soak::measure(&soak::Plan::FULL)?,
        _ => return Err(format!("there is none; {ALL}").into()),
    };
    report.print();
    report.write(&files::root().join("target/bench"), &machine)?;
    report.judge()
}
