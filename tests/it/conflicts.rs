//! Modules that want the same, and what becomes of those that do not get it.

use crate::kit::*;

/// A module of its own name that wants `/x`.
fn with_wish(folder: Folder, module: &str) -> Folder {
    folder
        .with(&format!("{module}.toml"), "root = \"/x\"")
        .with(&format!("{module}.wasm"), guest("hello-wasi2"))
}

#[tokio::test]
async fn the_first_in_byte_order_of_one_scan_is_served() {
    let folder = ["c", "a", "b"].into_iter().fold(Folder::empty(), with_wish);
    let host = Host::over(folder).await;
    assert_eq!(host.get("/x").await.status, 200);
    let services = json(&host.get("/healthcheck").await, 200);
    assert_eq!(services["services"], serde_json::json!(["a"]));
    host.stop().await;
}

#[tokio::test]
async fn who_is_live_stays_whatever_else_comes_and_goes() {
    let folder = ["a", "c"].into_iter().fold(Folder::empty(), with_wish);
    let host = Host::over(folder).await;
    let mark = host.log.mark();
    host.folder.remove("a.wasm");
    host.line_from(mark, "serving c").await;

    // It comes before the live one by name, but it comes later.
    let mark = host.log.mark();
    host.folder.put("b.toml", "root = \"/x\"");
    host.folder.put("b.wasm", guest("hello-wasi2"));
    refuses(&host, mark, "b.wasm", "c.wasm").await;

    host.folder.put("echo.wasm", guest("echo"));
    host.line("serving echo").await;
    assert_eq!(host.get("/x").await.status, 200);
    host.folder.remove("echo.wasm");
    host.line("removed echo").await;
    assert_eq!(host.get("/x").await.status, 200);

    let mark = host.log.mark();
    host.folder.remove("c.wasm");
    host.line_from(mark, "serving b").await;
    assert_eq!(host.get("/x").await.status, 200);
    host.stop().await;
}
