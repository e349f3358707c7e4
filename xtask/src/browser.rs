//! What drives browsers in tests: packages of npm, and Chromium.

use crate::setup;
use crate::shell::{Step, command, is_there, root, run};
use std::fs;
use std::path::{Path, PathBuf};

/// The client of socket.io as one file for pages.
const CLIENT_SCRIPT: &str = "node_modules/socket.io-client/dist/socket.io.min.js";

/// Sets up all of it, and tells where the packages are.
pub(crate) fn for_tests() -> Step<PathBuf> {
    setup::program("node", &["nodejs", "npm"])?;
    setup::program("npm", &["npm"])?;
    setup::program("chromium", &["chromium"])?;
    packages()
}

/// Puts the client of socket.io beside the pages that load it. They say so
/// themselves when it is not there, so a machine without npm or without a way to
/// its registry is no reason to stop.
pub(crate) fn bring_client_script(services: &Path) -> Step {
    let brought = if is_there("npm") { packages() } else { Err("npm is missing".to_owned()) };
    let folder = match brought {
        Ok(folder) => folder,
        Err(reason) => {
            eprintln!("the page of examples/conversion does without its script: {reason}");
            return Ok(());
        }
    };
    let (from, to) =
        (folder.join(CLIENT_SCRIPT), services.join("conversion").join("socket.io.min.js"));
    fs::copy(&from, &to)
        .map(drop)
        .map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}

/// Installs the packages outside of the tree, as the lock says.
fn packages() -> Step<PathBuf> {
    let (from, into) = (root().join("tests/browser"), root().join("target/browser"));
    let lock = into.join("package-lock.json");
    let is_same = |file: &str| match (fs::read(from.join(file)), fs::read(into.join(file))) {
        (Ok(wanted), Ok(there)) => wanted == there,
        _ => false,
    };
    if is_same("package.json") && is_same("package-lock.json") && into.join(CLIENT_SCRIPT).exists()
    {
        return Ok(into);
    }
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(&into).map_err(|error| failed(&into, error))?;
    for file in ["package.json", "package-lock.json"] {
        let to = into.join(file);
        fs::copy(from.join(file), &to).map_err(|error| failed(&to, error))?;
    }
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    // Without a lock, what is half done is done again.
    if let Err(reason) = run(command("npm", &install).current_dir(&into)) {
        fs::remove_file(&lock).map_err(|error| failed(&lock, error))?;
        return Err(reason);
    }
    Ok(into)
}
