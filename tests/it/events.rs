//! Publishing and hearing: guests, programs, and what happens to events while
//! services change, fail or are slow.

use crate::kit::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn publish(host: &Host, subject: &str, payload: &str) -> u64 {
    let reply = host.admin("POST", &format!("/admin/v1/events/{subject}"), payload).await;
    json(&reply, 202)["heard_by"].as_u64().unwrap()
}

async fn events_host(manifest: &str) -> Host {
    Host::over(Folder::of(&["events"]).with("events.toml", manifest)).await
}

async fn detail(host: &Host) -> Value {
    json(&host.admin("GET", "/admin/v1/services/events", "").await, 200)
}

/// Waits until one figure of how the service hears is what it should be.
async fn until_figure(host: &Host, figure: &str, wanted: u64) {
    until(&format!("{figure} to be {wanted}"), async || {
        (detail(host).await["events"][figure] == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_guest_hears_what_a_guest_publishes() {
    let host = events_host("").await;
    let mut reader = Reader::of(&host, "subject=heard.%3E").await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (path, headers) = ("/bus/publish/rates.usd", [("traceparent", trace)]);
    let said = host.send("POST", path, &headers, "1.15").await;
    assert_eq!(said.status, 204);
    let mut heard = reader.data().await;
    let below = heard["data"]["trace"].take();
    assert!(below.as_str().is_some_and(|it| it.starts_with(&trace[..36])), "{below}");
    assert_eq!((&heard["subject"], &heard["publisher"]), (&json!("heard.rate"), &json!("events")));
    let expected = json!({
        "subject": "rates.usd", "by": "events", "content_type": "text/plain; charset=utf-8",
        "captured": ["usd"], "text": "1.15", "trace": null, "user": "7",
    });
    assert_eq!(heard["data"], expected);
    assert_eq!(publish(&host, "rates.eur.usd.now", "{}").await, 1);
    let heard = reader.data().await;
    assert_eq!(heard["data"]["captured"], json!(["usd.now"]));
    assert_eq!(heard["data"]["by"], Value::Null);
    assert_eq!(publish(&host, "rates", "").await, 0);
    assert_eq!(publish(&host, "nobody.hears", "").await, 0);
    let detail = detail(&host).await;
    assert_eq!(detail["subscriptions"][0]["subject"], "rates.*", "{detail}");
    host.stop().await;
}

#[tokio::test]
async fn events_on_one_subject_come_in_order_and_pass_those_on_others() {
    let host = events_host("").await;
    let mut reader = Reader::of(&host, "subject=heard.number").await;
    assert_eq!(host.post_json("/bus/count/4/60", "").await.status, 204);
    let mut next = [0; 4];
    let mut slowest_is_last = false;
    for _ in 0..4 * 60 {
        let heard = reader.data().await;
        let subject: usize = heard["data"]["captured"][0].as_str().unwrap().parse().unwrap();
        assert_eq!(heard["data"]["text"], next[subject].to_string(), "{next:?}");
        next[subject] += 1;
        slowest_is_last = subject == 0 && next[1..] == [60; 3];
    }
    assert!(slowest_is_last, "subject 0 held up nobody");
    host.stop().await;
}

#[tokio::test]
async fn of_a_group_one_hears_and_all_others_do_too() {
    let host = events_host("").await;
    let mut guest = Reader::of(&host, "subject=heard.job").await;
    let mut alone = Reader::of(&host, "subject=jobs.*&subject=jobs.1").await;
    let mut one = Reader::of(&host, "subject=jobs.*&group=pair").await;
    let mut other = Reader::of(&host, "subject=jobs.%3E&group=pair").await;
    for _ in 0..20 {
        assert_eq!(publish(&host, "jobs.1", "").await, 3, "the guest, the pair, and one alone");
    }
    let (mut by_one, mut by_other) = (0, 0);
    while by_one + by_other < 20 {
        tokio::select! {
            _event = one.next() => by_one += 1,
            _event = other.next() => by_other += 1,
        }
        assert_eq!(guest.data().await["data"]["captured"], json!(["1"]));
        assert_eq!(alone.data().await["subject"], "jobs.1");
    }
    assert!(0 < by_one && 0 < by_other, "{by_one} and {by_other}");
    host.stop().await;
}

#[tokio::test]
async fn what_traps_spins_or_fails_costs_the_others_nothing() {
    let host = events_host("[limits]\ncpu_ms = 50\nevents_at_once = 2").await;
    let mut reader = Reader::of(&host, "subject=heard.rate").await;
    for round in 0..20 {
        for subject in ["trap", "spin", "fault"] {
            assert_eq!(publish(&host, subject, "").await, 1);
        }
        publish(&host, "rates.usd", &round.to_string()).await;
    }
    for round in 0..20 {
        assert_eq!(reader.data().await["data"]["text"], round.to_string());
    }
    until_figure(&host, "failed", 60).await;
    until_figure(&host, "heard", 80).await;
    let line = host.line("*event ended in a fault*service=events*").await;
    assert!(line.contains("subject="), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn a_service_that_is_too_slow_loses_its_oldest() {
    let host = events_host("[limits]\nevents = 3\nevents_at_once = 1").await;
    let mut reader = Reader::of(&host, "subject=heard.slow").await;
    publish(&host, "slow", "first").await;
    until_figure(&host, "waiting", 0).await;
    for number in 0..10 {
        publish(&host, "slow", &number.to_string()).await;
    }
    for expected in ["first", "7", "8", "9"] {
        assert_eq!(reader.data().await["data"]["text"], expected);
    }
    until_figure(&host, "dropped", 7).await;
    let metrics = host.admin("GET", "/metrics", "").await;
    let dropped = "picolet_service_events_dropped_total{service=\"events\"} 7\n";
    assert!(metrics.text().contains(dropped), "{}", metrics.text());
    host.stop().await;
}

#[tokio::test]
async fn events_that_wait_outlive_the_revision() {
    let host = events_host("[limits]\nevents_at_once = 1").await;
    let mut reader = Reader::of(&host, "subject=heard.slow").await;
    for number in 0..10 {
        publish(&host, "slow", &number.to_string()).await;
    }
    let mark = host.log.mark();
    host.folder.write("events.toml", b"[limits]\nevents_at_once = 1\nwall_ms = 9000");
    host.line_from(mark, "swapped events*").await;
    for number in 0..10 {
        assert_eq!(reader.data().await["data"]["text"], number.to_string());
    }
    host.folder.remove("events.wasm");
    host.line("removed events*").await;
    assert_eq!(publish(&host, "slow", "").await, 0);
    let left = host.admin("GET", "/metrics", "").await;
    assert!(!left.text().contains("events_waiting{"), "{}", left.text());
    host.stop().await;
}

#[tokio::test]
async fn a_service_that_hears_itself_comes_to_an_end() {
    let host = events_host("").await;
    publish(&host, "echo.0", "").await;
    let end = host.line("*event ended in a fault*subject=echo.31*").await;
    assert!(end.contains("event on echo.32 would follow 32 others"), "{end}");
    until_figure(&host, "heard", 32).await;
    host.stop().await;
}

#[tokio::test]
async fn a_reader_that_was_away_is_told_what_it_missed() {
    let host = events_host("").await;
    let mut reader = Reader::of(&host, "subject=a.*").await;
    publish(&host, "a.1", "{\"x\":1}").await;
    let seen = reader.next().await;
    assert_eq!(seen.data["subject"], "a.1");
    drop(reader);
    publish(&host, "a.2", "").await;
    publish(&host, "b.2", "").await;
    let mut again = Reader::after(&host, "subject=a.*", &seen.id).await;
    assert_eq!(again.data().await["subject"], "a.2");
    publish(&host, "a.3", "").await;
    assert_eq!(again.data().await["subject"], "a.3");
    let mut stranger = Reader::after(&host, "subject=a.3", "of another host").await;
    assert_eq!(stranger.next().await.kind, "gap");
    assert_eq!(stranger.data().await["subject"], "a.3");
    host.stop().await;
}

#[tokio::test]
async fn what_is_no_event_and_what_is_not_granted_is_refused() {
    let manifest = "[grants]\npublish = [\"rates.>\", \"heard.*\"]";
    let host = events_host(manifest).await;
    let long = "a".repeat(257);
    let illegal = ["a..b", ".a", "a%20b", "a.*", "%3E", "$SYS.x", "a%0d%0ab", "%C3%A4", &long];
    for subject in illegal {
        let by_program = host.admin("POST", &format!("/admin/v1/events/{subject}"), "").await;
        faults(&by_program, 400, &["bad-subject"]);
        let by_guest = host.post_json(&format!("/bus/publish/{subject}"), "").await;
        faults(&by_guest, 400, &["bad-subject"]);
    }
    for query in ["", "subject=", "subject=a..b", "subject=a.%3E.b", "topic=a", "group=a%20b"] {
        let reply = host.admin("GET", &format!("/admin/v1/events?{query}"), "").await;
        faults(&reply, 400, &["bad-request", "bad-subject"]);
    }
    let elsewhere = host.post_json("/bus/publish/news.usd", "").await;
    faults(&elsewhere, 403, &["publish-not-granted"]);
    assert_eq!(host.post_json("/bus/publish/rates.usd", "1").await.status, 204);
    refuses_manifest(&host, "[grants]\nsubscribe = [\"rates.*\"]", "deep: rates.eur.> is not")
        .await;
    refuses_manifest(&host, "[grants]\nsubscribe = [\"rates..\"]", "grants.subscribe").await;
    host.stop().await;
}

async fn refuses_manifest(host: &Host, manifest: &str, reason: &str) {
    let mark = host.log.mark();
    host.folder.write("events.toml", manifest.as_bytes());
    refuses(host, mark, "events.wasm", reason).await;
}

#[tokio::test]
async fn an_event_over_the_limit_is_refused() {
    let settings = "[limits]\nevent_bytes_max = 1000";
    let host = Host::over(Folder::of(&["events"]).with("picolet.toml", settings)).await;
    let mut reader = Reader::of(&host, "subject=bytes").await;
    assert_eq!(host.post_json("/bus/bytes/1000", "").await.status, 204);
    faults(&host.post_json("/bus/bytes/1001", "").await, 413, &["event-too-large"]);
    let program = host.admin("POST", "/admin/v1/events/bytes", &"x".repeat(1_001)).await;
    faults(&program, 413, &["event-too-large"]);
    assert_eq!(reader.data().await["text"], "x".repeat(1_000));
    host.stop().await;
}

#[tokio::test]
async fn a_service_that_is_stuck_holds_up_nobody() {
    let mut module = guest("hears");
    for at in 0..module.len() - 10 {
        if module[at..].starts_with(b"hears-0000") {
            module[at..at + 10].copy_from_slice(b"hears-0001");
        }
    }
    let folder = Folder::of(&["hears"]).with("hears.toml", "[config]\nstuck = true");
    let host = Host::over(folder.with("well.wasm", module)).await;
    let mut reader = Reader::of(&host, "subject=took").await;
    for _ in 0..50 {
        assert_eq!(publish(&host, "timed", "0").await, 2);
    }
    for _ in 0..50 {
        assert_eq!(reader.data().await["publisher"], "hears-0001");
    }
    let stuck = host.admin("GET", "/admin/v1/services/hears-0000", "").await;
    let stuck = &json(&stuck, 200)["events"];
    // One is out, and the others follow it.
    assert_eq!((&stuck["heard"], &stuck["waiting"]), (&json!(0), &json!(49)));
}

#[tokio::test]
async fn a_publisher_that_is_faster_than_everybody_for_a_minute_is_not_held_up() {
    let host = events_host("[limits]\nevents = 100\ncpu_ms = 20000").await;
    assert_eq!(host.post_json("/bus/count/8/200", "").await.status, 204);
    let before = resident_mib(host.pid());
    let mut idle = Reader::of(&host, "subject=numbers.*").await;
    let flood = async || {
        assert_eq!(host.post_json("/bus/count/8/5000", "").await.status, 204);
    };
    for _ in 0..5 {
        flood().await;
    }
    while idle.next().await.kind != "missed" {}
    drop(idle);
    let (began, mut rounds) = (Instant::now(), 5);
    while began.elapsed() < Duration::from_secs(60) {
        flood().await;
        rounds += 1;
    }
    until("every event to be heard or dropped", async || {
        let events = &detail(&host).await["events"];
        let figure = |name: &str| events[name].as_u64().unwrap();
        let numbers = 8 * (200 + rounds * 5_000);
        (figure("heard") + figure("dropped") == numbers).then_some(())
    })
    .await;
    assert!(0 < detail(&host).await["events"]["dropped"].as_u64().unwrap());
    let after = resident_mib(host.pid());
    assert!(after < before + 32, "{before} MiB, then {after} MiB");
    host.stop().await;
}

#[tokio::test]
async fn the_command_line_publishes_and_subscribes() {
    let host = events_host("").await;
    let admin = format!("http://{}", host.admin);
    let mut subscribe = picolet();
    subscribe.args(["subscribe", "heard.*", "--count", "2", "--host", &admin]);
    let subscribed = tokio::spawn(async move { run(&mut subscribe).await });
    until("the reader to be there", async || {
        let metrics = host.admin("GET", "/metrics", "").await;
        metrics.text().contains("picolet_watches 1\n").then_some(())
    })
    .await;
    let publish = async |args: &[&str]| run(picolet().args(args).args(["--host", &admin])).await;
    let first = publish(&["publish", "rates.usd", "1.15"]).await;
    assert_eq!(first.stdout, "published on rates.usd, heard by 1\n");
    let second = publish(&["publish", "rates.eur", "not JSON"]).await;
    assert_eq!(second.code, Some(0), "{second:?}");
    let subscribed = subscribed.await.unwrap();
    assert!(
        subscribed.stdout.starts_with("heard.rate {\"subject\":\"rates.usd\""),
        "{subscribed:?}"
    );
    assert_eq!(subscribed.stdout.lines().count(), 2);
    let bad = publish(&["publish", "a..b"]).await;
    assert_eq!(bad.code, Some(1));
    assert!(bad.stderr.contains("tokens are parted by single dots"), "{bad:?}");
    host.stop().await;
}
