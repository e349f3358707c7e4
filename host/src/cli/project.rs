//! The project in the current directory: what builds it, and what comes of it.

use super::Failure;
use super::args::BuildArgs;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What guests in Rust are built for.
pub(super) const TARGET: &str = "wasm32-wasip2";

/// How folders are called that hold nothing but what a build makes.
const OUTPUTS: [&str; 3] = ["dist", "build", "out"];

/// A guest's sources, and the tools that they want.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) folder: PathBuf,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// A crate, or a workspace of several.
    Rust,
    /// A package whose script `build` makes this module.
    Js(Module),
}

/// What a build has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Module {
    /// What it is deployed as.
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// Where its project lies, and with it its manifest.
    folder: PathBuf,
}

/// How a build ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Built(Vec<Module>),
    /// The tools have said why, unless there is more to say.
    Failed(Option<String>),
}

/// Whether the code is made to be quick, or to be there soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    Release,
    Debug,
}

/// Who ends a build with ctrl-c.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// The terminal, together with this process.
    Shared,
    /// This process, by dropping it.
    Own,
}

impl BuildArgs {
    pub(super) fn profile(&self) -> Profile {
        if self.debug { Profile::Debug } else { Profile::Release }
    }
}

impl Project {
    /// The project that the current directory is in.
    pub(super) fn here() -> Result<Self, Failure> {
        Self::find(&std::env::current_dir().map_err(Failure::failed)?)
    }

    fn find(folder: &Path) -> Result<Self, Failure> {
        for folder in folder.ancestors() {
            let package = read_package(folder)?;
            let is_ours = |package: &Value| package.get("picolet").is_some();
            let is_crate = folder.join("Cargo.toml").exists();
            let kind = match package {
                Some(package) if is_ours(&package) || !is_crate => js(folder, &package)?,
                _ if is_crate => Kind::Rust,
                _ => continue,
            };
            return Ok(Self { folder: folder.to_owned(), kind });
        }
        Err(Failure::Failed(format!(
            "there is no Cargo.toml or package.json in {} or above; go to a project, \
             or make one with `picolet new NAME`",
            folder.display()
        )))
    }

    /// What a build writes beside the sources: files, and folders with all that
    /// is in them.
    pub(super) fn made(&self) -> Vec<PathBuf> {
        let locks = ["Cargo.lock", "package-lock.json"].map(|lock| self.folder.join(lock));
        let targets = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"].map(std::env::var_os);
        let targets = targets.into_iter().flatten().filter(|target| !target.is_empty());
        // A relative one is below where cargo is run.
        let targets = targets.map(|target| self.folder.join(target));
        let module = match &self.kind {
            Kind::Rust => None,
            Kind::Js(module) => Some(module.output().to_owned()),
        };
        locks.into_iter().chain(targets).chain(module).collect()
    }

    /// Builds it. What the tools say goes to standard error as they say it.
    pub(super) async fn build(&self, profile: Profile, group: Group) -> Result<Outcome, Failure> {
        match &self.kind {
            Kind::Rust => self.cargo(profile, group).await,
            Kind::Js(module) => self.npm(module, group).await,
        }
    }

