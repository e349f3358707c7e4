//! Bodies that move while they are made, and bodies that break.

use crate::kit::*;
use bytes::Bytes;
use futures::channel::mpsc;
use futures::stream;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;

async fn frame(response: &mut Response<Incoming>) -> Option<hyper::Result<Bytes>> {
    let frame = within("a part of the body", response.body_mut().frame()).await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
}

#[tokio::test]
async fn each_chunk_comes_back_before_the_next_is_sent() {
    let host = Host::of(&["misbehaves", "echo"]).await;
    for path in ["/misbehaves/duplex", "/echo"] {
        let (mut sender, receiver) = mpsc::channel::<Bytes>(1);
        sender.try_send(Bytes::from_static(b"chunk 0")).unwrap();
        let mut response = host.open("POST", path, chunks(receiver)).await;
        assert_eq!(response.status(), 200, "{path}");
        for n in 1..20 {
            let seen = frame(&mut response).await.unwrap().unwrap();
            assert_eq!(seen, format!("chunk {}", n - 1), "{path}");
            sender.try_send(format!("chunk {n}").into()).unwrap();
        }
        drop(sender);
        assert_eq!(frame(&mut response).await.unwrap().unwrap(), "chunk 19");
        assert!(frame(&mut response).await.is_none_or(|last| last.unwrap().is_empty()));
    }
    host.stop().await;
}

#[tokio::test]
async fn ticks_come_one_by_one() {
    let host = Host::of(&["ticker"]).await;
    let mut response = host.open("GET", "/ticker/20", body("")).await;
    let first = frame(&mut response).await.unwrap().unwrap();
    assert_eq!(first, "tick 1\n");
    let mut rest = String::new();
    while let Some(part) = frame(&mut response).await {
        rest.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
    }
    let expected: String = (2..=20).map(|n| format!("tick {n}\n")).collect();
    assert_eq!(rest, expected);
    host.stop().await;
}

#[tokio::test]
async fn events_are_those_of_the_standard() {
    let host = Host::of(&["ticker"]).await;
    let reply = host.get("/ticker/events/2").await;
    assert!(reply.header("content-type").starts_with("text/event-stream"), "{reply:?}");
    answers(&reply, 200, "data: tick 1\nid: 1\n\ndata: tick 2\nid: 2\n\n");
    host.stop().await;
}

#[tokio::test]
async fn large_bodies_come_back_whole() {
    let host = Host::of(&["echo", "misbehaves"]).await;
    let block = Bytes::from(vec![b'x'; 100_000]);
    let large = || stream::iter(vec![block.clone(); 50]);
    let echoed = host.open("POST", "/echo", chunks(large())).await;
    assert_eq!(Reply::read(echoed).await.unwrap().body.len(), 5_000_000);
    let summed = host.open("POST", "/misbehaves/sum-body", chunks(large())).await;
    answers(&Reply::read(summed).await.unwrap(), 200, "5000000");
    let got = host.get("/misbehaves/stream/5000").await;
    assert_eq!(got.body.len(), 5_000 << 10);
    host.stop().await;
}

#[tokio::test]
async fn streams_of_http2_flow_both_ways() {
    let host = Host::of(&["misbehaves"]).await;
    let mut connection = http2(host.services).await;
    let (mut sender, receiver) = mpsc::channel::<Bytes>(1);
    sender.try_send(Bytes::from_static(b"first")).unwrap();
    let asked = request("POST", host.services, "/misbehaves/duplex", &[], chunks(receiver));
    let mut response = within("the head", connection.send_request(asked)).await.unwrap();
    assert_eq!(frame(&mut response).await.unwrap().unwrap(), "first");
    sender.try_send(Bytes::from_static(b"second")).unwrap();
    assert_eq!(frame(&mut response).await.unwrap().unwrap(), "second");
    drop(sender);
    assert!(frame(&mut response).await.is_none_or(|last| last.unwrap().is_empty()));
    host.stop().await;
}

/// A body that breaks must look broken, in every protocol.
pub(crate) async fn check_broken(host: &Host, path: &str) {
    let mut wire = Wire::to(host.services).await;
    wire.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
    let seen = wire.rest().await;
    let seen = String::from_utf8_lossy(&seen);
    // Nothing at all is broken, too: the end came before the head was on its way.
    if !seen.is_empty() {
        assert!(seen.starts_with("HTTP/1.1 200"), "{path}: {seen:.200}");
        assert!(seen.contains("transfer-encoding: chunked"), "{path}: {seen:.200}");
        assert!(!seen.ends_with("0\r\n\r\n"), "{path} looks whole");
    }

    let mut connection = http2(host.services).await;
    let asked = request("GET", host.services, path, &[], body(""));
    if let Ok(response) = within("the head", connection.send_request(asked)).await {
        assert_eq!(response.status(), 200, "{path}");
        assert!(within("the end", Reply::read(response)).await.is_err(), "{path} looks whole");
    }
}

#[tokio::test]
async fn a_trap_in_the_middle_breaks_the_answer() {
    let host = Host::of(&["misbehaves", "calc"]).await;
    check_broken(&host, "/misbehaves/stream-trap").await;
    assert_eq!(host.get("/api/add/40/2").await.status, 200);
    assert_eq!(host.get("/misbehaves/state").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn a_fault_in_the_middle_breaks_the_answer() {
    let host = Host::of(&["misbehaves"]).await;
    check_broken(&host, "/misbehaves/stream-fault").await;
    assert_eq!(host.get("/misbehaves/state").await.status, 200);
    host.stop().await;
}

#[tokio::test]
async fn an_answer_over_its_limit_is_broken_off() {
    let manifest = "[limits]\nresponse_body_bytes = 10240";
    let host = Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest)).await;
    assert_eq!(host.get("/misbehaves/stream/10").await.body.len(), 10_240);
    check_broken(&host, "/misbehaves/stream/11").await;
    host.stop().await;
}

#[tokio::test]
async fn an_answer_over_its_time_is_broken_off() {
    let manifest = "[limits]\nwall_ms = 1000";
    let host = Host::over(Folder::of(&["ticker"]).with("ticker.toml", manifest)).await;
    check_broken(&host, "/ticker/100000").await;
    host.stop().await;
}

#[tokio::test]
async fn the_head_of_a_stream_ends_at_once() {
    let host = Host::of(&["ticker"]).await;
    let mut wire = Wire::to(host.services).await;
    wire.send("HEAD /ticker/100000 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(wire.reply_to_head().await.status, 200);
    wire.send("GET /ticker/1 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    answers(&wire.reply().await, 200, "tick 1\n");
    host.stop().await;
}

#[tokio::test]
async fn callers_that_leave_give_their_places_back() {
    let manifest = "[limits]\nconcurrency = 256";
    let host = Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest)).await;
    let mut open = Vec::new();
    for _ in 0..200 {
        let mut response = host.open("GET", "/misbehaves/stream/100000000", body("")).await;
        assert!(frame(&mut response).await.is_some_and(|first| first.is_ok()));
        open.push(response);
    }
    let running = async || {
        let detail = host.admin("GET", "/admin/v1/services/misbehaves", "").await;
        json(&detail, 200)["running"].as_u64().unwrap()
    };
    assert_eq!(running().await, 200);
    drop(open);
    until("the places to be free", async || (running().await == 0).then_some(())).await;
    host.stop().await;
}
