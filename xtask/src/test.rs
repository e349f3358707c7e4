//! `cargo xtask test`: every check and every test, cheapest first.

use crate::shell::{Step, command, run};
use crate::{browser, deploy, fuzz, guests, setup, tidy};

/// The SDK with the features that are off by default.
const SDK: [&str; 3] = ["picolet-sdk", "--features", "msgpack,protobuf,schemas"];

pub(crate) fn test() -> Step {
    setup::wasm_targets()?;
    tidy::tidy()?;
    formatted()?;
    deploy::check()?;
    let guests = guests::for_tests()?;
    let node = browser::for_tests()?;
    setup::program("promtool", &["prometheus"])?;
    lints()?;
    documents()?;
    // The guests' own tests run natively.
    let mut native =
        command("cargo", &["test", "--locked", "--manifest-path", "examples/Cargo.toml"]);
    let wasm_only = ["hello-wasi2", "hello-wasi3", "calc-wasi2", "calc-wasi3"];
    run(native.arg("--workspace").args(wasm_only.iter().flat_map(|name| ["--exclude", name])))?;
    let sdk = ["test", "--locked", "--release", "--lib", "--test", "schemas", "--package"];
    run(command("cargo", &sdk).args(SDK))?;
    let mut tests = command("cargo", &["test", "--locked", "--release", "--workspace"]);
    run(tests.env("PICOLET_TEST_GUESTS", &guests).env("PICOLET_TEST_NODE", node))?;
    fuzz::short(&guests)
}

fn formatted() -> Step {
    run(&mut command("cargo", &["fmt", "--all", "--check"]))?;
    let examples = ["fmt", "--all", "--check", "--manifest-path", "examples/Cargo.toml"];
    run(&mut command("cargo", &examples))
}

fn lints() -> Step {
    let deny = ["--", "--deny", "warnings"];
    let host = ["clippy", "--locked", "--release", "--workspace", "--all-targets"];
    run(command("cargo", &host).args(deny))?;
    let sdk = ["clippy", "--locked", "--release", "--all-targets", "--package"];
    run(command("cargo", &sdk).args(SDK).args(deny))?;
    let guests = ["clippy", "--locked", "--release", "--target", "wasm32-wasip2", "--workspace"];
    run(command("cargo", &guests).args(["--manifest-path", "examples/Cargo.toml"]).args(deny))
}

fn documents() -> Step {
    let doc =
        ["doc", "--locked", "--release", "--workspace", "--no-deps", "--document-private-items"];
    run(command("cargo", &doc).env("RUSTDOCFLAGS", "--deny warnings"))
}