    async fn cargo(&self, profile: Profile, group: Group) -> Result<Outcome, Failure> {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--target", TARGET, "--message-format=json-render-diagnostics"]);
        if profile == Profile::Release {
            cargo.arg("--release");
        }
        cargo.current_dir(&self.folder).stdout(Stdio::piped());
        let mut building = Building::start(&mut cargo, group).map_err(|error| {
            missing_tool("cargo", &error, "install Rust from https://rustup.rs")
        })?;
        let mut modules = Vec::new();
        if let Some(stdout) = building.child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await.map_err(Failure::failed)? {
                modules.extend(artefact(&line).and_then(|(manifest, file)| of(&manifest, file)));
            }
        }
        if !building.ended().await? {
            return Ok(Outcome::Failed(self.missing_target().await));
        }
        if modules.is_empty() {
            let text = "the crate makes no module; its Cargo.toml wants\n\
                        [lib]\ncrate-type = [\"cdylib\"]";
            return Ok(Outcome::Failed(Some(text.to_owned())));
        }
        Ok(Outcome::Built(modules))
    }

    /// What to type when the compiler has nothing to build modules with.
    async fn missing_target(&self) -> Option<String> {
        let mut rustc = Command::new("rustc");
        rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(&self.folder);
        let told = rustc.stdin(Stdio::null()).kill_on_drop(true).output().await.ok()?;
        let libraries = String::from_utf8(told.stdout).ok()?;
        let is_there = !told.status.success() || Path::new(libraries.trim()).exists();
        let text =
            || format!("the compiler has no target {TARGET}; add it: `rustup target add {TARGET}`");
        (!is_there).then(text)
    }

    async fn npm(&self, module: &Module, group: Group) -> Result<Outcome, Failure> {
        if !self.folder.join("node_modules").is_dir() {
            let text = format!(
                "the tools of this project are not installed; in {}: `npm install`",
                self.folder.display()
            );
            return Ok(Outcome::Failed(Some(text)));
        }
        let mut npm = Command::new("npm");
        npm.args(["run", "--silent", "build"]).current_dir(&self.folder);
        npm.stdout(Stdio::from(io::stderr()));
        let mut building = Building::start(&mut npm, group)
            .map_err(|error| missing_tool("npm", &error, "install Node.js"))?;
        if !building.ended().await? {
            return Ok(Outcome::Failed(None));
        }
        if !module.file.exists() {
            let text = format!(
                "its script `build` made no {}; `\"picolet\": {{\"module\": …}}` in package.json \
                 says where the module is",
                module.file.display()
            );
            return Ok(Outcome::Failed(Some(text)));
        }
        Ok(Outcome::Built(vec![module.clone()]))
    }
}

impl Module {
    /// The folder that is made together with it, or the file alone where sources
    /// may be beside it.
    fn output(&self) -> &Path {
        let folder = self.file.parent().filter(|folder| *folder != self.folder);
        let is_made = |folder: &&Path| OUTPUTS.iter().any(|name| folder.ends_with(name));
        folder.filter(is_made).unwrap_or(&self.file)
    }

    /// Its manifest, when the project has one.
    pub(super) fn manifest(&self) -> Option<PathBuf> {
        let name = format!("{}.toml", self.name);
        let places = [self.folder.join(&name), self.folder.join("deploy").join(&name)];
        places.into_iter().find(|path| path.exists())
    }
}

/// A tool that runs. Dropping it ends the tool with all that it has started, if
/// they are a group of their own.
struct Building {
    child: Child,
    group: Option<Pid>,
}

impl Building {
    fn start(command: &mut Command, group: Group) -> io::Result<Self> {
        command.stdin(Stdio::null()).kill_on_drop(true);
        if group == Group::Own {
            command.process_group(0);
        }
        let child = command.spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        Ok(Self { group: pid.filter(|_| group == Group::Own), child })
    }

    /// Whether it ended well.
    async fn ended(&mut self) -> Result<bool, Failure> {
        let status = self.child.wait().await.map_err(Failure::failed)?;
        self.group = None;
        Ok(status.success())
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn missing_tool(tool: &str, error: &io::Error, what_to_do: &str) -> Failure {
    Failure::Failed(format!("{tool} cannot be run ({error}); {what_to_do}"))
}

fn read_package(folder: &Path) -> Result<Option<Value>, Failure> {
    let path = folder.join("package.json");
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| Failure::Failed(format!("{} is not JSON: {error}", path.display()))),
        Err(_) => Ok(None),
    }
}

