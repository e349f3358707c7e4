//! `picolet dev` and `picolet build`: from a save to an answer.

use crate::kit::*;
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// A project that the binary has made.
async fn project(folder: &Folder) -> PathBuf {
    let ran = run(picolet().args(["new", "first"]).current_dir(folder.beside(""))).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    folder.beside("first")
}

/// A command that builds there; what it builds is kept between runs.
fn building(project: &Path, target: &str) -> Command {
    let mut command = picolet();
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_") {
            command.env_remove(name);
        }
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(target);
    command.env("CARGO_TARGET_DIR", target).env_remove("RUSTFLAGS").current_dir(project);
    command
}

#[tokio::test]
async fn build_says_where_the_module_is() {
    let folder = Folder::empty();
    let project = project(&folder).await;
    let built = run(building(&project.join("src"), "new").arg("build")).await;
    assert_eq!(built.code, Some(0), "{built:?}");
    let module = PathBuf::from(built.stdout.trim());
    assert!(module.ends_with("wasm32-wasip2/release/first.wasm"), "{built:?}");
    let inspected = run(picolet().arg("inspect").arg(&module)).await;
    assert_eq!(inspected.code, Some(0), "{inspected:?}");

    std::fs::write(project.join("src/lib.rs"), "fn broken(").unwrap();
    let broken = run(building(&project, "new").arg("build")).await;
    assert_eq!((broken.code, broken.stdout.as_str()), (Some(1), ""), "{broken:?}");
    assert!(broken.stderr.contains("src/lib.rs:1"), "{broken:?}");
}

/// Whether a process runs this program.
fn is_named(pid: u32, name: &str) -> bool {
    let named = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    named.is_ok_and(|named| named.trim_end() == name)
}

/// Reads an address of the host that is in the process.
async fn address(log: &Log, what: &str) -> SocketAddr {
    let line = log.wait(0, |line| line.starts_with(what)).await;
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_save_is_an_answer_and_an_error_changes_nothing() {
    let folder = Folder::empty();
    let project = project(&folder).await;
    let source = project.join("src/lib.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    let mut command = building(&project, "dev");
    command.args(["dev", "--debug", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    // What is put there is below the project, and no save.
    command.args(["--dir", "services"]);
    let mut dev = command.stderr(Stdio::piped()).spawn().unwrap();
    let log = Log::follow(dev.stderr.take().unwrap());
    let services = address(&log, "listening services ").await;
    let client = Client::default();
    let ask = async || {
        let request = request("GET", services, "/first/hello/world", &[], body(""));
        client.ask(request).await.text().to_owned()
    };
    let is_served = |line: &str| line.starts_with("built in ") && line.contains(", serving in ");
    log.wait_within(4 * PATIENCE, 0, is_served).await;
    assert_eq!(ask().await, r#"{"message":"Hello world"}"#);

    let mark = log.mark();
    std::fs::write(&source, text.replace("Hello", "Hi")).unwrap();
    log.wait(mark, |line| line == "saved src/lib.rs").await;
    log.wait_within(2 * PATIENCE, mark, is_served).await;
    assert_eq!(ask().await, r#"{"message":"Hi world"}"#);

    let mark = log.mark();
    std::fs::write(&source, text.replace("Json(Greeting", "Jsn(Greeting")).unwrap();
    log.wait(mark, |line| line.contains("src/lib.rs:")).await;
    log.wait(mark, |line| line.starts_with("the build failed")).await;
    assert_eq!(ask().await, r#"{"message":"Hi world"}"#);

    // One save after the other: the last one counts.
    let mark = log.mark();
    for greeting in ["Good day", "Salut", "Moin"] {
        std::fs::write(&source, text.replace("Hello", greeting)).unwrap();
    }
    log.wait_within(2 * PATIENCE, mark, is_served).await;
    until("the last save to be served", async || {
        (ask().await == r#"{"message":"Moin world"}"#).then_some(())
    })
    .await;

    // In the middle of a build.
    let mark = log.mark();
    std::fs::write(&source, text.replace("Hello", "Bye")).unwrap();
    log.wait(mark, |line| line == "saved src/lib.rs").await;
    let tools = until("the compiler to run", async || {
        let tools = descendants(dev.id().unwrap());
        tools.iter().any(|pid| is_named(*pid, "rustc")).then_some(tools)
    })
    .await;
    let pid = i32::try_from(dev.id().unwrap()).ok().and_then(Pid::from_raw).unwrap();
    // The terminal is closed.
    kill_process(pid, Signal::HUP).unwrap();
    let status = within("dev to end", dev.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", log.lines().join("\n"));
    assert_eq!(log.panics(), Vec::<String>::new());
    let saved = |line: &String| line.starts_with("saved ") && line != "saved src/lib.rs";
    assert!(!log.lines().iter().any(saved), "{}", log.lines().join("\n"));
    until("its tools to end", async || {
        // One that has ended and is not buried yet has no program.
        let runs = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok();
        (!tools.iter().any(runs)).then_some(())
    })
    .await;
}
