//! Requests that are wrong, too large, too slow or abandoned.

use crate::kit::*;
use futures::future::join_all;
use serde_json::json;

/// Sends to a host that serves everything needed here, and checks that it goes
/// on as if nothing had been.
async fn still_well(host: &Host) {
    answers(
        &host.get("/api/add/40/2").await,
        200,
        r#"{"message":"Hello 🌍","from":"pico","result":42}"#,
    );
}

async fn with_settings(settings: &str) -> Host {
    Host::over(Folder::of(&["calc", "misbehaves", "echo"]).with("picolet.toml", settings)).await
}

#[tokio::test]
async fn every_bad_host_is_bad() {
    let host = Host::of(&["calc"]).await;
    let heads = [
        "",
        "host: a\r\nhost: b\r\n",
        "host: a\r\nhost: a\r\n",
        "host:\r\n",
        "host: user@a\r\n",
        "host: user:secret@a\r\n",
        "host: a/path\r\n",
        "host: a:port\r\n",
        "host: a:99999\r\n",
        "host: a:-1\r\n",
        "host: a b\r\n",
        "host: a?b\r\n",
        "host: a#b\r\n",
        "host: [::1\r\n",
        "host: http://a\r\n",
    ];
    for head in heads {
        let reply = Wire::ask(
            host.services,
            format!("GET /api/add/40/2 HTTP/1.1\r\n{head}connection: close\r\n\r\n"),
        )
        .await;
        assert_eq!(reply.status, 400, "{head:?}: {reply:?}");
        faults(&reply, 400, &["bad-request"]);
    }
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn every_good_host_is_good() {
    let host = Host::of(&["calc"]).await;
    for name in ["a", "a.example:80", "127.0.0.1:8080", "[::1]:8080", "a-b.example.", "localhost:"]
    {
        let head = format!("GET /api/add/40/2 HTTP/1.1\r\nhost: {name}\r\n\r\n");
        assert_eq!(Wire::ask(host.services, head).await.status, 200, "{name}");
    }
    host.stop().await;
}

#[tokio::test]
async fn connect_and_stars_are_judged() {
    let host = Host::of(&["calc"]).await;
    let ask = async |line: &str| {
        let head = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        Wire::ask(host.services, head).await
    };
    assert_eq!(ask("CONNECT example.com:443").await.status, 405);
    assert_eq!(ask("GET *").await.status, 400);
    let options = ask("OPTIONS *").await;
    assert!((200..300).contains(&options.status), "{options:?}");
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn heads_over_the_limits_are_turned_away() {
    let host = Host::of(&["calc"]).await;
    let long = "x".repeat(40 << 10);
    let path = "/x".repeat(5 << 10);
    let many = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let verb = "V".repeat(33);
    let cases = [
        ("a long header", format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {long}\r\n\r\n"), 431),
        ("many headers", format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"), 431),
        ("a long target", format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"), 414),
        ("a long verb", format!("{verb} / HTTP/1.1\r\nhost: a\r\n\r\n"), 501),
    ];
    for (what, head, status) in cases {
        let reply = Wire::ask(host.services, head).await;
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        still_well(&host).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn what_is_no_http_is_closed() {
    let host = Host::of(&["calc"]).await;
    let cases: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost a\r\n\r\n",
        b"POST /api/add HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n\r\n",
    ];
    for bytes in cases {
        let mut wire = Wire::to(host.services).await;
        wire.send(bytes).await;
        wire.finish().await;
        let seen = wire.rest().await;
        let seen = String::from_utf8_lossy(&seen);
        assert!(!seen.contains(" 200 ") && !seen.contains(" 500 "), "{bytes:?} got {seen}");
        still_well(&host).await;
    }
    host.stop().await;
}

#[tokio::test]
async fn contradicting_lengths_are_refused() {
    let host = Host::of(&["calc"]).await;
    let lengths = [
        "content-length: 3\r\ncontent-length: 4\r\n",
        "content-length: -1\r\n",
        "content-length: 1e3\r\n",
        "transfer-encoding: gzip\r\n",
    ];
    for length in lengths {
        let mut wire = Wire::to(host.services).await;
        wire.send(format!("POST /api/add HTTP/1.1\r\nhost: a\r\n{length}\r\n")).await;
        wire.finish().await;
        let seen = wire.rest().await;
        let seen = String::from_utf8_lossy(&seen);
        assert!(seen.is_empty() || seen.starts_with("HTTP/1.1 4"), "{length:?} got {seen}");
    }
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_turned_away_before_it_comes() {
    let host = with_settings("").await;
    let length = (10 << 20) + 1;
    let head = format!(
        "POST /misbehaves/sum-body HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"
    );
    faults(&Wire::ask(host.services, head).await, 413, &["body-too-large"]);
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_body_that_grows_too_long_is_cut_off() {
    let host = with_settings("").await;
    let manifest = "[limits]\nrequest_body_bytes = 100000";
    host.folder.put("misbehaves.toml", manifest);
    host.line("swapped misbehaves").await;
    for path in ["/misbehaves/sum-body", "/misbehaves/duplex"] {
        let mut wire = Wire::to(host.services).await;
        wire.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"))
            .await;
        let chunk = format!("2710\r\n{}\r\n", "x".repeat(10_000));
        wire.send(chunk.repeat(20)).await;
        let seen = wire.rest().await;
        let seen = String::from_utf8_lossy(&seen);
        let turned_away = seen.starts_with("HTTP/1.1 413") || seen.is_empty();
        let broken = seen.starts_with("HTTP/1.1 200") && !seen.ends_with("0\r\n\r\n");
        assert!(turned_away || (broken && path.ends_with("duplex")), "{path}: {seen:.200}");
    }
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_body_by_name_has_the_bounds_of_the_manifest_whichever_way_it_comes() {
    let host = with_settings("").await;
    host.folder.put("misbehaves.toml", "[limits]\nrequest_body_bytes = 1000");
    host.line("swapped misbehaves").await;
    let too_large = ["body-too-large"];
    for length in [1_000, 1_001] {
        let text = "x".repeat(length);
        let by_route = host.send("POST", "/misbehaves/say", &[], &text).await;
        let by_name = host.send("POST", "/services/misbehaves/say", &[], &text).await;
        for reply in [by_route, by_name] {
            match length {
                1_000 => assert_eq!(reply.status, 204, "{reply:?}"),
                _ => faults(&reply, 413, &too_large),
            }
        }
    }
    let text = "x".repeat(1_001);
    let long = json!({ "target": "misbehaves.say", "data": { "text": text } }).to_string();
    faults(&host.admin("POST", "/admin/v1/call", &long).await, 413, &too_large);
    // What may be more than usual may come by name, too.
    let mark = host.log.mark();
    host.folder.put("misbehaves.toml", "[limits]\nrequest_body_bytes = 20000000");
    host.line_from(mark, "swapped misbehaves").await;
    let text = "x".repeat(11 << 20);
    let reply = host.send("POST", "/services/misbehaves/sum-body", &[], &text).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_or_no_numbers_is_bad() {
    let host = Host::of(&["calc"]).await;
    for text in
        ["", "{", "{\"a\":40}", "[]", "{\"a\":\"x\",\"b\":2}", "\u{0}", "{\"a\":1,\"b\":2}x"]
    {
        let reply = host.post_json("/api/add", text).await;
        assert_eq!(json(&reply, 400)["code"], 400, "{text:?}");
    }
    let typed = host.send("POST", "/api/add", &[("content-type", "text/plain")], "{}").await;
    faults(&typed, 415, &["unsupported-media-type"]);
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_slow_head_is_closed() {
    let host = with_settings("[limits]\nhead_ms_max = 200").await;
    let slow = async |part: &str| {
        let mut wire = Wire::to(host.services).await;
        wire.send(part).await;
        let seen = wire.rest().await;
        let seen = String::from_utf8_lossy(&seen).into_owned();
        assert!(seen.is_empty() || seen.starts_with("HTTP/1.1 408"), "{part:?} got {seen}");
    };
    let parts = ["", "GET ", "GET /api/add/40/2 HTTP/1.1\r\n", "GET / HTTP/1.1\r\nhost: a\r\n"];
    join_all(parts.into_iter().map(slow)).await;
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let host = with_settings("[limits]\nbody_idle_ms_max = 200").await;
    for path in ["/misbehaves/sum-body", "/api/add"] {
        let mut wire = Wire::to(host.services).await;
        wire.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf"))
            .await;
        let seen = wire.rest().await;
        let seen = String::from_utf8_lossy(&seen);
        assert!(seen.is_empty() || seen.starts_with("HTTP/1.1 408"), "{path} got {seen}");
    }
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    let host = with_settings("[limits]\nbody_bytes_per_second_min = 1000000").await;
    let mut wire = Wire::to(host.services).await;
    let head = "POST /misbehaves/sum-body HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n";
    wire.send(head).await;
    until("the trickle to be cut", async || wire.try_send("x").await.err().map(|_| ())).await;
    let seen = wire.rest().await;
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.is_empty() || seen.starts_with("HTTP/1.1 408"), "got {seen}");
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let host = with_settings("[limits]\nwrite_stall_ms_max = 200").await;
    let before = sockets(host.pid());
    let mut wire = Wire::to(host.services).await;
    wire.send("GET /misbehaves/stream/1000000 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    wire.until("\r\n\r\n").await;
    until("the connection to be given up", async || (sockets(host.pid()) <= before).then_some(()))
        .await;
    let seen = wire.rest().await;
    assert!(!seen.ends_with(b"0\r\n\r\n"), "the answer must not look whole");
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn clients_that_leave_in_the_middle_give_their_places_back() {
    let manifest = "[limits]\nconcurrency = 2\nqueue = 0";
    let folder = Folder::of(&["calc", "misbehaves"]).with("misbehaves.toml", manifest);
    let host = Host::over(folder).await;
    let requests = [
        "GET /misbehaves/sleep/29000 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /misbehaves/stream/1000000 HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /misbehaves/sum-body HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf",
        "POST /misbehaves/duplex HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
    ];
    for request in requests.iter().cycle().take(20) {
        let mut wire = Wire::to(host.services).await;
        wire.send(request).await;
    }
    until("a free place", async || {
        (host.get("/misbehaves/state").await.status == 200).then_some(())
    })
    .await;
    still_well(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_service_that_is_full_turns_away_and_says_when_to_come_back() {
    let manifest = "[limits]\nconcurrency = 1\nqueue = 0";
    let host = Host::over(Folder::of(&["misbehaves"]).with("misbehaves.toml", manifest)).await;
    let mut busy = Wire::to(host.services).await;
    busy.send("POST /misbehaves/duplex HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    busy.send("1\r\nx\r\n").await;
    busy.head().await;
    faults(&host.get("/misbehaves/state").await, 503, &["overloaded"]);
    busy.send("0\r\n\r\n").await;
    busy.until("0\r\n\r\n").await;
    until("the place", async || (host.get("/misbehaves/state").await.status == 200).then_some(()))
        .await;
    host.stop().await;
}
