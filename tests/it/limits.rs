//! What a guest does wrong while it answers, and what its caller is told.

use crate::kit::*;
use futures::future::join_all;

const TIGHT: &str = "[limits]\ncpu_ms = 200\nwall_ms = 1000\nmemory_mib = 32";

/// A neighbour beside a guest that misbehaves under tight limits.
async fn host() -> Host {
    host_under(TIGHT).await
}

async fn host_under(manifest: &str) -> Host {
    Host::over(Folder::of(&["misbehaves", "calc"]).with("misbehaves.toml", manifest)).await
}

/// One bad call, and that neither its service nor its neighbour minds.
async fn check(method: &str, status: u16, names: &[&str]) {
    check_at(host().await, method, status, names).await;
}

async fn check_at(host: Host, method: &str, status: u16, names: &[&str]) {
    let reply = host.get(&format!("/misbehaves/{method}")).await;
    faults(&reply, status, names);
    for secret in ["told to", "src/", "wasm", "backtrace", ".rs"] {
        assert!(!reply.text().contains(secret), "{secret:?} is in {}", reply.text());
    }
    assert_eq!(host.get("/misbehaves/state").await.status, 200);
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn a_panic_is_500_without_internals() {
    check("panic", 500, &["trapped"]).await;
}

#[tokio::test]
async fn computing_too_long_is_504() {
    // On a busy machine one that computes stands back for long.
    let host = host_under("[limits]\ncpu_ms = 200\nwall_ms = 25000").await;
    check_at(host, "spin", 504, &["cpu-limit"]).await;
}

#[tokio::test]
async fn waiting_too_long_is_504() {
    check("sleep/20000", 504, &["wall-limit", "deadline"]).await;
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_504_and_one_that_has_begun_goes_on() {
    let manifest = "[limits]\nfirst_byte_ms = 150";
    let folder = Folder::of(&["misbehaves", "ticker"]);
    let folder = folder.with("misbehaves.toml", manifest).with("ticker.toml", manifest);
    let host = Host::over(folder).await;
    let reply = host.get("/misbehaves/sleep/20000").await;
    faults(&reply, 504, &["first-byte-limit"]);
    assert!(reply.text().contains("150 ms"), "{reply:?}");
    let begun = std::time::Instant::now();
    let reply = host.get("/ticker/40").await;
    assert_eq!((reply.status, reply.text().lines().count()), (200, 40), "{reply:?}");
    assert!(150 < begun.elapsed().as_millis(), "the stream was over too soon to tell");
    host.stop().await;
}

#[tokio::test]
async fn concurrency_is_changed_while_calls_run() {
    let manifest = "[limits]\nconcurrency = 1\nqueue = 0";
    let host = Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest)).await;
    let limits = "/admin/v1/services/misbehaves/limits";
    let running = async || {
        let detail = host.admin("GET", "/admin/v1/services/misbehaves", "").await;
        json(&detail, 200)["running"].as_u64()
    };
    let first = host.get("/misbehaves/sleep/3000");
    let rest = async {
        until("the first call runs", async || (running().await == Some(1)).then_some(())).await;
        let full = host.get("/misbehaves/state").await;
        faults(&full, 503, &["overloaded"]);
        assert_eq!(full.header("retry-after"), "1");
        let changed = host.admin("PATCH", limits, r#"{"concurrency": 2}"#).await;
        assert_eq!(json(&changed, 200)["concurrency"], 2);
        assert_eq!(host.get("/misbehaves/state").await.status, 200);
    };
    let (first, ()) = futures::join!(first, rest);
    assert_eq!(first.status, 200);
    let detail = json(&host.admin("GET", "/admin/v1/services/misbehaves", "").await, 200);
    assert_eq!(detail["limits"]["concurrency"], 2);
    let metrics = host.admin("GET", "/metrics", "").await;
    for (limit, value) in [("concurrency", 2), ("memory_mib", 128), ("first_byte_ms", 30_000)] {
        let line = format!(
            "picolet_service_limit{{service=\"misbehaves\",version=\"1.0.0\",limit=\"{limit}\"}} {value}"
        );
        assert!(metrics.text().lines().any(|known| known == line), "{line}");
    }
    for (body, status) in [(r#"{"concurrency": 0}"#, 400), (r#"{"speed": 1}"#, 400), ("", 400)] {
        assert_eq!(host.admin("PATCH", limits, body).await.status, status, "{body}");
    }
    let nobody = "/admin/v1/services/nobody/limits";
    assert_eq!(host.admin("PATCH", nobody, r#"{"concurrency": 1}"#).await.status, 404);
    host.stop().await;
}

#[tokio::test]
async fn needing_too_much_memory_is_500() {
    check("alloc", 500, &["memory-limit"]).await;
}

#[tokio::test]
async fn a_stack_without_end_is_500() {
    check("recurse", 500, &["trapped"]).await;
}

#[tokio::test]
async fn a_fault_of_the_method_has_its_own_status_and_name() {
    let host = host().await;
    for status in [400, 404, 409, 418, 422, 500, 502] {
        let reply = host.get(&format!("/misbehaves/fault/{status}")).await;
        faults(&reply, status, &["told-to-fail"]);
        assert!(reply.text().contains(&format!("told to fail with {status}")), "{reply:?}");
    }
    let odd = host.get("/misbehaves/fault/200").await;
    assert!([400, 500].contains(&odd.status), "a fault is no success: {odd:?}");
    host.stop().await;
}

#[tokio::test]
async fn a_panic_is_in_the_log_with_its_service_and_request() {
    let host = host().await;
    host.send("GET", "/misbehaves/panic", &[("x-request-id", "req-77")], "").await;
    let line = host.line("told to panic").await;
    let lines = host.log.lines().join("\n");
    assert!(lines.contains("req-77"), "{lines}");
    assert!(lines.contains("misbehaves"), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn what_a_guest_prints_is_in_the_log_with_its_service_and_request() {
    let host = host().await;
    host.send("GET", "/misbehaves/print/2", &[("x-request-id", "req-78")], "").await;
    for words in ["line 0", "line 1", "printed 2"] {
        let line = host.line(words).await;
        assert!(line.contains("misbehaves") && line.contains("req-78"), "{line}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_flood_of_prints_is_cut() {
    let manifest = "[limits]\nlog_bytes_per_second = 1000\ncpu_ms = 20000\nwall_ms = 20000";
    let host = Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest)).await;
    assert_eq!(host.get("/misbehaves/print/20000").await.status, 204);
    assert_eq!(host.get("/misbehaves/state").await.status, 200);
    assert!(host.count("line") < 10_000, "{} lines", host.count("line"));
    host.stop().await;
}

#[tokio::test]
async fn neighbours_are_served_while_a_guest_spins() {
    let host = host().await;
    let spin = async |_| {
        let reply = host.get("/misbehaves/spin").await;
        assert!([503, 504].contains(&reply.status), "{reply:?}");
    };
    let add = async |n: u32| {
        let reply = host.get(&format!("/api/add/{n}/1")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    };
    tokio::join!(join_all((0..8).map(spin)), join_all((0..200).map(add)));
    assert_eq!(host.get("/misbehaves/state").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn a_trap_ends_no_call_but_its_own_when_calls_are_apart() {
    let manifest = format!("isolation = \"call\"\n{TIGHT}");
    let host = Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest)).await;
    let (slept, panicked) =
        tokio::join!(host.get("/misbehaves/sleep/300"), host.get("/misbehaves/panic"));
    answers(&slept, 200, "slept 300 ms");
    faults(&panicked, 500, &["trapped"]);
    host.stop().await;
}

#[tokio::test]
async fn nothing_outlives_a_call_when_calls_are_apart() {
    let manifest = "isolation = \"call\"";
    let host = Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest)).await;
    for _ in 0..20 {
        answers(&host.get("/misbehaves/state").await, 200, "1");
    }
    // Of those that are made ahead of need, each serves one call, too.
    until("an instance made ahead", async || {
        let detail = host.admin("GET", "/admin/v1/services/misbehaves", "").await;
        (json(&detail, 200)["idle_instances"] != 0).then_some(())
    })
    .await;
    join_all((0..20).map(async |_| answers(&host.get("/misbehaves/state").await, 200, "1"))).await;
    host.stop().await;
}

#[tokio::test]
async fn instances_are_made_ahead_only_where_there_is_room() {
    let folder = Folder::of(&["misbehaves"]).with("misbehaves.toml", "isolation = \"call\"");
    let settings = "[limits]\ninstances_max = 4";
    let host = Host::over(folder.with("picolet.toml", settings)).await;
    let request = "GET /misbehaves/state HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    for reply in join_all((0..8).map(|_| Wire::ask(host.services, request))).await {
        assert!([200, 503].contains(&reply.status), "{reply:?}");
    }
    until("whoever makes them to be done", async || {
        let metrics = host.admin("GET", "/metrics", "").await;
        let tasks = metrics.text().lines().find_map(|line| line.strip_prefix("picolet_tasks "));
        (tasks?.parse() == Ok(0)).then_some(())
    })
    .await;
    host.stop().await;
}

#[tokio::test]
async fn an_instance_is_kept_for_later_calls() {
    let host = Host::of(&["misbehaves"]).await;
    let mut most = 0;
    for _ in 0..20 {
        let seen = host.get("/misbehaves/state").await;
        most = most.max(seen.text().parse::<u32>().unwrap());
    }
    assert!(1 < most, "no instance saw a second call");
    host.stop().await;
}
