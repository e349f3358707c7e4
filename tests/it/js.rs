//! A service in JavaScript: a large module that is slow to compile.

use crate::kit::*;

#[tokio::test]
async fn a_slow_compile_gives_way_to_a_quick_one() {
    // With one compile at a time, the quick one has no other place.
    let settings = "[limits]\ncompiles_max = 1";
    let folder = Folder::of(&["hello-js"]).with("picolet.toml", settings);
    let host = Launch::over(folder).own_state().start_unready().await;
    until("the compiler", async || (!children(host.pid()).is_empty()).then_some(())).await;
    host.folder.put("calc.wasm", guest("calc"));
    host.line("serving calc").await;
    assert_eq!(host.count("serving hello-js"), 0, "it was too quick to hold anybody up");
    let compiler = children(host.pid());
    assert_eq!(compiler.len(), 1, "the slow compile goes on");
    let running = async || (!is_stopped(compiler[0])).then_some(());
    until("the slow compile to run again", running).await;
    host.stop().await;
}

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
