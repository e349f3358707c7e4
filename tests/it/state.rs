//! State: what was acknowledged is there, exact, apart, and bounded, whatever
//! happens to instances, modules, the host and its disk.

use crate::kit::*;
use futures::future::join_all;
use std::sync::atomic::{AtomicU32, Ordering};

async fn keeper(manifest: &str) -> Host {
    let folder = Folder::of(&["keeper"]).with("keeper.toml", manifest);
    Launch::over(folder).own_state().start().await
}

async fn again(folder: Folder) -> Host {
    Launch::over(folder).own_state().start().await
}

async fn set(host: &Host, path: &str, value: &str) -> Reply {
    host.send("PUT", &format!("/keeper/{path}"), &[], value).await
}

async fn post(host: &Host, path: &str) -> Reply {
    host.send("POST", &format!("/keeper/{path}"), &[], "").await
}

async fn get(host: &Host, path: &str) -> Reply {
    host.get(&format!("/keeper/{path}")).await
}

#[tokio::test]
async fn what_was_set_outlives_instance_revision_and_host() {
    let host = keeper("isolation = \"call\"").await;
    faults(&get(&host, "own/greeting").await, 404, &["not-found"]);
    answers(&set(&host, "own/greeting", "hello").await, 200, "1");
    answers(&get(&host, "own/greeting").await, 200, "hello");
    let mark = host.log.mark();
    host.folder.write("keeper.toml", "isolation = \"kept\"");
    host.line_from(mark, "swapped keeper*").await;
    answers(&get(&host, "own/greeting").await, 200, "hello");
    let host = again(host.stopped().await).await;
    answers(&get(&host, "own/greeting").await, 200, "hello");
    answers(&set(&host, "own/greeting", "hi").await, 200, "2");
    assert_eq!(host.send("DELETE", "/keeper/own/greeting", &[], "").await.status, 204);
    faults(&get(&host, "own/greeting").await, 404, &["not-found"]);
    let metrics = host.admin("GET", "/metrics", "").await;
    assert!(metrics.text().contains("picolet_state_buckets 1\n"), "{}", metrics.text());
    host.stop().await;
}

#[tokio::test]
async fn buckets_are_of_one_service_or_granted() {
    let other = versioned("keeper", "2.0.0");
    let grants = "[grants]\nbuckets = [\"rates\", \"news:ro\"]";
    let folder = Folder::of(&["keeper", "counter"]).with("keeper.toml", grants);
    let host = Launch::over(folder).own_state().start().await;
    answers(&set(&host, "own/k", "mine").await, 200, "1");
    let visited = host.send("POST", "/counter/k", &[], "Ann").await;
    assert_eq!(json(&visited, 200)["count"], 1);
    answers(&get(&host, "own/k").await, 200, "mine");
    answers(&set(&host, "rates/usd", "1.15").await, 200, "1");
    answers(&get(&host, "rates/usd").await, 200, "1.15");
    faults(&get(&host, "news/k").await, 404, &["not-found"]);
    for path in ["news/k", "nobody/k", "s/k"] {
        faults(&set(&host, path, "x").await, 403, &["bucket-not-granted"]);
        faults(&set(&host, &format!("wasi/set/{path}"), "x").await, 403, &["access-denied"]);
    }
    faults(&get(&host, "nobody/k").await, 403, &["bucket-not-granted"]);
    faults(&post(&host, "open/10000").await, 403, &["bucket-not-granted"]);
    // Another version of the service has its bucket, too.
    let mark = host.log.mark();
    host.folder.put("other.wasm", &other);
    host.line_from(mark, "serving keeper 2.0.0*").await;
    let headers = [("x-picolet-version", "=2.0.0")];
    answers(&host.send("GET", "/keeper/own/k", &headers, "").await, 200, "mine");
    let mark = host.log.mark();
    host.folder.write("keeper.toml", "[grants]\nbuckets = [\"a/b\", \"default\"]");
    refuses(&host, mark, "keeper.wasm", "grants.buckets").await;
    host.stop().await;
}

