//! What a service does before its first call, after its last, and from time to
//! time.

use crate::kit::*;
use rustix::process::Signal;
use serde_json::Value;

async fn alive(manifest: &str) -> Host {
    let folder = Folder::of(&["alive"]).with("alive.toml", manifest);
    Launch::over(folder).own_state().start().await
}

/// How often something happened, as the guest has counted it.
async fn count(host: &Host, what: &str) -> u64 {
    counts(host).await[what].as_u64().unwrap_or_default()
}

async fn counts(host: &Host) -> Value {
    json(&host.get("/alive").await, 200)
}

async fn happens(host: &Host, what: &str, times: u64) {
    until(what, async || (times <= count(host, what).await).then_some(())).await;
}

/// Starts, stops, and their causes.
async fn lives(host: &Host) -> Vec<(String, u64)> {
    let counts = counts(host).await;
    let counts = counts.as_object().unwrap().iter();
    let lives = counts.filter(|(what, _)| what.starts_with("start ") || what.starts_with("stop "));
    lives.map(|(what, times)| (what.clone(), times.as_u64().unwrap())).collect()
}

#[track_caller]
fn are(lives: &[(String, u64)], expected: &[(&str, u64)]) {
    let lives: Vec<(&str, u64)> = lives.iter().map(|(what, n)| (what.as_str(), *n)).collect();
    assert_eq!(lives, expected);
}

