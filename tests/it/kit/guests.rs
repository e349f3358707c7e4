//! The modules that the tests serve, built before they run.

use std::path::PathBuf;

/// The bytes of a built guest, by the name of its file without `.wasm`.
#[track_caller]
pub(crate) fn guest(name: &str) -> Vec<u8> {
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
