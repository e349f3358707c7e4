//! Checks of what the host is run with: the unit and the container file. What they
//! tell the host, and the compose file, the host's own tests read.

use crate::image::Image;
use crate::setup;
use crate::shell::{Step, command, root, run};
use std::fs;

const UNIT: &str = "deploy/picolet.service";
/// Where the unit says that the binary is.
const BINARY: &str = "/usr/local/bin/picolet";
/// Tenths of what systemd calls exposure, from 0 to 100.
const EXPOSURE_MAX: u32 = 20;

pub(crate) fn check() -> Step {
    Image::read()?;
    setup::program("systemd-analyze", &["systemd"])?;
    // On this machine the binary need not be where the unit has it.
    let text = fs::read_to_string(root().join(UNIT)).map_err(|error| format!("{UNIT}: {error}"))?;
    let folder = root().join("target/deploy");
    let copy = folder.join("picolet.service");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&copy, text.replace(BINARY, "/bin/true")))
        .map_err(|error| format!("{}: {error}", copy.display()))?;
    let copy = copy.display().to_string();
    run(&mut command("systemd-analyze", &["verify", "--man=no", &copy]))?;
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let security = ["security", "--offline=yes", "--no-pager", &threshold, &copy];
    quietly(command("systemd-analyze", &security))
}

/// Runs what says much, and shows it only when it fails.
fn quietly(mut command: std::process::Command) -> Step {
    let output = command.output().map_err(|error| format!("{UNIT}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{UNIT} is too open:\n{}", String::from_utf8_lossy(&output.stdout)))
}
