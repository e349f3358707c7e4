//! `cargo xtask bench`: builds what is measured, then measures.

use crate::shell::{Step, command, run};
use crate::{guests, setup};

const ALL: [&str; 4] = ["throughput", "hop", "swap", "hostile"];

pub(crate) fn bench(names: &[&str]) -> Step {
    setup::program("wrk", &["wrk"])?;
    guests::for_tests()?;
    let build =
        ["build", "--locked", "--release", "--package", "picolet", "--package", "picolet-bench"];
    run(&mut command("cargo", &build))?;
    let names = if names.is_empty() { ALL.as_slice() } else { names };
    for name in names {
        // A backtrace for every store that is dropped is not what is measured.
        run(command("target/release/picolet-bench", &[name]).env("RUST_BACKTRACE", "0"))?;
    }
    Ok(())
}
