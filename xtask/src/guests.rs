//! Guests: the examples, and those that only tests need.

use crate::setup;
use crate::shell::{Step, command, root, run};
use std::fs;
use std::path::{Path, PathBuf};

/// Examples in Rust, by package; a module is named like its package.
pub(crate) const EXAMPLES: [&str; 17] = [
    "calc",
    "greeter",
    "greeter-api",
    "echo",
    "ticker",
    "session",
    "session-greeter",
    "stocks",
    "directory",
    "counter",
    "pages",
    "poller",
    "chat",
    "arbitration",
    "conversion",
    "hello-wasi2",
    "hello-wasi3",
];

/// Those of them that use features of the SDK.
const WITH_FEATURES: [&str; 1] = ["conversion"];

/// Builds the examples into a folder.
pub(crate) fn examples(into: &Path) -> Step {
    setup::wasm_targets()?;
    // Built together, all would get the SDK with the features of any.
    let plain: Vec<&str> =
        EXAMPLES.into_iter().filter(|name| !WITH_FEATURES.contains(name)).collect();
    build("wasm32-wasip2", &plain)?;
    build("wasm32-wasip2", &WITH_FEATURES)?;
    make_folder(into)?;
    for package in EXAMPLES {
        deploy(package, &built("wasm32-wasip2", package), into)?;
    }
    Ok(())
}

/// Copies the examples out of a folder that they are built into.
pub(crate) fn copy_examples(from: &Path, into: &Path) -> Step {
    make_folder(into)?;
    for package in EXAMPLES {
        deploy(package, &from.join(format!("{package}.wasm")), into)?;
    }
    Ok(())
}

/// Puts a module into a folder, with what it is deployed with there before it is.
fn deploy(package: &str, module: &Path, into: &Path) -> Step {
    copy_below(&root().join("examples").join(package).join("deploy"), into)?;
    copy(module, &into.join(format!("{package}.wasm")))
}

/// Copies what is in a folder, if there is one.
fn copy_below(from: &Path, into: &Path) -> Step {
    let Ok(listing) = fs::read_dir(from) else { return Ok(()) };
    for entry in listing.flatten() {
        let (from, to) = (entry.path(), into.join(entry.file_name()));
        if from.is_dir() {
            make_folder(&to)?;
            copy_below(&from, &to)?;
        } else {
            copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Builds everything that tests and benches use, and tells where.
pub(crate) fn for_tests() -> Step<PathBuf> {
    let into = root().join("target/guests");
    examples(&into)?;
    let more: Vec<String> = test_guests()?;
    let names: Vec<&str> = more.iter().map(String::as_str).collect();
    build("wasm32-wasip2", &names)?;
    for package in names {
        copy(&built("wasm32-wasip2", package), &into.join(format!("{package}.wasm")))?;
    }
    build("wasm32-wasip1", &["calc"])?;
    copy(&built("wasm32-wasip1", "calc"), &into.join("calc-core.wasm"))?;
    javascript(&into)?;
    Ok(into)
}

/// Packages below `tests/guests`.
fn test_guests() -> Step<Vec<String>> {
    let folder = root().join("tests/guests");
    let listing = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let is_package = |path: &PathBuf| path.join("Cargo.toml").exists();
    let paths = listing.flatten().map(|entry| entry.path()).filter(is_package);
    let names = paths.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

fn build(target: &str, packages: &[&str]) -> Step {
    let mut cargo = command("cargo", &["build", "--locked", "--release", "--target", target]);
    cargo.args(["--manifest-path", "examples/Cargo.toml"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    run(&mut cargo)
}

fn built(target: &str, package: &str) -> PathBuf {
    let file = format!("{}.wasm", package.replace('-', "_"));
    root().join("examples/target").join(target).join("release").join(file)
}

/// The JavaScript example, with the component tools that npm has.
fn javascript(into: &Path) -> Step {
    let module = into.join("hello-js.wasm");
    let folder = root().join("examples/hello-js");
    let sources = ["hello.js", "build.mjs", "package-lock.json"].map(|file| folder.join(file));
    // The tools are also used by tests.
    let has_tools = folder.join("node_modules").is_dir();
    if has_tools && sources.iter().all(|source| is_older(source, &module)) {
        return Ok(());
    }
    setup::program("node", &["nodejs", "npm"])?;
    setup::program("npm", &["npm"])?;
    run(command("npm", &["ci", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    let into = into.display().to_string();
    run(command("node", &["build.mjs", &into]).current_dir(&folder))
}

fn is_older(source: &Path, made: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    matches!((modified(source), modified(made)), (Ok(source), Ok(made)) if source <= made)
}

fn make_folder(folder: &Path) -> Step {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// Copies beside and renames, so that a watching host never sees half a file.
fn copy(from: &Path, to: &Path) -> Step {
    let part = to.with_extension("part");
    fs::copy(from, &part)
        .and_then(|_| fs::rename(&part, to))
        .map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}
