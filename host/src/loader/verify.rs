//! Looks into a module before anything compiles it: is it something that can
//! be served, within bounds, and are its imports ones it may have?

use crate::engine::World;
use crate::limits::HostLimits;
use wasmparser::{Encoding, Parser, Payload};

/// A component that may be compiled.
#[derive(Debug)]
pub(crate) struct Verified {
    /// The component, made from a core module if need be.
    pub(crate) component: Vec<u8>,
    pub(crate) world: World,
    /// What it imports, by name.
    pub(crate) imports: Vec<String>,
}

/// Why a module is not compiled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error("file is not WebAssembly")]
    NotWasm,
    #[error("file is WebAssembly text; compile it first")]
    IsText,
    #[error("file is broken: {0}")]
    Broken(String),
    #[error(
        "core module cannot be made a component: {0} (this host reads modules made with \
         wit-component up to {WIT_COMPONENT_VERSION})"
    )]
    NotAComponent(String),
    #[error("module has more than {max} {what}")]
    TooMany { what: &'static str, max: u32 },
    #[error(
        "component exports nothing this host can call; it needs picolet:service/service@1, \
         wasi:http/incoming-handler@0.2 or wasi:http/handler@0.3"
    )]
    UnknownWorld,
    #[error("import {0} is not granted: {1}")]
    NotGranted(String, &'static str),
    #[error("import {0} does not exist in this host")]
    NoSuchImport(String),
}

/// Kept the same as the lock file by a test.
pub(crate) const WIT_COMPONENT_VERSION: &str = "0.263.0";

/// Parts of one component, all its core modules together.
const PARTS_MAX: u32 = 10_000;
/// Memories and tables of one component; each costs address space.
const MEMORIES_MAX: u32 = 64;

/// Verifies the bytes of a module.
pub(crate) fn verify(bytes: &[u8], limits: &HostLimits) -> Result<Verified, VerifyError> {
    let component = match kind(bytes)? {
        Encoding::Component => bytes.to_vec(),
        Encoding::Module => {
            survey(bytes, limits)?;
            encode(bytes)?
        }
    };
    let survey = survey(&component, limits)?;
    let world = survey.world().ok_or(VerifyError::UnknownWorld)?;
    for import in &survey.imports {
        check_import(import)?;
    }
    Ok(Verified { component, world, imports: survey.imports })
}

/// What the beginning of a file is that of.
pub(super) fn kind(bytes: &[u8]) -> Result<Encoding, VerifyError> {
    if !bytes.starts_with(b"\0asm") {
        let text = bytes.trim_ascii_start();
        let is_text = text.starts_with(b"(module") || text.starts_with(b"(component");
        return Err(if is_text { VerifyError::IsText } else { VerifyError::NotWasm });
    }
    match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version { encoding, .. })) => Ok(encoding),
        Some(Err(error)) => Err(VerifyError::Broken(error.message().to_owned())),
        _ => Err(VerifyError::NotWasm),
    }
}

fn encode(module: &[u8]) -> Result<Vec<u8>, VerifyError> {
    use wasi_preview1_component_adapter_provider as adapter;
    let encoded = wit_component::ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| {
            encoder.adapter(
                adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )
        })
        .and_then(|encoder| encoder.encode());
    encoded.map_err(|error| {
        let text = format!("{error:#}");
        VerifyError::NotAComponent(text.split_whitespace().collect::<Vec<_>>().join(" "))
    })
}

/// What a module has inside.
#[derive(Debug, Default)]
struct Survey {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Survey {
    fn world(&self) -> Option<World> {
        let exports = |interface: &str, version: &str| {
            self.exports.iter().any(|name| {
                name.strip_prefix(interface)
                    .and_then(|rest| rest.strip_prefix('@'))
                    .is_some_and(|v| v == version || v.starts_with(&format!("{version}.")))
            })
        };
        if exports("picolet:service/service", "1") {
            Some(World::Picolet)
        } else if exports("wasi:http/handler", "0.3") {
            Some(World::WasiHttp3)
        } else if exports("wasi:http/incoming-handler", "0.2") {
            Some(World::WasiHttp2)
        } else {
            None
        }
    }
}

/// Reads the module once, counting what costs time or memory to compile.
fn survey(bytes: &[u8], limits: &HostLimits) -> Result<Survey, VerifyError> {
    let mut survey = Survey::default();
    let mut counts = Counts::default();
    let mut depth = 0_u32;
    let broken = |error: wasmparser::BinaryReaderError| {
        let at = error.offset();
        VerifyError::Broken(format!("{} at byte {at}", error.message()))
    };
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(broken)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                counts.parts += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::FunctionSection(section) => counts.functions += section.count(),
            Payload::TypeSection(section) => counts.types += section.count(),
            Payload::ComponentTypeSection(section) => counts.types += section.count(),
            Payload::MemorySection(section) => counts.memories += section.count(),
            Payload::TableSection(section) => counts.tables += section.count(),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    survey.imports.push(import.map_err(broken)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    survey.exports.push(export.map_err(broken)?.name.name.to_owned());
                }
            }
            _ => (),
        }
        counts.check(limits)?;
    }
    Ok(survey)
}