#[tokio::test]
async fn counters_and_swaps_from_many_instances_are_exact() {
    let host = keeper("[limits]\nqueue = 1000\nqueue_ms = 60000").await;
    let adds = (0..200).map(async |_| post(&host, "add/own/n/2").await);
    let swaps = (0..16).map(async |_| post(&host, "swap/s/10").await);
    let wasi = (0..50).map(async |_| post(&host, "wasi/increment/n/1").await);
    let (adds, swaps, wasi) = tokio::join!(join_all(adds), join_all(swaps), join_all(wasi));
    for reply in adds.iter().chain(&wasi) {
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    for reply in &swaps {
        assert_eq!(reply.status, 204, "{reply:?}");
    }
    answers(&get(&host, "own/n").await, 200, "450");
    answers(&get(&host, "own/s").await, 200, "160");
    answers(&post(&host, "add/own/n/-451").await, 200, "-1");
    faults(&post(&host, "wasi/increment/n/0").await, 400, &["other"]);
    host.stop().await;
}

#[tokio::test]
async fn wasi_keyvalue_has_the_same_buckets() {
    let host = keeper("").await;
    set(&host, "own/k", "by the SDK").await;
    answers(&get(&host, "wasi/get/own/k").await, 200, "by the SDK");
    assert_eq!(set(&host, "wasi/set/own/k", "by wasi").await.status, 204);
    answers(&get(&host, "own/k").await, 200, "by wasi");
    faults(&get(&host, "wasi/get/own/nobody").await, 404, &["not-found"]);
    faults(&get(&host, "wasi/get/other/k").await, 403, &["access-denied"]);
    // One key is there beside those of the batch.
    answers(&post(&host, "wasi/batch/1000").await, 200, "1001 999 1");
    faults(&post(&host, "wasi/batch/1001").await, 400, &["other"]);
    set(&host, "own/k2", "").await;
    assert_eq!(json(&get(&host, "keys/own/k").await, 200), serde_json::json!(["k", "k2"]));
    host.stop().await;
}

#[tokio::test]
async fn what_is_too_large_or_no_number_is_refused_and_changes_nothing() {
    let host = keeper("[limits]\nstate_mib = 2").await;
    set(&host, "own/k", "text").await;
    faults(&post(&host, "add/own/k/1").await, 409, &["not-a-number"]);
    answers(&get(&host, "own/k").await, 200, "text");
    faults(&post(&host, "large/0/1").await, 400, &["bad-key"]);
    faults(&post(&host, "large/513/1").await, 400, &["bad-key"]);
    faults(&post(&host, "large/1048576/1").await, 400, &["bad-key"]);
    faults(&post(&host, "large/1/1044481").await, 413, &["value-too-large"]);
    assert_eq!(post(&host, "large/512/1044480").await.status, 204);
    assert_eq!(post(&host, "large/511/1044480").await.status, 204);
    faults(&post(&host, "large/510/1044480").await, 507, &["bucket-full"]);
    assert_eq!(post(&host, "large/511/1").await.status, 204, "smaller is fine");
    let settings = "[limits]\nbuckets_max = 0";
    let folder = Folder::of(&["keeper"]).with("picolet.toml", settings);
    let none = Launch::over(folder).own_state().start().await;
    faults(&set(&none, "own/k", "v").await, 507, &["too-many-buckets"]);
    none.stop().await;
    host.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let mut host = keeper("").await;
    let acknowledged: Vec<AtomicU32> = (0..16).map(|_| AtomicU32::new(0)).collect();
    for _ in 0..5 {
        let write = async |writer: usize| {
            let acknowledged = &acknowledged[writer];
            loop {
                let next = acknowledged.load(Ordering::Relaxed) + 1;
                let path = format!("/keeper/own/w{writer}-{next}");
                let request = request("PUT", host.services, &path, &[], body(next.to_string()));
                match Client::default().try_ask(request).await {
                    Ok(reply) if reply.status == 200 => acknowledged.store(next, Ordering::Relaxed),
                    Ok(reply) => panic!("{reply:?}"),
                    Err(_gone) => return,
                }
            }
        };
        let begun: u32 = acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let kill = until("the writers to be at work", async || {
            let now: u32 = acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).sum();
            (begun + 100 <= now).then(|| host.signal(rustix::process::Signal::KILL))
        });
        tokio::join!(join_all((0..16).map(write)), kill);
        host = again(host.killed().await).await;
        for (writer, count) in acknowledged.iter().enumerate() {
            for number in 1..=count.load(Ordering::Relaxed) {
                answers(
                    &get(&host, &format!("own/w{writer}-{number}")).await,
                    200,
                    &number.to_string(),
                );
            }
        }
    }
    host.stop().await;
}

