//! The modules that the tests serve, built before they run.

use super::hand_made::hand_made;
use std::path::PathBuf;

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
