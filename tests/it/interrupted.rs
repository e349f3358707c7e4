//! Uploads and restarts that something comes in between of.

use crate::deploy::{CALC, SUM, drafts, judged, put};
use crate::kit::*;
use crate::swaps::BUILDS;
use serde_json::{Value, json};
use std::fs;

const RESTART: &str = "/admin/v1/services/calc/restart";

/// Modules as the admin side lists them.
async fn modules(host: &Host) -> Value {
    json(&host.admin("GET", "/admin/v1/modules", "").await, 200)["modules"].clone()
}

/// Bytes of uploads that are not in their place.
fn written(host: &Host) -> u64 {
    let drafts = fs::read_dir(host.folder.path(".uploads")).into_iter().flatten().flatten();
    drafts.filter_map(|draft| Some(draft.metadata().ok()?.len())).sum()
}

#[tokio::test]
async fn a_sender_that_leaves_in_the_middle_leaves_nothing_in_the_way() {
    let host = Host::over(Folder::empty()).await;
    let manifest = b"traffic = 7\n";
    let both = [manifest.as_slice(), &guest("calc")].concat();
    let pair = format!("{CALC}?manifest_bytes={}", manifest.len());
    for (path, whole) in [(CALC, &both[manifest.len()..]), (&pair, &both)] {
        let half = &whole[..whole.len() / 2];
        let mut wire = Wire::to(host.admin).await;
        let (admin, length) = (host.admin, whole.len());
        wire.send(format!(
            "PUT {path} HTTP/1.1\r\nhost: {admin}\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
        wire.send(half).await;
        let sent = u64::try_from(half.len()).unwrap();
        until("half of it to be written", async || (written(&host) == sent).then_some(())).await;
        drop(wire);
        until("it to be removed", async || (drafts(&host) == 0).then_some(())).await;
        assert_eq!(modules(&host).await, json!([]));
        faults(&host.get(SUM).await, 404, &["no-route"]);
        assert!(!host.folder.path("calc.wasm").exists() && !host.folder.path("calc.toml").exists());

        judged(&put(&host, path, whole.to_vec()).await, 200, "serving");
        answers(&host.get(SUM).await, 200, BUILDS[0]);
        assert_eq!(host.admin("DELETE", CALC, "").await.status, 200);
    }
    assert_eq!(host.count("*refused calc*"), 0);
    host.stop().await;
}

/// Restarts calc, and gives the status: done, or told why not.
async fn restart(host: &Host) -> u16 {
    let reply = host.admin("POST", RESTART, "").await;
    match reply.status {
        200 => assert_eq!(json(&reply, 200)["service"], "calc"),
        404 => faults(&reply, 404, &["not-found"]),
        // Its file is gone, and nothing is kept of it.
        _ => faults(&reply, 409, &["superseded", "loading", "not-restarted"]),
    }
    reply.status
}

#[tokio::test]
async fn a_restart_does_not_bring_back_what_is_taken_out_meanwhile() {
    let launch = || Launch::over(Folder::empty());
    for launch in [launch(), launch().own_state()] {
        taken_out_again_and_again(launch.start().await).await;
    }
}

async fn taken_out_again_and_again(host: Host) {
    for round in 0..10 {
        judged(&put(&host, CALC, guest("calc")).await, 200, "serving");
        if round % 2 == 0 {
            let deleting = host.admin("DELETE", CALC, "");
            let (deleted, _) = tokio::join!(deleting, restart(&host));
            assert_eq!(json(&deleted, 200)["service"], "calc");
        } else {
            host.folder.remove("calc.wasm");
            // Until the host has seen that it is gone, it may still be restarted.
            until("the end of it", async || (restart(&host).await == 404).then_some(())).await;
        }
        assert_eq!(restart(&host).await, 404);
        faults(&host.get(SUM).await, 404, &["no-route"]);
        assert_eq!(modules(&host).await, json!([]));
    }
    judged(&put(&host, CALC, guest("calc")).await, 200, "serving");
    assert_eq!(restart(&host).await, 200);
    answers(&host.get(SUM).await, 200, BUILDS[0]);
    host.stop().await;
}

#[tokio::test]
async fn who_sends_too_much_is_told_so_in_the_middle_of_it() {
    let settings = "[limits]\nmodule_bytes_max = 1000";
    let host = Host::over(Folder::empty().with("picolet.toml", settings)).await;
    let module = host.folder.beside("calc.wasm");
    fs::File::create(&module).unwrap().set_len(20 << 20).unwrap();
    let url = format!("http://{}", host.admin);
    let ran = run(picolet().arg("deploy").arg(&module).args(["--host", &url])).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("over the limit") && ran.stderr.contains("413"), "{ran:?}");
    assert_eq!((drafts(&host), modules(&host).await), (0, json!([])));
    host.stop().await;
}
