//! Stopping: what runs is finished, within a bound.

use crate::kit::*;
use rustix::process::Signal;

/// A stream of so many ticks that has begun.
async fn begin(host: &Host, ticks: u32) -> Wire {
    let mut wire = Wire::to(host.services).await;
    wire.send(format!("GET /ticker/{ticks} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
    wire.until("tick 1\n").await;
    wire
}

async fn check_drains(signal: Signal) {
    let mut host = Host::of(&["ticker"]).await;
    let mut running = begin(&host, 100).await;
    host.signal(signal);
    running.until("tick 100\n").await;
    running.until("0\r\n\r\n").await;
    assert_eq!(host.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_terminated_host_finishes_what_runs() {
    check_drains(Signal::TERM).await;
}

#[tokio::test]
async fn an_interrupted_host_finishes_what_runs() {
    check_drains(Signal::INT).await;
}

#[tokio::test]
async fn a_request_that_waits_is_answered_before_the_end() {
    let mut host = Host::of(&["misbehaves"]).await;
    let mut waiting = Wire::to(host.services).await;
    // The second request tells that the first has been read.
    let head = "POST /misbehaves/duplex HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    waiting.send(format!("{head}1\r\nx\r\n")).await;
    waiting.until("x\r\n").await;
    host.signal(Signal::TERM);
    until("the listener to close", async || {
        tokio::net::TcpStream::connect(host.services).await.err().map(|_| ())
    })
    .await;
    waiting.send("1\r\ny\r\n0\r\n\r\n").await;
    waiting.until("y\r\n0\r\n\r\n").await;
    assert_eq!(host.ended().await.code(), Some(0));
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_end_up() {
    let mut host = Host::of(&["ticker"]).await;
    let mut idle = Wire::to(host.services).await;
    idle.send("GET /ticker/1 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    idle.reply().await;
    let silent = Wire::to(host.services).await;
    let connection = http2(host.services).await;
    let asked = request("GET", host.services, "/ticker/1", &[], body(""));
    let reply = Reply::read(connection.clone().send_request(asked).await.unwrap()).await.unwrap();
    answers(&reply, 200, "tick 1\n");
    host.signal(Signal::TERM);
    assert_eq!(host.ended().await.code(), Some(0));
    let seen = idle.rest().await;
    assert!(seen.is_empty(), "{}", String::from_utf8_lossy(&seen));
    drop(silent);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut host = Host::of(&["ticker"]).await;
    let running = begin(&host, 2_500).await;
    host.signal(Signal::TERM);
    until("the listener to close", async || {
        tokio::net::TcpStream::connect(host.services).await.err().map(|_| ())
    })
    .await;
    host.signal(Signal::TERM);
    host.ended().await;
    let seen = running.rest().await;
    assert!(!seen.ends_with(b"0\r\n\r\n"), "it was to end before its stream did");
}

#[tokio::test]
async fn what_runs_longer_than_the_drain_is_cut() {
    let folder = Folder::of(&["ticker"]).with("picolet.toml", "[limits]\ndrain_ms_max = 300");
    let mut host = Host::over(folder).await;
    let running = begin(&host, 2_500).await;
    host.signal(Signal::TERM);
    assert_eq!(host.ended().await.code(), Some(0));
    let seen = running.rest().await;
    assert!(!seen.ends_with(b"0\r\n\r\n"), "a cut answer must not look whole");
}

#[tokio::test]
async fn while_it_lingers_it_says_that_it_is_down_and_still_answers() {
    let folder = Folder::of(&["calc"]).with("picolet.toml", "[limits]\nlinger_ms_max = 2000");
    let mut host = Host::over(folder).await;
    host.signal(Signal::TERM);
    let health = until("the host to be down", async || {
        let health = host.get("/healthcheck").await;
        (health.status == 503).then_some(health)
    })
    .await;
    assert_eq!(json(&health, 503)["status"], "DOWN");
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    assert_eq!(host.ended().await.code(), Some(0));
}
