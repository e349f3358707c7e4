//! A service in JavaScript: a large module that is slow to compile.

use crate::kit::*;

#[tokio::test]
async fn javascript_is_served_and_holds_nobody_up() {
    // A slow machine that is busy otherwise may need its time.
    let folder =
        Folder::of(&["hello-js", "calc"]).with("picolet.toml", "[limits]\ncompile_ms_max = 240000");
    let host = Launch::over(folder).start_unready().await;
    host.line("serving calc").await;
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    host.log.wait_within(4 * PATIENCE, 0, |line| line.contains("serving hello-js ")).await;
    let path = "/hello-js/some/where";
    for _ in 0..3 {
        answers(&host.get(path).await, 200, &format!("Hello from JavaScript at {path}\n"));
    }
    host.stop().await;

    // Compiled once, it comes from the cache: another start does not compile.
    let host = Host::of(&["hello-js"]).await;
    answers(&host.get(path).await, 200, &format!("Hello from JavaScript at {path}\n"));
    host.stop().await;
}
