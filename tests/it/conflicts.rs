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

#[tokio::test]
async fn who_is_refused_is_told_who_is_in_the_way_now() {
    let folder = ["a", "b", "c"].into_iter().fold(Folder::empty(), with_wish);
    let host = Host::over(folder).await;
    for file in ["b.wasm", "c.wasm"] {
        is_kept_out(&host, file, "taken by a.wasm").await;
    }
    let mark = host.log.mark();
    host.folder.remove("a.wasm");
    host.line_from(mark, "serving b").await;
    refuses(&host, mark, "c.wasm", "taken by b.wasm").await;
    is_kept_out(&host, "c.wasm", "taken by b.wasm").await;
    host.stop().await;
}

#[tokio::test]
async fn who_takes_a_service_over_is_told_to_whom_removes_it() {
    let folder = Folder::of(&["calc"]).with("other.wasm", guest("calc2"));
    let host = Host::over(folder).await;
    is_kept_out(&host, "other.wasm", "service calc 1.0.0 is taken by calc.wasm").await;
    let url = format!("http://{}", host.admin);
    let remove = async |name: &str| run(picolet().args(["remove", name, "--host", &url])).await;
    let removed = remove("calc").await;
    assert_eq!(removed.stdout, "removed calc; calc 1.0.0 is served by other.wasm from now on\n");
    let removed = remove("other").await;
    assert_eq!(removed.stdout, "removed other; calc 1.0.0 is served no more\n");
    host.stop().await;
}

/// Waits until a file is listed as refused for this.
async fn is_kept_out(host: &Host, file: &str, reason: &str) {
    until(reason, async || {
        let listed = json(&host.admin("GET", "/admin/v1/modules", "").await, 200);
        let module = listed["modules"].as_array()?.iter().find(|module| module["file"] == file)?;
        module["refusal"].as_str()?.ends_with(reason).then_some(())
    })
    .await;
}