#[derive(Debug, Default)]
struct Counts {
    functions: u32,
    types: u32,
    memories: u32,
    tables: u32,
    parts: u32,
}

impl Counts {
    fn check(&self, limits: &HostLimits) -> Result<(), VerifyError> {
        let bounds = [
            ("functions", self.functions, limits.functions_max),
            ("types", self.types, limits.functions_max),
            ("memories", self.memories, MEMORIES_MAX),
            ("tables", self.tables, MEMORIES_MAX),
            ("nested modules", self.parts, PARTS_MAX),
        ];
        match bounds.into_iter().find(|(_, count, max)| max < count) {
            Some((what, _, max)) => Err(VerifyError::TooMany { what, max }),
            None => Ok(()),
        }
    }
}

/// Interfaces that any module may import.
const OPEN: [&str; 22] = [
    "picolet:service/types",
    "picolet:service/context",
    "picolet:service/client",
    "picolet:service/prompt",
    "picolet:service/directory",
    "picolet:service/watch",
    "picolet:service/bus",
    "picolet:service/state",
    "picolet:service/outbound",
    "picolet:service/sockets",
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch@0.2.0-draft",
    "wasi:config/store@0.2.0-rc.1",
    "wasi:io/",
    "wasi:clocks/",
    "wasi:random/",
    "wasi:cli/",
    "wasi:filesystem/",
    "wasi:http/types",
    // Linked for everybody; what they may send is judged request by request.
    "wasi:http/outgoing-handler",
    "wasi:http/client",
];

/// Interfaces that exist but that nothing grants.
const CLOSED: [(&str, &str); 3] = [
    ("wasi:sockets/", "this host lets no module open sockets"),
    ("wasi:keyvalue/", "this host offers store, atomics and batch of version 0.2.0-draft"),
    ("wasi:config/", "this host offers store of version 0.2.0-rc.1"),
];

fn check_import(import: &str) -> Result<(), VerifyError> {
    if OPEN.iter().any(|open| covers(open, import)) {
        return Ok(());
    }
    let closed = CLOSED.iter().find(|(interface, _)| covers(interface, import));
    Err(match closed {
        Some((_, why)) => VerifyError::NotGranted(import.to_owned(), why),
        None => VerifyError::NoSuchImport(import.to_owned()),
    })
}

fn covers(interface: &str, import: &str) -> bool {
    import
        .strip_prefix(interface)
        .is_some_and(|rest| interface.ends_with('/') || rest.is_empty() || rest.starts_with('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(bytes: &[u8], expected: &str) {
        let error = verify(bytes, &HostLimits::DEFAULT).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn what_is_not_wasm_is_told_apart() {
        refused(b"hello", "file is not WebAssembly");
        refused(b"  (module)", "file is WebAssembly text");
        refused(b"\0asm", "file is broken");
        refused(b"\0asm\x01\0\0\0", "component exports nothing this host can call");
        let section = b"\0asm\x01\0\0\0\0\x14\x10component-type:xabc";
        refused(section, "core module cannot be made a component");
        refused(b"\0asm\x0d\0\x01\0", "component exports nothing this host can call");
    }

    #[test]
    fn imports_are_open_closed_or_unknown() {
        assert_eq!(check_import("wasi:cli/stdout@0.2.6"), Ok(()));
        assert_eq!(check_import("picolet:service/client@1.0.0"), Ok(()));
        assert!(matches!(check_import("wasi:sockets/tcp@0.2.0"), Err(VerifyError::NotGranted(..))));
        for unknown in ["wasi:nn/graph", "picolet:service/clientele@1.0.0", "env"] {
            assert!(matches!(check_import(unknown), Err(VerifyError::NoSuchImport(_))));
        }
    }

    #[test]
    fn versions_in_messages_are_those_of_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        let entry = format!("name = \"wit-component\"\nversion = \"{WIT_COMPONENT_VERSION}\"");
        assert!(lock.contains(&entry));
        let engine = crate::engine::wasmtime_version();
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{engine}\"")));
    }
}
