//! Components made by hand: what no SDK would build.
//!
//! Their core modules differ in what they declare and in what they import;
//! those that are always the same are files, see [`super::hand_made`].

use super::hand_made::encoded;
use std::fmt::Write;

/// What the component tells of itself.
pub(crate) struct Declaration {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) root: String,
    /// Name, verb and pattern of each method.
    pub(crate) methods: Vec<(String, String, String)>,
}

impl Default for Declaration {
    fn default() -> Self {
        Self {
            name: "odd".into(),
            version: "1.0.0".into(),
            root: "/odd".into(),
            methods: vec![("one".into(), "GET".into(), "/one".into())],
        }
    }
}

/// A component to be.
pub(crate) struct Component {
    world: String,
    packages: String,
    core: String,
}

const SCHEMAS: &str = "picolet:service/schemas@1.0.0";
const SERVICE: &str = "picolet:service/service@1.0.0";
/// Where the declaration lies in memory.
const START: usize = 16;

impl Component {
    /// A service whose `describe` is these instructions; it leaves the address
    /// of a declaration.
    pub(crate) fn describing(instructions: &str) -> Self {
        Self::service(&Declaration::default(), instructions)
    }

    /// A service that declares this.
    pub(crate) fn declaring(declaration: &Declaration) -> Self {
        Self::service(declaration, &format!("i32.const {START}"))
    }

    /// A sound component of a world that no host knows.
    pub(crate) fn stranger() -> Self {
        Self {
            world: "export acme:things/thing@1.0.0;".into(),
            packages: "package acme:things@1.0.0 { interface thing { go: func(); } }".into(),
            core: r#"(func (export "acme:things/thing@1.0.0#go"))"#.into(),
        }
    }

    fn service(declaration: &Declaration, instructions: &str) -> Self {
        let data = layout(declaration);
        let pages = (START + data.len()).div_ceil(1 << 16);
        let mut core = format!("(memory (export \"memory\") {pages}) (data (i32.const {START}) \"");
        for byte in data {
            write!(core, "\\{byte:02x}").unwrap();
        }
        let handle = format!("[async-lift]{SERVICE}#handle");
        write!(
            core,
            r#"")
            (func (export "{SERVICE}#describe") (result i32) {instructions})
            (func (export "{handle}") (param i32 i64 i32 i32 i32 i32 i32) (result i32)
                unreachable)
            (func (export "[callback]{handle}") (param i32 i32 i32) (result i32) unreachable)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#
        )
        .unwrap();
        Self { world: format!("export {SERVICE};"), packages: String::new(), core }
    }

    /// The same with an import: a function without parameters and results.
    pub(crate) fn importing(mut self, package: &str, interface: &str) -> Self {
        let (name, version) = package.split_once('@').expect("a package with its version");
        write!(self.world, "import {name}/{interface}@{version};").unwrap();
        write!(self.packages, "package {package} {{ interface {interface} {{ go: func(); }} }}")
            .unwrap();
        let import = format!(r#"(import "{name}/{interface}@{version}" "go" (func))"#);
        self.core.insert_str(0, &import);
        self
    }

    /// The same with schemas to tell: the index of the method, that of the part,
    /// the content type and the schema. They lie in memory of their own.
    pub(crate) fn telling(mut self, shapes: &[(u32, u8, &str, &str)]) -> Self {
        const SHAPE: usize = 24;
        let (before, after) = self.core.split_once("\"memory\") ").expect("it has a memory");
        let (pages, after) = after.split_once(')').expect("the memory has a size");
        let at = pages.parse::<usize>().unwrap() << 16;
        let mut texts: Vec<u8> = Vec::new();
        let texts_at = at + 8 + SHAPE * shapes.len();
        let mut words = vec![at + 8, shapes.len()];
        for (method, part, content_type, schema) in shapes {
            words.extend([*method as usize, usize::from(*part)]);
            for text in [content_type, schema] {
                words.extend([texts_at + texts.len(), text.len()]);
                texts.extend(text.as_bytes());
            }
        }
        let mut data = le_bytes(&words);
        data.extend(texts);
        let pages = (at + data.len()).div_ceil(1 << 16);
        self.core = format!("{before}\"memory\") {pages}){after}(data (i32.const {at}) \"");
        for byte in data {
            write!(self.core, "\\{byte:02x}").unwrap();
        }
        write!(self.core, "\") (func (export \"{SCHEMAS}#schemas\") (result i32) i32.const {at})")
            .unwrap();
        write!(self.world, "export {SCHEMAS};").unwrap();
        self
    }

    /// The same with a start function of these instructions.
    pub(crate) fn starting(mut self, instructions: &str) -> Self {
        write!(self.core, "(func $start {instructions}) (start $start)").unwrap();
        self
    }

    /// The same with so many functions more, each with something to compile.
    pub(crate) fn with_functions(mut self, count: usize) -> Self {
        let function = "(func (param i32) (result i32) local.get 0 i32.const 7 i32.mul)";
        self.core.push_str(&function.repeat(count));
        self
    }

    /// The same with a memory of 4 GiB from the start.
    pub(crate) fn with_all_memory(mut self) -> Self {
        let (before, after) = self.core.split_once("\"memory\") ").expect("it has a memory");
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        self.core = format!("{before}\"memory\") 65536{after}");
        self
    }

    /// The component itself.
    #[track_caller]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        encoded(&self.world, &self.packages, &format!("(module {})", self.core)).unwrap()
    }
}

/// A module or component that no encoder made, from its text.
#[track_caller]
pub(crate) fn assembled(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A declaration as the canonical ABI has it in memory, from [`START`] on.
fn layout(declaration: &Declaration) -> Vec<u8> {
    const HEAD: usize = 48;
    const METHOD: usize = 40;
    let mut texts: Vec<u8> = Vec::new();
    let texts_at = START + HEAD + METHOD * declaration.methods.len();
    let mut text = |text: &str| {
        let words = [texts_at + texts.len(), text.len()];
        texts.extend(text.as_bytes());
        words
    };
    let nothing = [0, 0];
    let mut words = Vec::new();
    words.extend(text(&declaration.name));
    words.extend(text(&declaration.version));
    words.extend(text(&declaration.root));
    words.extend(nothing);
    words.extend(nothing);
    words.extend([START + HEAD, declaration.methods.len()]);
    for (name, verb, pattern) in &declaration.methods {
        for part in [name, verb, pattern] {
            words.extend(text(part));
        }
        words.extend(nothing);
        words.extend(nothing);
    }
    let mut bytes = le_bytes(&words);
    bytes.extend(texts);
    bytes
}

/// Numbers of 32 bits as they lie in memory.
fn le_bytes(words: &[usize]) -> Vec<u8> {
    words.iter().flat_map(|word| u32::try_from(*word).unwrap().to_le_bytes()).collect()
}
