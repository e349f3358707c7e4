//! Back to the revision before, from what the host keeps.

use crate::kit::*;
use crate::swaps::{BUILDS, Load};
use std::path::{Path, PathBuf};

const SUM: &str = "/api/add/40/2";
const ROLLBACK: &str = "/admin/v1/services/calc/rollback";

/// A host over calc 1.0.0, which was replaced by 2.0.0.
async fn replaced(folder: Folder) -> Host {
    let host = Launch::over(folder).own_state().start().await;
    host.folder.put("calc.wasm", versioned("calc2", "2.0.0"));
    host.line("swapped calc 2.0.0").await;
    host
}

async fn roll_back(host: &Host) -> Reply {
    host.admin("POST", ROLLBACK, "").await
}

async fn on(host: &Host, args: &[&str]) -> Ran {
    run(picolet().args(args).args(["--host", &format!("http://{}", host.admin)])).await
}

/// Modules that are pinned, as the command line shows them.
async fn pinned(host: &Host) -> Vec<String> {
    let table = on(host, &["services"]).await.stdout;
    table.lines().filter(|line| line.starts_with("pinned ")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_brings_back_the_revision_before_and_loses_no_request() {
    let host = replaced(Folder::of(&["calc"])).await;
    let load = Load::on(host.services);
    load.goes_on(100).await;
    let mark = host.log.mark();
    let done = on(&host, &["rollback", "calc"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.starts_with("rolled back calc from 2.0.0 (sha256:"), "{done:?}");
    host.line_from(mark, "rolled back calc 2.0.0 (*) to 1.0.0 (*)").await;
    host.line_from(mark, "swapped calc 1.0.0").await;
    for _ in 0..50 {
        answers(&host.get(SUM).await, 200, BUILDS[0]);
    }
    load.goes_on(100).await;
    let shown = pinned(&host).await;
    assert!(shown[0].starts_with("pinned calc.wasm: rolled back from 2.0.0 (sha256:"), "{shown:?}");

    let again = on(&host, &["rollback", "calc"]).await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("nothing was live before"), "{again:?}");

    // A manifest is a part of the content.
    let mark = host.log.mark();
    host.folder.put("calc.toml", "traffic = 50");
    host.line_from(mark, "swapped calc 2.0.0").await;
    answers(&host.get(SUM).await, 200, BUILDS[1]);
    assert_eq!(pinned(&host).await, [""; 0]);
    load.goes_on(100).await;
    load.end().await;
    host.stop().await;
}

#[tokio::test]
async fn a_rollback_holds_over_a_restart_until_the_content_changes() {
    let host = replaced(Folder::of(&["calc"])).await;
    assert_eq!(json(&roll_back(&host).await, 200)["to"]["version"], "1.0.0");
    let folder = host.stopped().await;

    let host = Launch::over(folder).own_state().start().await;
    host.line("serving calc 1.0.0").await;
    answers(&host.get(SUM).await, 200, BUILDS[0]);
    assert_eq!(pinned(&host).await.len(), 1);
    // The same content once more is nothing new.
    host.folder.put("calc.wasm", versioned("calc2", "2.0.0"));
    host.line("swapped calc 1.0.0").await;
    answers(&host.get(SUM).await, 200, BUILDS[0]);

    host.folder.put("calc.wasm", versioned("calc2", "3.0.0"));
    host.line("swapped calc 3.0.0").await;
    answers(&host.get(SUM).await, 200, BUILDS[1]);
    assert_eq!(pinned(&host).await, [""; 0]);
    // What was rolled back is no revision to go back to.
    let done = json(&roll_back(&host).await, 200);
    assert_eq!(
        (&done["from"]["version"], &done["to"]["version"]),
        (&"3.0.0".into(), &"1.0.0".into())
    );
    let folder = host.stopped().await;

    // Content that changed while no host ran.
    folder.put("calc.wasm", versioned("calc2", "4.0.0"));
    let host = Launch::over(folder).own_state().start().await;
    host.line("serving calc 4.0.0").await;
    assert_eq!(json(&roll_back(&host).await, 200)["to"]["version"], "1.0.0");
    host.stop().await;
}

#[tokio::test]
async fn a_rollback_that_cannot_be_says_why() {
    let none = "[limits]\nrevisions_mib_max = 0";
    let host = replaced(Folder::of(&["calc"]).with("picolet.toml", none)).await;
    let reply = roll_back(&host).await;
    faults(&reply, 410, &["not-kept"]);
    assert!(reply.text().contains("version 1.0.0 of service calc"), "{}", reply.text());
    let nobody = host.admin("POST", "/admin/v1/services/nobody/rollback", "").await;
    faults(&nobody, 404, &["not-found"]);

    host.folder.put("next.wasm", versioned("calc", "7.0.0"));
    host.line("serving calc 7.0.0").await;
    faults(&roll_back(&host).await, 409, &["which-version"]);
    let next = host.admin("POST", &format!("{ROLLBACK}?version=7.0.0"), "").await;
    faults(&next, 409, &["nothing-before"]);
    let other = host.admin("POST", &format!("{ROLLBACK}?version=3.0.0"), "").await;
    faults(&other, 404, &["not-found"]);
    host.stop().await;
}

#[tokio::test]
async fn what_was_rolled_back_is_not_served_because_it_is_deployed_again() {
    let host = replaced(Folder::of(&["calc"])).await;
    assert_eq!(json(&roll_back(&host).await, 200)["to"]["version"], "1.0.0");
    let module = host.folder.beside("calc.wasm");
    std::fs::write(&module, versioned("calc2", "2.0.0")).unwrap();
    let file = module.display().to_string();
    for flags in [&[][..], &["--json"]] {
        let again = on(&host, &[&["deploy", &file], flags].concat()).await;
        assert_eq!(again.code, Some(1), "{again:?}");
        let words = [") is not served: rolled back from 2.0.0 (sha256:", "calc 1.0.0 is served"];
        for word in words.iter().chain(&["change the module or its manifest"]) {
            assert!(again.stderr.contains(word), "{word:?} is missing in {again:?}");
        }
        assert_eq!(again.stdout.contains("\"unchanged\""), !flags.is_empty(), "{again:?}");
    }
    answers(&host.get(SUM).await, 200, BUILDS[0]);
    let shown = pinned(&host).await;
    assert!(shown[0].ends_with("until other content is deployed, be it a comment in its manifest"));

    // What both say does it.
    std::fs::write(host.folder.beside("calc.toml"), "# once more").unwrap();
    let done = on(&host, &["deploy", &file]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.starts_with("swapped calc 2.0.0 "), "{done:?}");
    answers(&host.get(SUM).await, 200, BUILDS[1]);
    assert_eq!(pinned(&host).await, [""; 0]);
    host.stop().await;
}

/// Files below a folder whose name ends so.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let below = |path: PathBuf| if path.is_dir() { files(&path, end) } else { vec![path] };
    let mut found: Vec<PathBuf> = listing.flat_map(|entry| below(entry.path())).collect();
    found.retain(|path| path.to_string_lossy().ends_with(end));
    found
}

#[tokio::test]
async fn a_rollback_is_planned_and_what_is_kept_is_not_believed_blindly() {
    let host = replaced(Folder::of(&["calc"])).await;
    let mark = host.log.mark();
    host.folder.put("other.wasm", versioned("calc2", "1.0.0"));
    host.line_from(mark, "serving calc 1.0.0 *").await;
    let back = async || host.admin("POST", &format!("{ROLLBACK}?version=2.0.0"), "").await;
    host.folder.put("other.toml", "traffic = 0");
    host.line_from(mark, "swapped calc 1.0.0").await;
    let reply = back().await;
    faults(&reply, 409, &["refused"]);
    let why = "service calc 1.0.0 is taken by other.wasm";
    assert!(reply.text().contains(why), "{}", reply.text());
    answers(&host.get(SUM).await, 200, BUILDS[1]);
    host.folder.remove("other.wasm");
    host.line("removed calc 1.0.0").await;

    let state = host.folder.beside("state/revisions");
    let digests: Vec<PathBuf> =
        files(&state, "").into_iter().filter(|p| !p.ends_with(".journal")).collect();
    for path in digests {
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    let reply = back().await;
    faults(&reply, 409, &["refused"]);
    assert!(reply.text().contains("no longer kept"), "{}", reply.text());
    answers(&host.get(SUM).await, 200, BUILDS[1]);
    assert_eq!(pinned(&host).await, [""; 0]);
    host.stop().await;
}
