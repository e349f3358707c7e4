//! The watched folder: what comes, what goes, and every way of writing.

use crate::kit::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

const HELLO: &str = r#"{"message":"Hello 🌍","from":"pico","result":42}"#;
const HELLO2: &str = r#"{"message":"Hello 🌍","from":"pico2","result":42}"#;

async fn adds(host: &Host, expected: &str) {
    answers(&host.get("/api/add/40/2").await, 200, expected);
}

#[tokio::test]
async fn an_empty_folder_is_ready_and_says_what_to_do() {
    let host = Host::of(&[]).await;
    let advice = host.log.wait(0, |line| line.contains(".wasm")).await;
    assert!(advice.contains(&*host.folder.watched().to_string_lossy()), "{advice}");
    assert_eq!(host.admin("GET", "/readyz", "").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn a_file_that_comes_is_served_and_one_that_goes_is_gone() {
    let host = Host::of(&[]).await;
    host.folder.put("calc.wasm", guest("calc"));
    let line = host.line("serving calc 1.0.0 (sha256:*) at /api in * ms").await;
    adds(&host, HELLO).await;
    host.folder.remove("calc.wasm");
    host.line("removed calc").await;
    faults(&host.get("/api/add/40/2").await, 404, &["no-route"]);
    let mark = host.log.mark();
    host.folder.put("calc.wasm", guest("calc"));
    assert_ne!(host.line_from(mark, "serving calc").await, "", "{line}");
    adds(&host, HELLO).await;
    host.stop().await;
}

#[tokio::test]
async fn ready_comes_after_everything_that_was_there() {
    let host = Host::of(&["calc", "echo", "greeter", "ticker"]).await;
    let lines = host.log.lines();
    let at = |word: &str| lines.iter().position(|line| line.contains(word)).expect(word);
    for service in ["serving calc", "serving echo", "serving go.micro", "serving ticker"] {
        assert!(at(service) < at("ready"), "{service}\n{}", lines.join("\n"));
    }
    assert!(at("listening services") < at("serving calc"));
    assert!(at("listening admin") < at("serving calc"));
    host.stop().await;
}

/// Replaces `calc` by its next build in one way of writing.
async fn check_write(write: impl FnOnce(&Folder, &[u8])) {
    let host = Host::of(&["calc"]).await;
    adds(&host, HELLO).await;
    write(&host.folder, &guest("calc2"));
    host.line("swapped calc").await;
    adds(&host, HELLO2).await;
    assert_eq!(host.count("refused"), 0, "a half-written file was loaded");
    host.stop().await;
}

#[tokio::test]
async fn a_file_moved_over_it_replaces_it() {
    check_write(|folder, bytes| folder.put("calc.wasm", bytes)).await;
}

#[tokio::test]
async fn a_file_copied_over_it_replaces_it() {
    check_write(|folder, bytes| folder.write("calc.wasm", bytes)).await;
}

#[tokio::test]
async fn a_hidden_file_renamed_over_it_replaces_it() {
    // As rsync does.
    check_write(|folder, bytes| {
        folder.write(".calc.wasm.Xq3f9A", bytes);
        fs::rename(folder.path(".calc.wasm.Xq3f9A"), folder.path("calc.wasm")).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_backup_first_and_then_a_new_file_replaces_it() {
    // As editors do.
    check_write(|folder, bytes| {
        folder.write("4913", "");
        folder.remove("4913");
        fs::rename(folder.path("calc.wasm"), folder.path("calc.wasm~")).unwrap();
        folder.write("calc.wasm", bytes);
        folder.remove("calc.wasm~");
    })
    .await;
}

#[tokio::test]
async fn a_file_written_piece_by_piece_is_loaded_once_it_is_whole() {
    check_write(|folder, bytes| {
        let mut file = fs::File::create(folder.path("calc.wasm")).unwrap();
        for piece in bytes.chunks(1 << 12) {
            file.write_all(piece).unwrap();
            file.sync_all().unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_left_half_written_waits_for_its_other_half() {
    let host = Host::of(&["calc"]).await;
    let bytes = guest("calc2");
    let (half, other) = bytes.split_at(bytes.len() / 2);
    let mut file = fs::File::create(host.folder.path("calc.wasm")).unwrap();
    file.write_all(half).unwrap();
    // Another file that comes and goes shows that the host has looked.
    host.folder.put("echo.wasm", guest("echo"));
    host.line("serving echo").await;
    adds(&host, HELLO).await;
    file.write_all(other).unwrap();
    drop(file);
    host.line("swapped calc").await;
    adds(&host, HELLO2).await;
    assert_eq!(host.count("refused"), 0);
    host.stop().await;
}

#[tokio::test]
async fn the_symlink_swap_of_a_config_map_replaces_it() {
    let folder = Folder::empty();
    for (version, name) in [("..v1", "calc"), ("..v2", "calc2")] {
        fs::create_dir(folder.path(version)).unwrap();
        folder.write(&format!("{version}/calc.wasm"), guest(name));
    }
    symlink("..v1", folder.path("..data")).unwrap();
    symlink("..data/calc.wasm", folder.path("calc.wasm")).unwrap();
    let host = Host::over(folder).await;
    adds(&host, HELLO).await;
    symlink("..v2", host.folder.path("..data_tmp")).unwrap();
    fs::rename(host.folder.path("..data_tmp"), host.folder.path("..data")).unwrap();
    host.line("swapped calc").await;
    adds(&host, HELLO2).await;
    fs::remove_dir_all(host.folder.path("..v1")).unwrap();
    host.folder.put("echo.wasm", guest("echo"));
    host.line("serving echo").await;
    adds(&host, HELLO2).await;
    host.stop().await;
}

#[tokio::test]
async fn a_link_may_lead_within_the_folder() {
    let folder = Folder::empty();
    fs::create_dir(folder.path("builds")).unwrap();
    folder.write("builds/calc.wasm", guest("calc"));
    symlink("builds/calc.wasm", folder.path("calc.wasm")).unwrap();
    let host = Host::over(folder).await;
    adds(&host, HELLO).await;
    host.stop().await;
}

#[tokio::test]
async fn a_link_may_lead_out_when_the_settings_say_so() {
    let folder = Folder::empty().with("picolet.toml", "links_out = true");
    fs::write(folder.beside("elsewhere.wasm"), guest("calc")).unwrap();
    symlink(folder.beside("elsewhere.wasm"), folder.path("calc.wasm")).unwrap();
    let host = Host::over(folder).await;
    adds(&host, HELLO).await;
    host.stop().await;
}

#[tokio::test]
async fn hidden_files_backups_and_subfolders_are_no_modules() {
    let folder = Folder::of(&["calc"]);
    for file in [".echo.wasm", "echo.wasm~", "echo.wasm.bak", "notes.txt"] {
        folder.write(file, guest("echo"));
    }
    fs::create_dir(folder.path("sub")).unwrap();
    folder.write("sub/echo.wasm", guest("echo"));
    let host = Host::over(folder).await;
    assert_eq!((host.count("serving"), host.count("refused")), (1, 0));
    host.stop().await;
}

#[tokio::test]
async fn saving_a_manifest_reloads_its_module() {
    let host = Host::of(&["hello-wasi2"]).await;
    answers(&host.get("/hello-wasi2").await, 200, "Hello from wasi:http 0.2 at /hello-wasi2\n");
    host.folder.write("hello-wasi2.toml", "root = \"/moved\"\nname = \"moved\"");
    until("the new root", async || (host.get("/moved").await.status == 200).then_some(())).await;
    faults(&host.get("/hello-wasi2").await, 404, &["no-route"]);
    host.folder.remove("hello-wasi2.toml");
    until("the old root", async || (host.get("/hello-wasi2").await.status == 200).then_some(()))
        .await;
    faults(&host.get("/moved").await, 404, &["no-route"]);
    host.stop().await;
}

#[tokio::test]
async fn a_manifest_with_a_mistake_changes_nothing_until_it_is_mended() {
    let host = Host::of(&["calc"]).await;
    host.folder.put("calc.toml", "vresion = \"1.0.0\"");
    let line = host.line("refused calc.").await;
    assert!(line.contains("vresion"), "{line}");
    adds(&host, HELLO).await;
    let mark = host.log.mark();
    host.folder.put("calc.toml", "version = \"1.0.0\"");
    host.log
        .wait(mark, |line| line.contains("swapped calc") || line.contains("serving calc"))
        .await;
    adds(&host, HELLO).await;
    host.stop().await;
}

#[tokio::test]
async fn three_hundred_modules_at_once_are_all_served() {
    let host = Host::of(&[]).await;
    let bytes = guest("hello-wasi2");
    for n in 0..300 {
        host.folder.write(&format!("m{n:03}.wasm"), &bytes);
    }
    for n in 0..300 {
        host.line(&format!("serving m{n:03} ")).await;
    }
    for n in [0, 1, 150, 299] {
        let path = format!("/m{n:03}");
        answers(&host.get(&path).await, 200, &format!("Hello from wasi:http 0.2 at {path}\n"));
    }
    let health = json(&host.get("/healthcheck").await, 200);
    assert_eq!(health["services"].as_array().map(Vec::len), Some(300));
    for n in 0..300 {
        host.folder.remove(&format!("m{n:03}.wasm"));
    }
    for n in 0..300 {
        host.line(&format!("removed m{n:03}")).await;
    }
    faults(&host.get("/m000").await, 404, &["no-route"]);
    host.stop().await;
}

#[tokio::test]
async fn a_folder_that_disappears_and_returns_is_watched_again() {
    let host = Host::of(&["calc"]).await;
    let watched = host.folder.watched();
    fs::rename(&watched, host.folder.beside("away")).unwrap();
    assert_eq!(host.get("/healthcheck").await.status, 200);
    fs::create_dir(&watched).unwrap();
    host.folder.put("echo.wasm", guest("echo"));
    until("the new folder", async || (host.get("/echo/hello").await.status == 200).then_some(()))
        .await;
    host.stop().await;
}
