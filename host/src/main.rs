//! The `picolet` binary: says what to do, and with what exit code it ended.

use std::process::ExitCode;

/// That of musl takes a third of the requests.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    picolet::cli::run()
}
