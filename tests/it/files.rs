//! Folders that manifests grant, and the ways out of them that are none.

use crate::kit::*;
use std::os::unix::fs::symlink;

async fn read(host: &Host, path: &str) -> Reply {
    host.get(&format!("/keeper/file?path={path}")).await
}

async fn write(host: &Host, path: &str, text: &str) -> Reply {
    host.send("PUT", &format!("/keeper/file?path={path}"), &[], text).await
}

fn folder(manifest: &str) -> Folder {
    let folder = Folder::of(&["keeper"]).with("keeper.toml", manifest);
    for (name, text) in [("assets", "an asset"), ("work", "a draft"), ("other", "not for you")] {
        std::fs::create_dir_all(folder.path(&format!("{name}/deep"))).unwrap();
        std::fs::write(folder.path(&format!("{name}/file")), text).unwrap();
        std::fs::write(folder.path(&format!("{name}/deep/file")), text).unwrap();
    }
    folder
}

#[tokio::test]
async fn a_granted_folder_is_read_and_only_written_to_when_that_is_said() {
    let host = Host::over(folder("[grants]\nfiles = [\"assets\", \"work:rw\"]")).await;
    answers(&read(&host, "/assets/file").await, 200, "an asset");
    answers(&read(&host, "assets/deep/file").await, 200, "an asset");
    faults(&write(&host, "/assets/file", "x").await, 403, &["forbidden"]);
    faults(&write(&host, "/assets/new", "x").await, 403, &["forbidden"]);
    assert_eq!(write(&host, "/work/new", "written").await.status, 204);
    answers(&read(&host, "/work/new").await, 200, "written");
    std::fs::write(host.folder.path("assets/file"), "changed").unwrap();
    answers(&read(&host, "/assets/file").await, 200, "changed");
    host.stop().await;
}

#[tokio::test]
async fn nothing_leads_out_of_a_granted_folder() {
    let folder = folder("[grants]\nfiles = [\"assets\", \"work:rw\"]");
    let outside = folder.path("other/file");
    symlink(&outside, folder.path("assets/absolute")).unwrap();
    symlink("../other/file", folder.path("assets/relative")).unwrap();
    symlink("../other", folder.path("assets/door")).unwrap();
    symlink("deep/../../other/file", folder.path("assets/winding")).unwrap();
    symlink("../other/file", folder.path("work/out")).unwrap();
    symlink("deep/file", folder.path("assets/inside")).unwrap();
    let host = Host::over(folder).await;
    answers(&read(&host, "/assets/inside").await, 200, "an asset");
    let outside = outside.display().to_string();
    let ways = [
        "/other/file",
        "other/file",
        "/assets/../other/file",
        "/assets/deep/../../other/file",
        "/assets/absolute",
        "/assets/relative",
        "/assets/door/file",
        "/assets/winding",
        "../file",
        "/../etc/passwd",
        "/etc/passwd",
        "/assets/..",
        "/keeper.toml",
        "/assets/../keeper.toml",
        "/proc/self/environ",
        "/assets//../../other/file",
        "/work/../other/file",
        &outside,
    ];
    for way in ways {
        faults(&read(&host, way).await, 404, &["not-found"]);
        faults(&write(&host, way, "broken").await, 403, &["forbidden"]);
    }
    faults(&write(&host, "/work/out", "broken").await, 403, &["forbidden"]);
    assert_eq!(std::fs::read(host.folder.path("other/file")).unwrap(), b"not for you");
    host.stop().await;
}

#[tokio::test]
async fn a_grant_that_is_no_folder_below_is_refused() {
    let folder = folder("");
    std::fs::write(folder.path("plain"), "").unwrap();
    symlink("/etc", folder.path("out")).unwrap();
    let host = Host::over(folder).await;
    faults(&read(&host, "/assets/file").await, 404, &["not-found"]);
    for (grant, reason) in [
        ("nowhere", "folder nowhere does not exist below the watched folder"),
        ("plain", "folder plain is not a folder"),
        ("out", "folder out leads out of the watched folder by a link"),
        ("/etc", "want a folder below the watched one"),
        ("../x", "want a folder below the watched one"),
        (".picolet", "want a folder below the watched one"),
        ("assets:x", "want ro or rw behind the colon"),
    ] {
        let mark = host.log.mark();
        host.folder.write("keeper.toml", format!("[grants]\nfiles = [\"{grant}\"]"));
        refuses(&host, mark, "keeper.wasm", reason).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn the_example_serves_pages_of_its_folder() {
    let folder = Folder::of(&["pages"]).with("pages.toml", "[grants]\nfiles = [\"site:ro\"]");
    std::fs::create_dir(folder.path("site")).unwrap();
    std::fs::write(folder.path("site/index.html"), "<p>first").unwrap();
    std::fs::write(folder.path("site/style.css"), "p {}").unwrap();
    let host = Host::over(folder).await;
    let index = host.get("/pages").await;
    answers(&index, 200, "<p>first");
    assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(
        host.get("/pages/style.css").await.header("content-type"),
        "text/css; charset=utf-8"
    );
    std::fs::write(host.folder.path("site/index.html"), "<p>second").unwrap();
    answers(&host.get("/pages/index.html").await, 200, "<p>second");
    faults(&host.get("/pages/nowhere.html").await, 404, &["not-found"]);
    faults(&host.get("/pages/%2e%2e/pages.toml").await, 400, &["bad-request"]);
    host.stop().await;
}
