//! What the commands need on a machine that has rustup and a C linker.

use crate::shell::{Step, command, is_there, run};

/// Adds the targets that guests are built for.
pub(crate) fn wasm_targets() -> Step {
    ["wasm32-wasip2", "wasm32-wasip1"].into_iter().try_for_each(rust_target)
}

/// Adds a target of the compiler unless it is there.
pub(crate) fn rust_target(target: &str) -> Step {
    let installed = command("rustup", &["target", "list", "--installed"]).output();
    let installed = installed.map_err(|error| {
        format!("rustup cannot be run ({error}); install it, it brings the targets")
    })?;
    let installed = String::from_utf8_lossy(&installed.stdout).into_owned();
    if installed.lines().any(|line| line == target) {
        return Ok(());
    }
    run(&mut command("rustup", &["target", "add", target]))
}

/// Makes sure of a program that a Debian package brings.
pub(crate) fn program(program: &str, packages: &[&str]) -> Step {
    if is_there(program) {
        return Ok(());
    }
    install(program, packages)
}

/// Makes sure of a Debian package that brings no program of its own.
pub(crate) fn package(package: &str) -> Step {
    install(package, &[package])
}

fn install(what: &str, packages: &[&str]) -> Step {
    let wanted = packages.join(" ");
    let advice = format!("{what} is missing; install it, on Debian: apt-get install {wanted}");
    if !is_there("apt-get") || !is_root() {
        return Err(advice);
    }
    run(&mut command("apt-get", &["update", "--quiet"]))?;
    let mut install = command("apt-get", &["install", "--yes", "--no-install-recommends"]);
    install.args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    run(&mut install).map_err(|error| format!("{error}; {advice}"))
}

/// Whether this is run by the root user.
pub(crate) fn is_root() -> bool {
    let output = command("id", &["-u"]).output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
