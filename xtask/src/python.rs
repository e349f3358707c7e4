//! Programs in Python that checks use, in an environment of their own.

use crate::setup;
use crate::shell::{Step, command, root, run};
use std::fs;
use std::path::PathBuf;

/// What is installed, and in which version.
const WANTED: &str = "tests/fuzz/requirements.txt";

/// Sets the environment up, and tells where its programs are.
pub(crate) fn programs() -> Step<PathBuf> {
    let (wanted, folder) = (root().join(WANTED), root().join("target/python"));
    let (installed, programs) = (folder.join("installed.txt"), folder.join("bin"));
    let failed = |error: std::io::Error| format!("{}: {error}", installed.display());
    let text = fs::read(&wanted).map_err(|error| format!("{}: {error}", wanted.display()))?;
    if fs::read(&installed).is_ok_and(|there| there == text) {
        return Ok(programs);
    }
    setup::program("python3", &["python3", "python3-venv"])?;
    let into = folder.display().to_string();
    if run(&mut command("python3", &["-m", "venv", &into])).is_err() {
        // Debian has Python without the part that makes environments.
        setup::package("python3-venv")?;
        run(&mut command("python3", &["-m", "venv", "--clear", &into]))?;
    }
    let pip = programs.join("pip").display().to_string();
    let quiet = ["install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(command(&pip, &quiet).arg(&wanted))?;
    // Last, so that what is half done is done again.
    fs::write(&installed, text).map_err(failed)?;
    Ok(programs)
}
