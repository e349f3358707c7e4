//! `picolet build`: the guest in the current directory becomes a module.

use super::args::BuildArgs;
use super::project::{Group, Outcome, Project};
use super::remote::block_on;
use super::{Failure, print, tell};
use std::path::Path;

pub(super) fn build(args: &BuildArgs) -> Result<(), Failure> {
    let project = Project::here()?;
    match block_on(project.build(args.profile(), Group::Shared))? {
        Outcome::Failed(reason) => {
            Err(Failure::Failed(reason.unwrap_or_else(|| "the build failed".to_owned())))
        }
        Outcome::Built(modules) => {
            let here = std::env::current_dir().unwrap_or_default();
            for module in &modules {
                let shown = |path: &Path| path.strip_prefix(&here).unwrap_or(path).to_owned();
                print(&shown(&module.file).display().to_string());
                if let Some(manifest) = module.manifest() {
                    tell(&format!("its manifest: {}", shown(&manifest).display()));
                }
                tell(&format!("deploy it as {}.wasm", module.name));
            }
            Ok(())
        }
    }
}
