//! Many connections, and many requests that are taken back.

use crate::kit::*;
use futures::future::join_all;
use std::time::{Duration, Instant};

#[tokio::test]
async fn three_hundred_slow_connections_are_closed_and_hold_nobody_up() {
    let folder = Folder::of(&["calc"]).with("picolet.toml", "[limits]\nhead_ms_max = 1000");
    let host = Host::over(folder).await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut wire = Wire::to(host.services).await;
        wire.send("GET /api/add/40/2 HTTP/1.1\r\nhost: a\r\nx-slow:").await;
        slow.push(wire);
    }
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    for seen in join_all(slow.into_iter().map(Wire::rest)).await {
        let seen = String::from_utf8_lossy(&seen);
        assert!(seen.is_empty() || seen.starts_with("HTTP/1.1 408"), "{seen}");
    }
    host.stop().await;
}

#[tokio::test]
async fn the_admin_side_waits_for_a_head_as_long_as_the_settings_say() {
    let folder = Folder::empty().with("picolet.toml", "[limits]\nhead_ms_max = 1000");
    let host = Host::over(folder).await;
    let head = "GET /livez HTTP/1.1\r\nhost: localhost\r\n";
    let began = Instant::now();
    let slow = async |part: &str| {
        let mut wire = Wire::to(host.admin).await;
        wire.send(part).await;
        let seen = wire.rest().await;
        let seen = String::from_utf8_lossy(&seen).into_owned();
        assert!(seen.is_empty() || seen.starts_with("HTTP/1.1 408"), "{part:?} got {seen}");
    };
    join_all(["", "GET ", head].map(slow)).await;
    // One that was answered before may not wait for longer.
    let mut wire = Wire::to(host.admin).await;
    wire.send(format!("{head}\r\n")).await;
    assert_eq!(wire.reply().await.status, 200);
    wire.send(head).await;
    let seen = wire.rest().await;
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.is_empty() || seen.starts_with("HTTP/1.1 408"), "{seen}");
    // Not the 10 s that are usual.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "after {took:?}");
    assert_eq!(host.admin("GET", "/livez", "").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn connections_over_the_limit_are_turned_away_until_others_go() {
    let folder = Folder::of(&["calc"]).with("picolet.toml", "[limits]\nconnections_max = 20");
    let host = Host::over(folder).await;
    let request = "GET /api/add/40/2 HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut wire = Wire::to(host.services).await;
        wire.send(request).await;
        assert_eq!(wire.reply().await.status, 200);
        open.push(wire);
    }
    for _ in 0..20 {
        let mut wire = Wire::to(host.services).await;
        wire.send(request).await;
        let seen = wire.rest().await;
        assert!(!String::from_utf8_lossy(&seen).contains(" 200 "), "over the limit");
    }
    drop(open);
    until("a free place", async || {
        let mut wire = Wire::to(host.services).await;
        wire.send(request).await;
        let seen = tokio::time::timeout(Duration::from_secs(1), wire.try_reply()).await;
        seen.ok().flatten().filter(|reply| reply.status == 200)
    })
    .await;
    host.stop().await;
}

#[tokio::test]
async fn requests_of_http2_that_are_taken_back_at_once_do_no_harm() {
    let host = Host::of(&["misbehaves", "calc"]).await;
    for _ in 0..20 {
        let connection = http2(host.services).await;
        for _ in 0..100 {
            let asked = request("GET", host.services, "/misbehaves/sleep/20000", &[], body(""));
            let mut connection = connection.clone();
            // The host may close a connection that does this.
            let _ = connection.ready().await;
            let _ = tokio::time::timeout(Duration::ZERO, connection.send_request(asked)).await;
        }
    }
    until("the places to be free", async || {
        (host.get("/misbehaves/state").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    host.stop().await;
}
