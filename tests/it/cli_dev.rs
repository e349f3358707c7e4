//! `picolet dev` and `picolet build`: from a save to an answer.

use crate::kit::*;
use rustix::process::{Pid, Signal, kill_process};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;
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

#[tokio::test]
async fn dev_beside_a_host_says_how_to_deploy_to_that() {
    let folder = Folder::empty();
    let project = project(&folder).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut dev = building(&project, "dev");
    let ran = run(dev.args(["dev", "--listen", &address, "--admin", "127.0.0.1:0"])).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for word in [address.as_str(), "--listen", "`picolet dev --host http://127.0.0.1:9099`"] {
        assert!(ran.stderr.contains(word), "{word:?} is missing in {ran:?}");
    }
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

/// A time as people read it, in milliseconds.
fn milliseconds(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once(' ')?;
    let number: f64 = number.parse().ok()?;
    match unit {
        "ms" => Some(number),
        "s" => Some(number * 1e3),
        _ => None,
    }
}

/// How long it took to build and to serve, of a line that tells it.
fn times(line: &str) -> Option<[f64; 2]> {
    let (built, served) = line.strip_prefix("built in ")?.split_once(", serving in ")?;
    Some([milliseconds(built)?, milliseconds(served)?])
}

/// Waits until something new is served, and looks at the times that are told of
/// it: they are a part of what has passed since it was saved.
async fn is_served(log: &Log, mark: usize, since: Instant) {
    let line = log.wait_within(4 * PATIENCE, mark, |line| times(line).is_some()).await;
    let passed = since.elapsed().as_secs_f64() * 1e3;
    let [built, served] = times(&line).unwrap();
    // Of seconds, hundredths are told.
    assert!(0.0 < built && built + served < passed + 10.0, "{line:?} after {passed} ms");
}

/// What is told of the saves of this test.
const SAVES: [&str; 2] = ["saved src/lib.rs", "saved first.toml"];

/// Tells a process that its terminal is closed.
fn hang_up(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
}

/// What is refused is no more served when it is saved once more, and is told
/// each time.
async fn is_refused_and_comes_back(log: &Log, project: &Path) {
    let manifest = project.join("first.toml");
    for _ in 0..2 {
        let mark = log.mark();
        std::fs::write(&manifest, "root = \"no\"\n").unwrap();
        log.wait(mark, |line| line == "saved first.toml").await;
        let is_told = |line: &str| line.contains(", but first is not served: ");
        log.wait_within(4 * PATIENCE, mark, is_told).await;
    }
    let (mark, since) = (log.mark(), Instant::now());
    std::fs::remove_file(&manifest).unwrap();
    is_served(log, mark, since).await;
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
    let since = Instant::now();
    let mut dev = command.stderr(Stdio::piped()).spawn().unwrap();
    let log = Log::follow(dev.stderr.take().unwrap());
    let services = address(&log, "listening services ").await;
    let client = Client::default();
    let ask = async || {
        let request = request("GET", services, "/first/hello/world", &[], body(""));
        client.ask(request).await.text().to_owned()
    };
    is_served(&log, 0, since).await;
    assert_eq!(ask().await, r#"{"message":"Hello world"}"#);

    let (mark, since) = (log.mark(), Instant::now());
    std::fs::write(&source, text.replace("Hello", "Hi")).unwrap();
    log.wait(mark, |line| line == "saved src/lib.rs").await;
    is_served(&log, mark, since).await;
    assert_eq!(ask().await, r#"{"message":"Hi world"}"#);

    let mark = log.mark();
    std::fs::write(&source, text.replace("Json(Greeting", "Jsn(Greeting")).unwrap();
    let wrong = text.lines().position(|line| line.contains("Json(Greeting")).unwrap() + 1;
    log.wait(mark, |line| line.contains("error") && line.contains("Jsn")).await;
    log.wait(mark, |line| line.contains(&format!("src/lib.rs:{wrong}:"))).await;
    log.wait(mark, |line| line.starts_with("the build failed")).await;
    assert!(log.lines().iter().skip(mark).all(|line| !line.starts_with("built in ")));
    assert_eq!(ask().await, r#"{"message":"Hi world"}"#);

    // One save after the other: the last one counts.
    let (mark, since) = (log.mark(), Instant::now());
    for greeting in ["Good day", "Salut", "Moin"] {
        std::fs::write(&source, text.replace("Hello", greeting)).unwrap();
    }
    is_served(&log, mark, since).await;
    until("the last save to be served", async || {
        (ask().await == r#"{"message":"Moin world"}"#).then_some(())
    })
    .await;

    is_refused_and_comes_back(&log, &project).await;

    // In the middle of a build.
    let mark = log.mark();
    std::fs::write(&source, text.replace("Hello", "Bye")).unwrap();
    log.wait(mark, |line| line == "saved src/lib.rs").await;
    let tools = until("the compiler to run", async || {
        let tools = descendants(dev.id().unwrap());
        tools.iter().any(|pid| is_named(*pid, "rustc")).then_some(tools)
    })
    .await;
    hang_up(dev.id().unwrap());
    let status = within("dev to end", dev.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", log.lines().join("\n"));
    assert_eq!(log.panics(), Vec::<String>::new());
    let saved = |line: &String| line.starts_with("saved ") && !SAVES.contains(&line.as_str());
    assert!(!log.lines().iter().any(saved), "{}", log.lines().join("\n"));
    until("its tools to end", async || {
        // One that has ended and is not buried yet has no program.
        let runs = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok();
        (!tools.iter().any(runs)).then_some(())
    })
    .await;
}
