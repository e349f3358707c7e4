//! A project in JavaScript that the binary makes.

use crate::kit::*;
use std::path::Path;

#[tokio::test]
async fn a_new_project_in_javascript_builds_and_is_served() {
    let folder = Folder::empty();
    let new = ["new", "greets", "--lang", "js"];
    let ran = run(picolet().args(new).current_dir(folder.beside(""))).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let project = folder.beside("greets");
    let build = async || run(picolet().arg("build").current_dir(&project)).await;
    let untooled = build().await;
    assert_eq!(untooled.code, Some(1), "{untooled:?}");
    assert!(untooled.stderr.contains("npm install"), "{untooled:?}");

    // The tools are those of the example, as its lock names them.
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hello-js");
    let tools = example.join("node_modules");
    assert!(tools.is_dir(), "{} is not there: run `cargo xtask test`", tools.display());
    std::os::unix::fs::symlink(tools, project.join("node_modules")).unwrap();
    let built = build().await;
    assert_eq!((built.code, built.stdout.as_str()), (Some(0), "greets.wasm\n"), "{built:?}");

    // A slow machine that is busy otherwise may need its time.
    let folder =
        folder.with("picolet.toml", "fast_reload = true\n[limits]\ncompile_ms_max = 240000");
    let host = Host::over(folder).await;
    for file in ["greets.toml", "greets.wasm"] {
        host.folder.put(file, std::fs::read(project.join(file)).unwrap());
    }
    host.log.wait_within(4 * PATIENCE, 0, |line| line.contains("serving greets ")).await;
    for _ in 0..3 {
        answers(
            &host.get("/greets/hello/w%C3%B6rld").await,
            200,
            "{\"message\":\"Hello wörld\"}\n",
        );
    }
    assert_eq!(host.get("/greets/other").await.status, 404);
    host.stop().await;
}
