//! `picolet new`: a guest project that builds, with the SDK beside it.
//!
//! The SDK is in no registry, so this binary carries it and writes it into the
//! project as a path dependency.

mod js;

use super::args::{Language, NewArgs};
use super::{Failure, print};
use crate::name::Name;
use include_dir::{Dir, include_dir};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

static SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../guest-sdk");
static WIT: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../wit");
const WORKSPACE: &str = include_str!("../../../Cargo.toml");

/// Names of crates that a project could not have beside its own.
const RESERVED: [&str; 3] = ["picolet", "picolet-sdk", "picolet-sdk-macros"];
/// Parts of the SDK that a project does not need.
const LEFT_OUT: [&str; 2] = ["tests", "target"];

pub(super) fn new(args: &NewArgs) -> Result<(), Failure> {
    check_name(&args.name)?;
    let sdk = args.sdk.as_deref().map(find_sdk).transpose()?;
    let project = PathBuf::from(&args.name);
    if project.exists() {
        let text = format!("{} is already there; choose another name", project.display());
        return Err(Failure::Failed(text));
    }
    let written = match args.lang {
        Language::Rust => write_rust(&project, &args.name, sdk),
        Language::Js => js::write(&project, &args.name),
    };
    written
        .map_err(|error| Failure::Failed(format!("cannot write {}: {error}", project.display())))?;
    print_next(args);
    Ok(())
}

/// The SDK that is to be used instead of that of the binary.
fn find_sdk(folder: &Path) -> Result<String, Failure> {
    let wrong = |why: &dyn Display| {
        let folder = folder.display();
        let text = format!("--sdk {folder} is no SDK ({why}); it is a folder such as guest-sdk");
        Failure::Failed(text)
    };
    let whole = fs::canonicalize(folder).map_err(|error| wrong(&error))?;
    if !whole.join("Cargo.toml").is_file() {
        return Err(wrong(&"it has no Cargo.toml"));
    }
    Ok(whole.display().to_string())
}

fn write_rust(project: &Path, name: &str, sdk: Option<String>) -> std::io::Result<()> {
    let sdk = match sdk {
        Some(path) => path,
        None => {
            write_sdk(&project.join("picolet-sdk"))?;
            "picolet-sdk/guest-sdk".to_owned()
        }
    };
    fs::create_dir_all(project.join("src"))?;
    fs::write(project.join("Cargo.toml"), manifest(name, &sdk))?;
    fs::write(project.join("src/lib.rs"), source(name))?;
    fs::write(project.join(".gitignore"), "target/\n")
}

fn print_next(args: &NewArgs) {
    let name = &args.name;
    print(&format!("made {name}/; next:"));
    print(&format!("  cd {name}"));
    if matches!(args.lang, Language::Js) {
        print("  npm install");
    }
    print("  picolet dev        # builds on each save, and serves");
    print(&format!("  curl http://127.0.0.1:8080/{name}/hello/world"));
}

/// A name that is both a service's and a package's.
fn check_name(name: &str) -> Result<(), Failure> {
    let usage = |text: String| Failure::Usage(vec![text]);
    Name::parse(name).map_err(|error| usage(format!("name {name:?} {error}")))?;
    let is_package = name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('.');
    if !is_package {
        let text =
            format!("name {name:?} cannot be a package's; begin with a letter, use a-z 0-9 _ -");
        return Err(usage(text));
    }
    // To the compiler they are the same.
    if RESERVED.contains(&name.to_lowercase().replace('_', "-").as_str()) {
        let text = format!("name {name:?} is reserved for crates of Picolet; choose another");
        return Err(usage(text));
    }
    Ok(())
}

fn write_sdk(folder: &Path) -> std::io::Result<()> {
    write_dir(&SDK, &folder.join("guest-sdk"))?;
    write_dir(&WIT, &folder.join("wit"))?;
    fs::write(folder.join("Cargo.toml"), sdk_workspace())
}

fn write_dir(dir: &Dir<'static>, into: &Path) -> std::io::Result<()> {
    for entry in dir.entries() {
        let name = entry.path().file_name().unwrap_or_default();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        match entry {
            include_dir::DirEntry::Dir(inner) => write_dir(inner, &into.join(name))?,
            include_dir::DirEntry::File(file) => {
                fs::create_dir_all(into)?;
                fs::write(into.join(name), file.contents())?;
            }
        }
    }
    Ok(())
}

/// The workspace that the SDK inherits from: this project's own, with the
/// SDK's crates alone.
fn sdk_workspace() -> String {
    let mut root: toml::Table = WORKSPACE.parse().unwrap_or_default();
    root.retain(|key, _| key == "workspace");
    if let Some(workspace) = root.get_mut("workspace").and_then(toml::Value::as_table_mut) {
        workspace.remove("default-members");
        workspace.remove("exclude");
        let members = ["guest-sdk", "guest-sdk/macros"].map(toml::Value::from);
        workspace.insert("members".to_owned(), toml::Value::from(members.to_vec()));
    }
    root.to_string()
}

fn manifest(name: &str, sdk: &str) -> String {
    format!(
        r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

[dependencies]
picolet-sdk = {{ path = "{sdk}" }}
serde = {{ version = "1", features = ["derive"] }}

[profile.release]
opt-level = 2
lto = true
codegen-units = 1
strip = true

# A project of its own, wherever it lies.
[workspace]
exclude = ["picolet-sdk"]
"#
    )
}

fn source(name: &str) -> String {
    format!(
        r#"//! The service `{name}`.

use picolet_sdk::prelude::*;

#[derive(Serialize)]
struct Greeting {{
    message: String,
}}

#[service(root = "/{name}")]
mod handlers {{
    /// Greets somebody.
    #[get("/hello/{{name}}")]
    async fn hello(Path(name): Path<String>) -> Json<Greeting> {{
        Json(Greeting {{ message: format!("Hello {{name}}") }})
    }}
}}
"#
    )
}
