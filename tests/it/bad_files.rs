//! Files that are no modules, in name or in kind, and files that go while they
//! are looked at.

use crate::kit::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

const HELLO: &str = r#"{"message":"Hello 🌍","from":"pico","result":42}"#;

async fn adds(host: &Host) {
    answers(&host.get("/api/add/40/2").await, 200, HELLO);
}

#[tokio::test]
async fn the_name_of_the_settings_is_no_module() {
    let host = Host::of(&["calc"]).await;
    host.folder.put("picolet.wasm", guest("echo"));
    refuses(&host, 0, "picolet.wasm", "").await;
    adds(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let host = Host::of(&["calc"]).await;
    fs::create_dir(host.folder.path("dir.wasm")).unwrap();
    refuses(&host, 0, "dir.wasm", "").await;
    mknodat(CWD, host.folder.path("pipe.wasm"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    refuses(&host, 0, "pipe.wasm", "").await;
    let _socket = UnixListener::bind(host.folder.path("socket.wasm")).unwrap();
    refuses(&host, 0, "socket.wasm", "").await;
    adds(&host).await;
    host.folder.put("echo.wasm", guest("echo"));
    host.line("serving echo").await;
    host.stop().await;
}

#[tokio::test]
async fn links_that_lead_nowhere_or_out_are_refused() {
    let host = Host::of(&["calc"]).await;
    symlink("nowhere.wasm", host.folder.path("dangling.wasm")).unwrap();
    refuses(&host, 0, "dangling.wasm", "").await;
    symlink("circle.wasm", host.folder.path("circle.wasm")).unwrap();
    refuses(&host, 0, "circle.wasm", "").await;
    fs::write(host.folder.beside("outside.wasm"), guest("echo")).unwrap();
    symlink("../outside.wasm", host.folder.path("out.wasm")).unwrap();
    refuses(&host, 0, "out.wasm", "").await;
    symlink("/dev/zero", host.folder.path("zero.wasm")).unwrap();
    refuses(&host, 0, "zero.wasm", "").await;
    faults(&host.get("/echo/x").await, 404, &["no-route"]);
    adds(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_refused() {
    let folder = Folder::of(&["calc"]);
    let path = folder.path("secret.wasm");
    folder.put("secret.wasm", guest("echo"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let is_readable = fs::read(&path).is_ok();
    let host = Host::over(folder).await;
    if is_readable {
        // Root reads everything: then it is a module like any other.
        host.line("serving echo").await;
    } else {
        refuses(&host, 0, "secret.wasm", "").await;
    }
    adds(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_file_deleted_while_it_compiles_is_not_served() {
    let host = Launch::over(Folder::of(&["calc"])).own_state().start().await;
    let slow = Component::declaring(&Declaration::default()).with_functions(40_000).bytes();
    host.folder.put("slow.wasm", slow);
    until("the compiler", async || (0 < children(host.pid())).then_some(())).await;
    host.folder.remove("slow.wasm");
    adds(&host).await;
    host.folder.put("echo.wasm", guest("echo"));
    host.line("serving echo").await;
    until("the compiler to end", async || (children(host.pid()) == 0).then_some(())).await;
    faults(&host.get("/odd/one").await, 404, &["no-route"]);
    host.stop().await;
}

#[tokio::test]
async fn what_was_deleted_while_it_compiled_does_not_come_back_over_its_successor() {
    let host = Launch::over(Folder::empty()).own_state().start().await;
    let slow = Component::declaring(&Declaration::default()).with_functions(40_000).bytes();
    host.folder.put("calc.wasm", slow);
    until("the compiler", async || (0 < children(host.pid())).then_some(())).await;
    host.folder.remove("calc.wasm");
    host.folder.put("echo.wasm", guest("echo"));
    host.line("serving echo").await;
    host.folder.put("calc.wasm", guest("calc"));
    host.line("serving calc").await;
    until("the compiler to end", async || (children(host.pid()) == 0).then_some(())).await;
    host.folder.put("ticker.wasm", guest("ticker"));
    host.line("serving ticker").await;
    adds(&host).await;
    faults(&host.get("/odd/one").await, 404, &["no-route"]);
    host.stop().await;
}

fn children(pid: u32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).ok();
    tasks.flatten().filter_map(of).map(|list| list.split_whitespace().count()).sum()
}

#[tokio::test]
async fn odd_names_of_files_do_no_harm() {
    let folder = Folder::of(&["calc"]);
    let names =
        ["a b.wasm", "%2e%2e.wasm", "<script>.wasm", "line\nbreak.wasm", "ü.wasm", "..wasm"];
    for name in names {
        folder.write(name, guest("hello-wasi2"));
    }
    folder.write(&format!("{}.wasm", "x".repeat(250)), guest("hello-wasi2"));
    let host = Host::over(folder).await;
    adds(&host).await;
    let lines = host.log.lines();
    assert!(!lines.iter().any(|line| line.starts_with("break.wasm")), "a name broke its line");
    host.stop().await;
}

#[tokio::test]
async fn refusals_can_be_read_from_the_admin_side_and_the_command_line() {
    let host = Host::of(&["calc"]).await;
    host.folder.put("broken.wasm", "");
    refuses(&host, 0, "broken.wasm", "").await;
    let url = format!("http://{}", host.admin);
    let ran = run(picolet().args(["services", "--host", &url])).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("broken.wasm"), "{ran:?}");
    host.stop().await;
}
