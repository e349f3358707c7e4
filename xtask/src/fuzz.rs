//! `cargo xtask fuzz-api`: a stock fuzzer on the admin API of a real host, and
//! a stock validator on OpenAPI documents of services, of all of them, and of the
//! admin side.
//!
//! The host runs over a copy of the examples, on ports of its own, and ends
//! with this command.

use crate::served::Served;
use crate::shell::{Step, command, root, run};
use crate::{guests, python};
use std::fs;
use std::path::{Path, PathBuf};

/// How long it goes on when nobody says.
const SECONDS: u32 = 300;
/// How long it goes on within the tests.
const SECONDS_SHORT: u32 = 25;
/// What the requests are drawn from; the same each time.
const SEED: &str = "20231";
/// Of a request that gets no answer.
const REQUEST_SECONDS: &str = "10";

/// Services whose documents are looked at, beside that of all of them: with
/// schemas, without, with WebSockets, and with a method for every verb.
const DESCRIBED: [&str; 4] = ["conversion", "calc", "chat", "hello-wasi2"];

/// `[--seconds N] [--seed N]`.
pub(crate) fn command_line(arguments: &[&str]) -> Step {
    let (mut seconds, mut seed) = (SECONDS, SEED);
    let mut rest = arguments;
    while let [name, value, after @ ..] = rest {
        match *name {
            "--seconds" => {
                seconds = value.parse().map_err(|_| format!("--seconds {value} is no number"))?;
            }
            "--seed" => seed = value,
            other => return Err(format!("{other} is not known, only --seconds and --seed")),
        }
        rest = after;
    }
    if let [one] = rest {
        return Err(format!("{one} is not known or has no value"));
    }
    let guests = guests::for_tests()?;
    let build = ["build", "--locked", "--release", "--package", "picolet"];
    run(&mut command("cargo", &build))?;
    fuzz(&guests, seconds, seed)
}

/// The short run of the tests, over the guests and the host that they have built.
pub(crate) fn short(guests: &Path) -> Step {
    fuzz(guests, SECONDS_SHORT, SEED)
}

fn fuzz(guests: &Path, seconds: u32, seed: &str) -> Step {
    let programs = python::programs()?;
    let folder = copied(guests)?;
    let mut serve = command("target/release/picolet", &["serve"]);
    serve.arg(&folder).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    // More than the fuzzer registers while records of the dead are listed.
    serve.env("PICOLET_LIMITS__RECORDS_MAX", "1000000").env("PICOLET_LOG__FILTER", "warn");
    let host = Served::start(serve)?;
    validate(&host, &programs, &folder)?;
    schemathesis(&host, &programs, seconds, seed)?;
    host.stop()
}

/// Holds every operation of the admin API to its description.
fn schemathesis(host: &Served, programs: &Path, seconds: u32, seed: &str) -> Step {
    let program = programs.join("schemathesis").display().to_string();
    let document = format!("http://{}/admin/v1/openapi.json", host.admin);
    let seconds = seconds.to_string();
    let settings = root().join("tests/fuzz/schemathesis.toml").display().to_string();
    let arguments = [
        "--config-file",
        &settings,
        "run",
        &document,
        "--checks",
        "all",
        "--max-time",
        &seconds,
        "--seed",
        seed,
        // What does not end, or becomes a WebSocket.
        "--exclude-by",
        "/x-picolet-lasts == true",
        "--request-timeout",
        REQUEST_SECONDS,
        "--generation-database",
        "none",
        "--continue-on-failure",
        "--warnings",
        "off",
        "--no-color",
    ];
    let mut fuzzer = command(&program, &arguments);
    // Where it leaves what it finds.
    fuzzer.current_dir(root().join("target/tmp"));
    let hooks = root().join("tests/fuzz/hooks.py");
    run(fuzzer.env("SCHEMATHESIS_HOOKS", hooks).env("PYTHONDONTWRITEBYTECODE", "1"))
}

/// Reads each document as a stock tool does.
fn validate(host: &Served, programs: &Path, folder: &Path) -> Step {
    let one = |name: &&str| (host.services.clone(), format!("/services/{name}/openapi.json"));
    let mut documents: Vec<(String, String)> = DESCRIBED.iter().map(one).collect();
    documents.push((host.services.clone(), "/services/openapi.json".to_owned()));
    documents.push((host.admin.clone(), "/admin/v1/openapi.json".to_owned()));
    let python = programs.join("python").display().to_string();
    let validator = programs.join("openapi-spec-validator").display().to_string();
    for (index, (address, path)) in documents.iter().enumerate() {
        let file = folder.join(format!("document-{index}.json")).display().to_string();
        let fetch = "import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:3])";
        run(&mut command(&python, &["-c", fetch, &format!("http://{address}{path}"), &file]))?;
        run(&mut command(&validator, &["--schema", "3.1", &file]))?;
    }
    Ok(())
}

/// A copy of the examples that a fuzzer may do anything to.
fn copied(guests: &Path) -> Step<PathBuf> {
    let folder = root().join("target/tmp/fuzz-api");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    guests::copy_examples(guests, &folder)?;
    Ok(folder)
}
