//! `cargo xtask bench` and `soak`: builds what is measured, then measures.

use crate::shell::{Step, command, run};
use crate::{guests, setup};

/// What is measured when nothing is named.
pub(crate) const ALL: [&str; 21] = [
    "throughput",
    "wrk",
    "serve",
    "hop",
    "hops",
    "swap",
    "routes",
    "density",
    "hostile",
    "killed",
    "down",
    "timeouts",
    "leave",
    "calls",
    "bus",
    "kept",
    "outbound",
    "sockets",
    "gateway",
    "telemetry",
    "dev",
];

/// Measures what is named, or everything that does not take long. One that
/// cannot be measured does not keep the others from it.
pub(crate) fn bench(names: &[&str]) -> Step {
    let names = if names.is_empty() { ALL.as_slice() } else { names };
    if names.contains(&"wrk") {
        setup::program("wrk", &["wrk"])?;
    }
    if names.contains(&"bus") {
        setup::program("nats-server", &["nats-server"])?;
    }
    guests::for_tests()?;
    let build =
        ["build", "--locked", "--release", "--package", "picolet", "--package", "picolet-bench"];
    run(&mut command("cargo", &build))?;
    let failures: Vec<String> = names.iter().filter_map(|name| measure(name).err()).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

fn measure(name: &str) -> Step {
    // A backtrace for every store that is dropped is not what is measured.
    run(command("target/release/picolet-bench", &[name]).env("RUST_BACKTRACE", "0"))
}
