//! The `picolet` binary: says what to do, and with what exit code it ended.

use std::process::ExitCode;

fn main() -> ExitCode {
    picolet::cli::run()
}