#[tokio::test]
async fn a_disk_that_fails_is_a_fault_and_loses_nothing() {
    let folder = Folder::of(&["keeper"]);
    let host = Launch::over(folder).own_state().file_kib_max(6 << 10).start().await;
    let mut kept = 0;
    let failed = loop {
        let reply = post(&host, &format!("large/{}/500000", kept + 1)).await;
        if reply.status != 204 {
            break reply;
        }
        kept += 1;
    };
    assert!(2 < kept && kept < 12, "{kept}");
    let name = json(&failed, failed.status)["fault"].clone();
    assert!(name == "state-unavailable" || name == "state-unknown", "{failed:?}");
    host.line("*state cannot be written*").await;
    // It is served again by itself, with everything that was acknowledged.
    until("state to be there again", async || {
        (set(&host, "own/small", "v").await.status == 200).then_some(())
    })
    .await;
    for key in 1..=kept {
        assert_eq!(get(&host, &format!("own/{}", "k".repeat(key))).await.status, 200, "{key}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_no_more() {
    let settings = "[limits]\ndisk_free_mib_min = 1000000000";
    let folder = Folder::of(&["keeper"]).with("picolet.toml", settings);
    let host = Launch::over(folder).own_state().start().await;
    faults(&set(&host, "own/k", "v").await, 507, &["disk-full"]);
    faults(&get(&host, "own/k").await, 404, &["not-found"]);
    host.stop().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_said_at_the_start_and_left_alone() {
    let folder = Folder::of(&["keeper"]);
    let state = folder.beside("state");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("state.redb"), b"of another kind").unwrap();
    let mut serve = picolet();
    serve.arg("serve").arg(folder.watched()).arg("--state").arg(&state);
    let ran = run(serve.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("move the file away and begin with none"), "{ran:?}");
    assert_eq!(std::fs::read(state.join("state.redb")).unwrap(), b"of another kind");
}

#[tokio::test]
async fn two_hosts_do_not_share_a_file() {
    let host = keeper("").await;
    answers(&set(&host, "own/k", "v").await, 200, "1");
    let state = host.folder.beside("state");
    let second = Launch::over(Folder::of(&["keeper"])).state_at(state).start().await;
    let refused = set(&second, "own/k", "w").await;
    faults(&refused, 503, &["state-unavailable"]);
    assert!(refused.text().contains("another host"), "{refused:?}");
    let _folder = host.stopped().await;
    until("the second host to have the file", async || {
        (set(&second, "own/k", "w").await.status == 200).then_some(())
    })
    .await;
    answers(&get(&second, "own/k").await, 200, "w");
    second.stop().await;
}

#[tokio::test]
async fn configuration_comes_from_the_manifest_and_the_settings() {
    let manifest = "[config]\nurl = \"http://a\"\ncount = 3\nfast = true";
    let settings = "[config]\nurl = \"http://all\"\nregion = \"eu\"";
    let folder = Folder::of(&["keeper"]).with("keeper.toml", manifest);
    let host = Host::over(folder.with("picolet.toml", settings)).await;
    for (key, value) in [("url", "http://a"), ("count", "3"), ("fast", "true"), ("region", "eu")] {
        answers(&get(&host, &format!("config/{key}")).await, 200, value);
    }
    faults(&get(&host, "config/nobody").await, 404, &["not-found"]);
    let mark = host.log.mark();
    host.folder.write("keeper.toml", "[config]\nlist = [1, 2]");
    refuses(&host, mark, "keeper.wasm", "config.list").await;
    host.stop().await;
}
