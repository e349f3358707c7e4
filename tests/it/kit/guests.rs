//! The modules that the tests serve, built before they run.

use super::hand_made::hand_made;
use std::path::PathBuf;

/// A guest of version 1.0.0 as another version of the same length.
#[track_caller]
pub(crate) fn versioned(name: &str, version: &str) -> Vec<u8> {
    const BUILT: &[u8] = b"1.0.0";
    assert_eq!(version.len(), BUILT.len(), "lengths of texts are a part of the code");
    let mut bytes = guest(name);
    // Interfaces have the same version, after an @.
    let is_own = |at: &usize| bytes[*at..].starts_with(BUILT) && bytes[*at - 1] != b'@';
    let places: Vec<usize> = (1..bytes.len() - BUILT.len()).filter(is_own).collect();
    let [at] = places[..] else { panic!("{name} has its version {} times", places.len()) };
    bytes[at..at + BUILT.len()].copy_from_slice(version.as_bytes());
    bytes
}

/// The bytes of a guest, built or made by hand, by the name of its file.
#[track_caller]
pub(crate) fn guest(name: &str) -> Vec<u8> {
    if let Some(made) = hand_made(name) {
        return made.unwrap();
    }
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/guests");
    let folder = std::env::var_os("PICOLET_TEST_GUESTS").map_or_else(beside, PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            panic!("{} is not built ({error}): run `cargo xtask test`", path.display())
        }
    }
}
