//! A project that the binary makes builds anywhere and is served.

use crate::kit::*;
use std::path::Path;

async fn build(project: &Path) -> Ran {
    // Outside of the repository, but its artefacts are kept between runs.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new");
    let mut cargo = command("cargo");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_") {
            cargo.env_remove(name);
        }
    }
    cargo.args(["build", "--release", "--target", "wasm32-wasip2"]).env("CARGO_TARGET_DIR", target);
    run(cargo.env_remove("RUSTFLAGS").current_dir(project)).await
}

#[tokio::test]
async fn a_new_project_builds_outside_the_repository_and_is_served() {
    let folder = Folder::empty();
    let ran = run(picolet().args(["new", "first"]).current_dir(folder.beside(""))).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let project = folder.beside("first");
    let built = build(&project).await;
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let module =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("new/wasm32-wasip2/release/first.wasm");
    let host = Host::over(folder).await;
    host.folder.put("first.wasm", std::fs::read(module).unwrap());
    host.line("serving first").await;
    host.stop().await;
}

#[tokio::test]
async fn a_new_project_never_overwrites() {
    let folder = Folder::empty();
    std::fs::create_dir(folder.beside("first")).unwrap();
    std::fs::write(folder.beside("first/Cargo.toml"), "precious").unwrap();
    let ran = run(picolet().args(["new", "first"]).current_dir(folder.beside(""))).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("first"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(folder.beside("first/Cargo.toml")).unwrap(), "precious");
}

#[tokio::test]
async fn a_name_that_is_no_name_is_refused() {
    let folder = Folder::empty();
    for name in ["", "../up", "a b", "1st", "-"] {
        let ran = run(picolet().args(["new", "--", name]).current_dir(folder.beside(""))).await;
        assert!([Some(1), Some(2)].contains(&ran.code), "{name:?}: {ran:?}");
    }
    for name in ["picolet", "picolet-sdk", "picolet_sdk_macros"] {
        let ran = run(picolet().args(["new", name]).current_dir(folder.beside(""))).await;
        assert_eq!(ran.code, Some(2), "{name:?}: {ran:?}");
        assert!(ran.stderr.contains("reserved"), "{name:?}: {ran:?}");
        assert!(!folder.beside(name).exists(), "{name:?}");
    }
}

#[tokio::test]
async fn an_sdk_that_is_none_is_told_and_nothing_is_made() {
    let folder = Folder::empty();
    for sdk in ["missing", "."] {
        let new = ["new", "first", "--sdk", sdk];
        let ran = run(picolet().args(new).current_dir(folder.beside(""))).await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(&format!("--sdk {sdk}")), "{ran:?}");
        assert!(!folder.beside("first").exists());
    }
}
