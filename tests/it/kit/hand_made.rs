//! Guests made by hand: core modules as text, in `tests/guests`.
//!
//! The project's own WIT and the encoder of the component tools make components
//! of them, as they would for any language. The benches use this file, too.

use std::error::Error;
use std::path::{Path, PathBuf};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What a guest that is made by hand exports and may import.
const WORLD: &str = "import wasi:random/insecure@0.2.0; export picolet:service/service@1.0.0;";
/// Of what it imports, what it uses.
const PACKAGES: &str = "package wasi:random@0.2.0 {
    interface insecure { get-insecure-random-u64: func() -> u64; }
}";

/// The component of `tests/guests/NAME.wat`; none when there is no such file.
pub(crate) fn hand_made(name: &str) -> Option<Result<Vec<u8>, Box<dyn Error>>> {
    let text = std::fs::read_to_string(beside(&format!("tests/guests/{name}.wat"))).ok()?;
    Some(encoded(WORLD, PACKAGES, &text))
}

/// A component: items of its world, packages those name beside the project's
/// own, and the text of its core module.
pub(crate) fn encoded(world: &str, packages: &str, core: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut resolve = Resolve::default();
    resolve.push_dir(beside("wit"))?;
    let text = format!("package test:odd; world odd {{ {world} }} {packages}");
    let package = resolve.push_source("odd.wit", &text)?;
    let world = resolve.select_world(&[package], Some("odd"))?;
    let mut module = wat::parse_str(core)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    Ok(ComponentEncoder::default().validate(true).module(&module)?.encode()?)
}

/// A path in the project, seen from the package that is compiled.
fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
