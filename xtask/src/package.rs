//! `cargo xtask package`: the static binary, and the tree of files that
//! `deploy/Containerfile` puts over an empty base. With `try` it runs there, in an
//! empty root of its own.

use crate::image::Image;
use crate::served::Served;
use crate::shell::{Step, command, root, run};
use crate::{guests, setup};
use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the tree, and tells where it is.
pub(crate) fn package() -> Step<PathBuf> {
    let target = format!("{ARCH}-unknown-linux-musl");
    setup::program("musl-gcc", &["musl-tools"])?;
    setup::rust_target(&target)?;
    let build = ["build", "--locked", "--release", "--package", "picolet", "--target", &target];
    run(&mut command("cargo", &build))?;
    let binary = root().join("target").join(&target).join("release/picolet");
    let read = fs::read(&binary).map_err(|error| format!("{}: {error}", binary.display()))?;
    check_static(&read).map_err(|reason| format!("{}: {reason}", binary.display()))?;
    let tree = root().join("target/package/root");
    lay_out(&binary, &tree).map_err(|error| format!("{}: {error}", tree.display()))?;
    println!("{} is what the image has: {} MiB", tree.display(), read.len() >> 20);
    Ok(tree)
}

/// The binary, the watched folder, and the state folder.
fn lay_out(binary: &Path, tree: &Path) -> std::io::Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree)?;
    }
    for folder in ["services", "state"] {
        fs::create_dir_all(tree.join(folder))?;
    }
    fs::copy(binary, tree.join("picolet")).map(drop)
}

/// What a segment of a program is that names the loader of shared libraries.
const INTERPRETER: [u8; 4] = 3_u32.to_le_bytes();

/// Whether an ELF file of 64 bits runs without anything else: no segment of it asks
/// for a loader.
fn check_static(elf: &[u8]) -> Step {
    let short = |at: usize| {
        let bytes = elf.get(at..at + 2)?;
        Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
    };
    let long = |at: usize| {
        let bytes = elf.get(at..at + 8)?;
        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let is_elf = elf.starts_with(b"\x7fELF\x02\x01");
    let table = long(0x20).zip(short(0x36)).zip(short(0x38)).filter(|_| is_elf);
    let ((begins, size), count) = table.ok_or("is no ELF file of 64 bits")?;
    for index in 0..count {
        let at = begins + index * size;
        if elf.get(at..at + 4).ok_or("ends in its program headers")? == INTERPRETER {
            return Err("is not static: it asks for a loader of shared libraries".to_owned());
        }
    }
    Ok(())
}

/// Builds the tree and runs it as the image would: by its user, with its
/// environment, in a root that holds nothing else but `/proc`.
pub(crate) fn try_out() -> Step {
    let (tree, image) = (package()?, Image::read()?);
    let guests = root().join("target/package/guests");
    guests::examples(&guests)?;
    let tried = root().join("target/package/tried");
    lay_out(&tree.join("picolet"), &tried)
        .and_then(|()| prepare(&tried, &image))
        .map_err(|error| format!("{}: {error}", tried.display()))?;
    let host = Served::start(inside(&tried, &image, &image.command))?;
    fs::copy(guests.join("calc.wasm"), tried.join("services/calc.wasm"))
        .map_err(|error| format!("calc.wasm: {error}"))?;
    host.says("serving calc")?;
    host.answers("/api/add/40/2", "\"result\":42")?;
    let health = [image.health.clone(), vec!["--host".into(), format!("http://{}", host.admin)]];
    run(&mut inside(&tried, &image, &health.concat()))?;
    host.stop()?;
    println!("it serves, compiles, says how it fares and stops, in an empty root");
    Ok(())
}

/// Gives the state folder to the user of the image, if that can be done, and makes
/// the place of what a runtime of containers brings.
fn prepare(tree: &Path, image: &Image) -> std::io::Result<()> {
    fs::create_dir_all(tree.join("proc"))?;
    if setup::is_root() {
        let (user, group) = image.user.split_once(':').unwrap_or_default();
        chown(tree.join("state"), user.parse().ok(), group.parse().ok())?;
    }
    Ok(())
}

/// A program of the tree, with the tree as its root. It replaces the shell, so that
/// signals reach it.
fn inside(tree: &Path, image: &Image, words: &[String]) -> Command {
    const ENTER: &str = "mount --rbind /proc \"$0/proc\" && exec chroot \"$@\"";
    let tree = tree.display().to_string();
    let mut command = if setup::is_root() {
        let mut command = command("unshare", &["--mount", "sh", "-c", ENTER, &tree]);
        command.arg(format!("--userspec={}", image.user));
        command
    } else {
        command("unshare", &["--map-root-user", "--mount", "sh", "-c", ENTER, &tree])
    };
    command.arg(&tree).args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    // Addresses that are free here; all else is the image's.
    let addresses = [("PICOLET_LISTEN", "127.0.0.1:0"), ("PICOLET_ADMIN", "127.0.0.1:0")];
    command.envs(image.environment.iter().map(|(name, value)| (name, value))).envs(addresses);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one segment of this kind.
    fn elf(kind: u32) -> Vec<u8> {
        let mut elf = vec![0; 0x40 + 0x38];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[0x20..0x28].copy_from_slice(&0x40_u64.to_le_bytes());
        elf[0x36..0x38].copy_from_slice(&0x38_u16.to_le_bytes());
        elf[0x38..0x3a].copy_from_slice(&1_u16.to_le_bytes());
        elf[0x40..0x44].copy_from_slice(&kind.to_le_bytes());
        elf
    }

    #[test]
    fn a_binary_that_asks_for_a_loader_is_not_static() {
        assert_eq!(check_static(&elf(1)), Ok(()));
        assert!(check_static(&elf(3)).unwrap_err().contains("not static"));
        for broken in [&elf(1)[..0x41], b"\x7fELF", b"#!/bin/sh"] {
            assert!(check_static(broken).is_err());
        }
    }
}
