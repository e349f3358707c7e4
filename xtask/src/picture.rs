//! `cargo xtask picture`: the pictures of the README, made from the running program.

use crate::served::Served;
use crate::shell::{Step, command, root, run};
use crate::{browser, guests};
use std::fs;

/// Whoever opens the README loads one of them.
const BYTES_MAX: u64 = 200 << 10;
const PICTURES: [&str; 2] = ["docs/dashboard.png", "docs/dashboard-dark.png"];

pub(crate) fn picture() -> Step {
    let node = browser::for_tests()?;
    let services = root().join("target/picture");
    if services.exists() {
        fs::remove_dir_all(&services).map_err(|e| format!("{}: {e}", services.display()))?;
    }
    guests::examples(&services)?;
    run(&mut command("cargo", &["build", "--locked", "--release", "--package", "picolet"]))?;
    let mut serve = command("target/release/picolet", &["serve"]);
    serve.arg(&services).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let host = Served::start(serve)?;
    let url = |address: &str| format!("http://{address}");
    let mut script = command("node", &["xtask/picture.mjs"]);
    script.args([url(&host.services), url(&host.admin)]).args(PICTURES);
    run(script.env("PICOLET_TEST_NODE", node))?;
    host.stop()?;
    for picture in PICTURES {
        let bytes = fs::metadata(root().join(picture)).map_err(|e| format!("{picture}: {e}"))?;
        println!("{picture}: {} KiB", bytes.len() >> 10);
        if BYTES_MAX < bytes.len() {
            return Err(format!("{picture} has over {} KiB", BYTES_MAX >> 10));
        }
    }
    Ok(())
}