async fn timer(host: &Host, name: &str) -> Value {
    let service = json(&host.admin("GET", "/admin/v1/services/alive", "").await, 200);
    let timers = service["timers"].as_array().unwrap();
    timers.iter().find(|timer| timer["name"] == name).cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_revision_starts_and_stops_once_and_is_told_why() {
    let host = alive("").await;
    are(&lives(&host).await, &[("start Load", 1)]);

    let mark = host.log.mark();
    host.folder.write("alive.toml", "traffic = 90");
    host.line_from(mark, "swapped alive 1.0.0*").await;
    happens(&host, "stop Replaced", 1).await;
    are(&lives(&host).await, &[("start Load", 1), ("start Swap", 1), ("stop Replaced", 1)]);

    // The same content is the same revision.
    let mark = host.log.mark();
    host.folder.write("alive.toml", "traffic = 90");
    host.line_from(mark, "swapped alive 1.0.0*").await;
    let back = host.admin("POST", "/admin/v1/services/alive/rollback", "").await;
    assert_eq!(back.status, 200, "{back:?}");
    happens(&host, "stop Replaced", 2).await;
    let gone_back =
        [("start Load", 1), ("start Rollback", 1), ("start Swap", 1), ("stop Replaced", 2)];
    are(&lives(&host).await, &gone_back);

    let mark = host.log.mark();
    host.folder.remove("alive.wasm");
    host.line_from(mark, "removed alive 1.0.0*").await;
    host.folder.put("alive.wasm", guest("alive"));
    host.line_from(mark, "serving alive 1.0.0*").await;
    happens(&host, "stop Removed", 1).await;
    assert_eq!(count(&host, "start Load").await, 2);

    let host = Launch::over(host.stopped().await).own_state().start().await;
    assert_eq!(count(&host, "stop Shutdown").await, 1);
    assert_eq!(count(&host, "start Load").await, 3);
    assert_eq!(count(&host, "stop Replaced").await, 2);
    host.stop().await;
}

#[tokio::test]
async fn better_code_is_the_same_revision() {
    let host = alive("fast_reload = true").await;
    host.line("optimized alive 1.0.0*").await;
    are(&lives(&host).await, &[("start Load", 1)]);
    host.stop().await;
}

#[tokio::test]
async fn what_does_not_start_does_not_go_live() {
    let host = alive("").await;
    let failures = [
        ("start = \"fault\"", "", "told to fail"),
        ("start = \"trap\"", "", "service alive stopped while answering"),
        ("start = \"spin\"", "cpu_ms = 50", "computed longer than its 50 ms"),
        ("start = \"stuck\"", "start_ms = 50", "deadline has passed"),
    ];
    for (config, limits, reason) in failures {
        let mark = host.log.mark();
        host.folder.write("alive.toml", format!("[config]\n{config}\n[limits]\n{limits}"));
        let line = host.line_from(mark, "refused alive.wasm:*").await;
        assert!(line.contains("its start ended in a fault: "), "{line}");
        assert!(line.contains(reason), "{line}");
        are(&lives(&host).await, &[("start Load", 1)]);
    }
    host.stop().await;
}

#[tokio::test]
async fn one_that_is_in_the_way_is_stopped_when_it_leaves() {
    let host = alive("").await;
    let mark = host.log.mark();
    host.folder.put("other.wasm", guest("alive"));
    host.line_from(mark, "refused other.wasm: service alive 1.0.0 is taken*").await;
    are(&lives(&host).await, &[("start Load", 2)]);
    host.folder.remove("other.wasm");
    happens(&host, "stop Removed", 1).await;
    are(&lives(&host).await, &[("start Load", 2), ("stop Removed", 1)]);
    host.stop().await;
}

#[tokio::test]
async fn a_revision_stops_after_its_last_call() {
    let host = alive("").await;
    let services = host.services;
    let mark = host.log.mark();
    let waiting = tokio::spawn(async move {
        let mut wire = Wire::to(services).await;
        wire.send("POST /alive/wait/700 HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
        wire.reply().await
    });
    until("the call to be in", async || {
        let service = json(&host.admin("GET", "/admin/v1/services/alive", "").await, 200);
        (service["running"].as_u64() != Some(0)).then_some(())
    })
    .await;
    host.folder.write("alive.toml", "traffic = 90");
    host.line_from(mark, "swapped alive 1.0.0*").await;
    assert_eq!(waiting.await.unwrap().status, 204);
    happens(&host, "stop Replaced", 1).await;
    assert_eq!(count(&host, "answered").await, 1);
    assert_eq!(count(&host, "answered late").await, 0);
    host.stop().await;
}

#[tokio::test]
async fn a_stop_that_fails_or_hangs_holds_nobody_up() {
    for (config, limits) in [("fault", ""), ("trap", ""), ("stuck", "stop_ms = 50")] {
        let manifest = format!("[config]\nstop = \"{config}\"\n[limits]\n{limits}");
        let mut host = alive(&manifest).await;
        host.signal(Signal::TERM);
        assert_eq!(host.ended().await.code(), Some(0));
        host.line("stop ended in a fault").await;
    }
}

#[tokio::test]
async fn timers_fire_apart_from_each_other_unless_they_may_overlap() {
    let host = alive("[config]\ntick = \"slow\"\nat-once = \"slow\"").await;
    happens(&host, "tick", 3).await;
    happens(&host, "overlap wanted", 3).await;
    happens(&host, "second", 2).await;
    assert_eq!(count(&host, "overlap").await, 0);
    assert_eq!(count(&host, "crooked second").await, 0);
    let tick = timer(&host, "tick").await;
    assert_eq!(tick["schedule"], "every 100ms");
    assert!(tick["fired"].as_u64() < tick["skipped"].as_u64(), "{tick}");
    assert_eq!(timer(&host, "second").await["schedule"], "cron * * * * * *");
    let metrics = host.admin("GET", "/metrics", "").await.text().to_owned();
    let labels = "service=\"alive\",timer=\"tick\",schedule=\"every 100ms\"";
    assert!(metrics.contains(&format!("picolet_timer_skipped_total{{{labels}}} ")), "{metrics}");
    host.stop().await;
}

#[tokio::test]
async fn a_timer_that_no_version_with_traffic_has_is_left_out_and_counted() {
    let host = alive("traffic = 0").await;
    until("it to be left out", async || {
        (2 <= timer(&host, "tick").await["skipped"].as_u64()?).then_some(())
    })
    .await;
    assert_eq!(timer(&host, "tick").await["fired"], 0);
    host.stop().await;
}

#[tokio::test]
async fn a_timer_goes_on_through_swaps_and_failures() {
    let host = alive("[config]\ntick = \"trap\"").await;
    until("failures", async || {
        let tick = timer(&host, "tick").await;
        (3 <= tick["failed"].as_u64()? && tick["fired"] == tick["failed"]).then_some(())
    })
    .await;
    let mark = host.log.mark();
    host.folder.write("alive.toml", "");
    host.line_from(mark, "swapped alive 1.0.0*").await;
    let failed = timer(&host, "tick").await["failed"].as_u64().unwrap();
    assert!(3 <= failed);
    until("it to be well", async || {
        let tick = timer(&host, "tick").await;
        (failed + 3 < tick["fired"].as_u64()?).then_some(())
    })
    .await;
    let mark = host.log.mark();
    host.folder.remove("alive.wasm");
    host.line_from(mark, "removed alive 1.0.0*").await;
    let metrics = host.admin("GET", "/metrics", "").await.text().to_owned();
    assert!(!metrics.contains("timer=\"tick\""), "{metrics}");
    host.stop().await;
}

#[tokio::test]
async fn a_timer_that_spins_is_stopped_and_the_host_ends_in_time() {
    let mut host = alive("[config]\ntick = \"spin\"\n[limits]\ncpu_ms = 30\nwall_ms = 1000").await;
    until("a failure", async || {
        (1 <= timer(&host, "tick").await["failed"].as_u64()?).then_some(())
    })
    .await;
    assert_eq!(host.get("/alive").await.status, 200);
    host.signal(Signal::TERM);
    assert_eq!(host.ended().await.code(), Some(0));
}

#[tokio::test]
async fn timers_are_shown_before_they_are_served() {
    let folder = Folder::of(&["alive"]);
    let file = folder.path("alive.wasm");
    let shown = run(picolet().arg("inspect").arg(&file)).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for line in ["tick every 100ms", "at-once every 100ms", "second cron * * * * * *"] {
        assert!(shown.stdout.contains(&format!("  {line}\n")), "{shown:?}");
    }
}

#[tokio::test]
async fn the_example_looks_at_a_page_from_time_to_time() {
    let page = Stranger::start().await;
    let (url, origin) = (page.url("/echo"), page.url(""));
    let manifest = format!("[config]\nurl = {url:?}\n[grants]\noutbound = [{origin:?}]");
    let folder = Folder::of(&["poller"]).with("poller.toml", manifest);
    let host = Launch::over(folder).own_state().start().await;
    let known = async || json(&host.get("/poller").await, 200);
    until("a look", async || (1 <= known().await["looks"].as_u64()?).then_some(())).await;
    assert_eq!(known().await["last"]["status"], 200);
    drop(page);
    until("the page to be gone", async || known().await["last"]["status"].is_null().then_some(()))
        .await;
    let gone = known().await;
    assert_eq!(gone["changes"], 2, "{gone}");
    assert!(gone["last"]["text"].as_str().unwrap().contains("cannot connect"), "{gone}");
    host.stop().await;
}