fn js(folder: &Path, package: &Value) -> Result<Kind, Failure> {
    let text = |pointer: &str| package.pointer(pointer).and_then(Value::as_str);
    let wrong = |what: &str| {
        let file = folder.join("package.json");
        Failure::Failed(format!("{} has no {what}; it tells what is built", file.display()))
    };
    let package_name = text("/name").ok_or_else(|| wrong("`name`"))?;
    text("/scripts/build").ok_or_else(|| wrong("script `build`"))?;
    // A scope is no part of a file's name.
    let short = package_name.rsplit('/').next().unwrap_or(package_name);
    let file = text("/picolet/module").map_or_else(|| format!("{short}.wasm"), str::to_owned);
    let file = folder.join(file);
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| short.to_owned());
    Ok(Kind::Js(Module { name, file, folder: folder.to_owned() }))
}

/// A module that cargo says it has made, and the `Cargo.toml` of its crate.
fn artefact(line: &str) -> Option<(PathBuf, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
    let list = |pointer: &str| message.pointer(pointer).and_then(Value::as_array);
    let is_module = text("/reason") == Some("compiler-artifact")
        && list("/target/crate_types")?.iter().any(|kind| kind == "cdylib");
    let mut files = list("/filenames")?.iter().filter_map(Value::as_str).map(PathBuf::from);
    let file = files.find(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    is_module.then_some((PathBuf::from(text("/manifest_path")?), file?))
}

/// The module of a crate: it is deployed by the name of its package.
fn of(manifest: &Path, file: PathBuf) -> Option<Module> {
    let text = std::fs::read_to_string(manifest).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let name = table.get("package")?.get("name")?.as_str()?.to_owned();
    Some(Module { name, file, folder: manifest.parent()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn modules_are_told_from_other_artefacts() {
        let line = |kind: &str, file: &str| {
            json!({
                "reason": "compiler-artifact", "manifest_path": "/p/Cargo.toml",
                "target": {"crate_types": [kind]}, "filenames": [file],
            })
            .to_string()
        };
        let both = |file: &str| Some((PathBuf::from("/p/Cargo.toml"), PathBuf::from(file)));
        assert_eq!(artefact(&line("cdylib", "/t/a_b.wasm")), both("/t/a_b.wasm"));
        assert_eq!(artefact(&line("cdylib", "/t/liba.so")), None);
        assert_eq!(artefact(&line("lib", "/t/liba.rlib")), None);
        assert_eq!(artefact(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(artefact("hello from a build script"), None);
    }

    #[test]
    fn a_project_is_found_from_below() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path();
        std::fs::create_dir_all(folder.join("src/deep")).unwrap();
        std::fs::write(folder.join("Cargo.toml"), "").unwrap();
        let found = Project::find(&folder.join("src/deep")).unwrap();
        assert_eq!((found.folder.as_path(), &found.kind), (folder, &Kind::Rust));
    }

    #[test]
    fn a_package_says_where_its_module_is() {
        let folder = Path::new("/p");
        let module = |name: &str| Module {
            name: name.to_owned(),
            file: folder.join(format!("{name}.wasm")),
            folder: folder.to_owned(),
        };
        let scripts = json!({"build": "node build.mjs"});
        let plain = json!({"name": "@shop/prices", "scripts": scripts});
        assert_eq!(js(folder, &plain).unwrap(), Kind::Js(module("prices")));
        let said = json!({"name": "x", "scripts": scripts, "picolet": {"module": "y.wasm"}});
        assert_eq!(js(folder, &said).unwrap(), Kind::Js(module("y")));
        assert!(js(folder, &json!({"name": "x"})).is_err());
    }

    #[test]
    fn only_folders_that_are_made_are_output() {
        let output = |file: &str| {
            let (name, folder) = ("x".to_owned(), PathBuf::from("/build"));
            let module = Module { name, file: file.into(), folder };
            module.output().to_owned()
        };
        assert_eq!(output("/build/dist/x.wasm"), Path::new("/build/dist"));
        assert_eq!(output("/build/src/x.wasm"), Path::new("/build/src/x.wasm"));
        assert_eq!(output("/build/x.wasm"), Path::new("/build/x.wasm"));
    }
}
