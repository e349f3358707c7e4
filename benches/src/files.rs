//! Where things lie: guests, the host's binary, compiled code.

use crate::Measured;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Where a guest lies that the tests use.
pub(crate) fn guest_path(guest: &str) -> PathBuf {
    root().join("target/guests").join(format!("{guest}.wasm"))
}

/// Its bytes.
pub(crate) fn guest(guest: &str) -> Measured<Vec<u8>> {
    let path = guest_path(guest);
    let advice = "the guests are built by `cargo xtask guests`";
    fs::read(&path).map_err(|error| format!("{}: {error}; {advice}", path.display()).into())
}

/// The host's binary, beside this one or beside the folder of the tests.
pub(crate) fn program() -> Measured<PathBuf> {
    let own = std::env::current_exe()?;
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join("picolet"));
    let found = found.into_iter().find(|program| program.is_file());
    found.ok_or_else(|| "the binary is missing; build it with the package picolet".into())
}

/// Compiled code is kept from run to run, so that benches measure what they
/// are about.
pub(crate) fn state() -> PathBuf {
    root().join("target/bench-state")
}

/// Puts a module into a folder in one step, with a manifest if there is text
/// for one.
pub(crate) fn put(folder: &Path, name: &str, module: &[u8], manifest: &str) -> Measured {
    if !manifest.is_empty() {
        fs::write(folder.join(format!("{name}.toml")), manifest)?;
    }
    let part = folder.join(format!(".{name}"));
    fs::write(&part, module)?;
    fs::rename(part, folder.join(format!("{name}.wasm")))?;
    Ok(())
}

/// The same module with bytes of its own: an empty custom section more.
pub(crate) fn distinct(module: &[u8], mark: &str) -> Vec<u8> {
    let mut section = Vec::from(module);
    let len = u8::try_from(mark.len()).unwrap_or_default();
    section.extend([0, len + 1, len]);
    section.extend(mark.as_bytes());
    section
}

/// The same module with another text wherever it has this one; both are
/// equally long.
pub(crate) fn replaced(module: &[u8], text: &str, with: &str) -> Vec<u8> {
    let (text, mut rest) = (text.as_bytes(), module);
    let mut replaced = Vec::with_capacity(module.len());
    while let Some((first, others)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(text) {
            replaced.extend(with.as_bytes());
            rest = after;
        } else {
            replaced.push(*first);
            rest = others;
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_replaced_wherever_it_is() {
        assert_eq!(replaced(b"a-01 b-0 a-01", "a-01", "a-42"), b"a-42 b-0 a-42");
        assert_eq!(replaced(b"", "a", "b"), b"");
    }

    #[test]
    fn a_section_makes_a_module_distinct() {
        assert_eq!(distinct(b"\0asm", "x1"), b"\0asm\0\x03\x02x1");
    }
}
