//! Requests, packets and frames that are none, at the ways in of browsers.

use crate::kit::*;
use futures::{StreamExt, stream};
use serde_json::Value;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

async fn shop_host() -> Host {
    let manifest = "namespace = \"shop\"\nexpose = [\"shop.add\"]";
    Host::over(Folder::of(&["shop"]).with("shop.toml", manifest)).await
}

/// A request on a connection of its own, which is no task once it is answered.
async fn ask(host: &Host, verb: &str, path: &str, body: &str) -> Reply {
    let len = body.len();
    let head = format!("{verb} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
    Wire::ask(host.services, format!("{head}content-length: {len}\r\n\r\n{body}")).await
}

/// Opens a session of polling; gives the path of it.
async fn polling(host: &Host) -> String {
    let opened = ask(host, "GET", "/socket.io/?EIO=4&transport=polling", "").await;
    let text = opened.text();
    let open: Value = serde_json::from_str(text.strip_prefix('0').expect(text)).expect(text);
    format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().expect(text))
}

/// The next packet for a session of polling, pings aside.
async fn polled(host: &Host, path: &str) -> String {
    loop {
        let reply = ask(host, "GET", path, "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        if let Some(packet) = reply.text().split('\u{1e}').find(|packet| *packet != "2") {
            return packet.to_owned();
        }
    }
}

async fn check_socket_io_works(host: &Host) {
    let path = polling(host).await;
    answers(&host.send("POST", &path, &[], "40/shop,").await, 200, "ok");
    let joined = polled(host, &path).await;
    assert!(joined.starts_with("40/shop,{"), "{joined}");
    let call = r#"42/shop,1["shop.add",{"a":40,"b":2}]"#;
    answers(&host.send("POST", &path, &[], call).await, 200, "ok");
    assert_eq!(polled(host, &path).await, r#"43/shop,1[{"sum":42},200]"#);
}

#[tokio::test]
async fn requests_of_socket_io_that_are_none_are_answered() {
    let host = shop_host().await;
    check_socket_io_works(&host).await;
    for path in [
        "/socket.io/",
        "/socket.io/?EIO=4",
        "/socket.io/?transport=polling",
        "/socket.io/?EIO=3&transport=polling",
        "/socket.io/?EIO=99999999999999999999&transport=polling",
        "/socket.io/?EIO=4&transport=pigeon",
        "/socket.io/?EIO=4&transport=websocket",
        "/socket.io/?EIO=4&transport=polling&sid=nobody",
        "/socket.io/?EIO=4&transport=polling&sid=%FF%00",
        "/socket.io/socket.io.js",
        "/socket.io/../../etc/passwd",
    ] {
        let reply = host.get(path).await;
        assert!((400..500).contains(&reply.status), "{path}: {reply:?}");
    }
    for verb in ["PUT", "DELETE", "PATCH"] {
        let reply = host.send(verb, "/socket.io/?EIO=4&transport=polling", &[], "x").await;
        assert!((400..500).contains(&reply.status), "{verb}: {reply:?}");
    }
    let path = polling(&host).await;
    let mut wire = Wire::to(host.services).await;
    wire.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 5000001\r\n\r\n4")).await;
    wire.send("x".repeat(5_000_000)).await;
    // The connection may be closed on it before the answer is read.
    if let Some(large) = wire.try_reply().await {
        assert!((400..500).contains(&large.status), "{large:?}");
    }
    check_socket_io_works(&host).await;
    host.stop().await;
}

/// Packets that are none, of engine.io and of socket.io within.
fn malformed() -> Vec<String> {
    let mut packets: Vec<String> = [
        "",
        "9",
        "x",
        "hello",
        "0{}",
        "1",
        "3",
        "3probe",
        "5",
        "6",
        "4",
        "49",
        "4x",
        "42",
        "42[",
        "42[]",
        "42{}",
        "42null",
        "42[1]",
        "42[null,1]",
        "42/shop",
        "42/shop,",
        "42/shop,1",
        "42/shop,99999999999999999999999[\"shop.add\"]",
        "42/shop,-1[\"shop.add\"]",
        "42/shop,1[\"shop.add\",{]",
        "42/shop,1[{\"shop.add\":1}]",
        "42/nowhere,1[\"shop.add\"]",
        "43/shop,1[1]",
        "43/shop,[1]",
        "44/shop,{\"message\":\"no\"}",
        "45",
        "451-",
        "451-/shop,[\"shop.add\",{\"_placeholder\":true,\"num\":0}]",
        "4599999999999999999999-/shop,[\"x\"]",
        "450-/shop,[\"x\"]",
        "45-1-/shop,[\"x\"]",
        "461-/shop,1[{\"_placeholder\":true,\"num\":7}]",
        "40/shop,{",
        "40/shop,{\"token\":1}",
        "41/shop,",
        "b",
        "b!!!!",
        "bAAAA",
        "\u{1e}",
        "\u{1e}\u{1e}\u{1e}4",
        "2\u{1e}2\u{1e}2",
    ]
    .map(str::to_owned)
    .to_vec();
    packets.push(format!("42/shop,1[\"shop.add\",{}", "[".repeat(50_000)));
    packets.push(format!("42/shop,1[\"{}\"]", "x".repeat(50_000)));
    packets.push(format!("40/{},", "x".repeat(50_000)));
    packets.push("40/shop,\u{1e}".repeat(1_000));
    packets
}

#[tokio::test]
async fn packets_of_socket_io_that_are_none_harm_nobody() {
    let host = shop_host().await;
    for packet in malformed() {
        let shown: String = packet.chars().take(60).collect();
        let path = polling(&host).await;
        let reply = host.send("POST", &path, &[], &packet).await;
        assert!(reply.status == 200 || (400..500).contains(&reply.status), "{shown}: {reply:?}");
        let mut browser = Browser::at(&host, "/socket.io/?EIO=4&transport=websocket").await;
        browser.packet().await.unwrap();
        browser.say("40/shop,").await;
        browser.packet().await.unwrap();
        // The host answers it, passes over it, or closes the socket.
        let _ = browser.try_say(Message::text(packet.clone())).await;
        let _ = browser.try_say(Message::binary(packet.into_bytes())).await;
    }
    check_socket_io_works(&host).await;
    check_works(&mut Browser::of(&host, "shop").await).await;
    assert_eq!(host.log.panics(), Vec::<String>::new());
    host.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_frames_close_their_socket_alone() {
    let host = shop_host().await;
    let mut other = Browser::of(&host, "shop").await;
    const PLAIN: &str = "/ws?namespace=shop";
    const SOCKET_IO: &str = "/socket.io/?EIO=4&transport=websocket";
    let long_ping = [b"\x89\xfe\x01\x00\0\0\0\0".as_slice(), &[0; 256]].concat();
    let huge = b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";
    // Unmasked, reserved bits, an unknown opcode, a fragment that continues
    // nothing, a control frame that is too long, no UTF-8, and too long.
    let cases: [(&str, &[u8]); 10] = [
        (PLAIN, b"\x81\x02hi"),
        (PLAIN, b"\xf1\x80\0\0\0\0"),
        (PLAIN, b"\x83\x80\0\0\0\0"),
        (PLAIN, b"\x80\x80\0\0\0\0"),
        (PLAIN, &long_ping),
        (PLAIN, b"\x81\x82\0\0\0\0\xff\xfe"),
        (PLAIN, huge),
        (SOCKET_IO, b"\x81\x02hi"),
        (SOCKET_IO, b"\x81\x82\0\0\0\0\xff\xfe"),
        (SOCKET_IO, huge),
    ];
    for (path, frames) in cases {
        let mut wire = Wire::to(host.services).await;
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        wire.send(head).await;
        assert_eq!(wire.head().await.0, 101);
        wire.send(frames).await;
        wire.rest().await;
    }
    check_works(&mut other).await;
    host.stop().await;
}

/// Opens a session of polling that is in the namespace; gives the path of it.
async fn polling_inside(host: &Host) -> String {
    let path = polling(host).await;
    answers(&ask(host, "POST", &path, "40/shop,").await, 200, "ok");
    let entered = polled(host, &path).await;
    assert!(entered.starts_with("40/shop,{"), "{entered}");
    path
}

/// Waits until nothing is left of any browser; the ping timeout of socket.io is
/// 45 s, and would not be an end of this kind.
async fn check_nobody_is_left(host: &Host, tasks: u64) {
    let asking = async {
        until("the browsers to be gone", async || {
            let browsers = host.metric("picolet_browsers").await;
            (browsers == 0 && host.metric("picolet_tasks").await <= tasks).then_some(())
        })
        .await;
    };
    let gone = tokio::time::timeout(Duration::from_secs(15), asking).await;
    let left = host.admin("GET", "/metrics", "").await;
    let left = left.text().lines().filter(|line| line.starts_with("picolet_browsers"));
    assert!(gone.is_ok(), "{:?}", left.collect::<Vec<_>>());
}

#[tokio::test]
async fn an_upgrade_that_fails_ends_its_session() {
    let host = shop_host().await;
    let before = host.metric("picolet_tasks").await;
    for said in ["", "2probe", "nonsense"] {
        let path = polling_inside(&host).await;
        assert_eq!(host.metric("picolet_browsers").await, 1);
        let upgrade = path.replace("transport=polling", "transport=websocket");
        let mut browser = Browser::at(&host, &upgrade).await;
        if !said.is_empty() {
            browser.say(said).await;
        }
        if said == "2probe" {
            assert_eq!(browser.packet().await.as_deref(), Some("3probe"));
        }
        drop(browser);
        check_nobody_is_left(&host, before).await;
        assert_eq!(ask(&host, "GET", &path, "").await.status, 400, "{said}");
    }
    check_socket_io_works(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn an_upgrade_that_succeeds_goes_on_by_websocket() {
    let host = shop_host().await;
    let path = polling_inside(&host).await;
    let upgrade = path.replace("transport=polling", "transport=websocket");
    let mut browser = Browser::at(&host, &upgrade).await;
    browser.say("2probe").await;
    assert_eq!(browser.packet().await.as_deref(), Some("3probe"));
    browser.say("5").await;
    browser.say(r#"42/shop,1["shop.add",{"a":40,"b":2}]"#).await;
    assert_eq!(browser.packet().await.as_deref(), Some(r#"43/shop,1[{"sum":42},200]"#));
    drop(browser);
    until("the browser to be gone", async || {
        (host.metric("picolet_browsers").await == 0).then_some(())
    })
    .await;
    host.stop().await;
}

#[tokio::test]
async fn a_session_that_polls_and_is_cut_off_is_gone_at_once() {
    let folder = Folder::of(&["shop"])
        .with("shop.toml", "namespace = \"shop\"\nexpose = [\"shop.add\"]")
        .with("picolet.toml", "[limits]\nwebsocket_messages_per_second_max = 5");
    let host = Host::over(folder).await;
    let before = host.metric("picolet_tasks").await;
    let path = polling_inside(&host).await;
    let calls = [r#"42/shop,1["shop.add",{"a":1,"b":2}]"#; 100].join("\u{1e}");
    let reply = ask(&host, "POST", &path, &calls).await;
    assert!([200, 400].contains(&reply.status), "{reply:?}");
    check_nobody_is_left(&host, before).await;
    let metrics = host.admin("GET", "/metrics", "").await;
    let flood = "picolet_browsers_closed_total{cause=\"flood\"} 1";
    assert!(metrics.text().lines().any(|line| line == flood), "{}", metrics.text());
    host.stop().await;
}

#[tokio::test]
async fn who_is_a_little_too_fast_by_socket_io_is_told_so_and_stays() {
    let folder = Folder::of(&["shop"])
        .with("shop.toml", "namespace = \"shop\"\nexpose = [\"shop.add\"]")
        .with("picolet.toml", "[limits]\nwebsocket_messages_per_second_max = 20");
    let host = Host::over(folder).await;
    let path = polling_inside(&host).await;
    // Entering was one of them; 38 more are not twice as many.
    let calls = [r#"42/shop,1["shop.add",{"a":40,"b":2}]"#; 38].join("\u{1e}");
    answers(&ask(&host, "POST", &path, &calls).await, 200, "ok");
    let (mut answered, mut refused) = (0, 0);
    while answered + refused < 38 {
        let heard = ask(&host, "GET", &path, "").await;
        assert_eq!(heard.status, 200, "{heard:?}");
        for packet in heard.text().split('\u{1e}').filter(|packet| *packet != "2") {
            if packet == r#"43/shop,1[{"sum":42},200]"# {
                answered += 1;
            } else {
                assert!(packet.contains("too-many-messages"), "{packet}");
                assert!(packet.ends_with(",429]"), "{packet}");
                refused += 1;
            }
        }
    }
    assert!(19 <= answered && 0 < refused, "{answered} answered, {refused} refused");
    host.stop().await;
}

#[tokio::test]
async fn of_2000_browsers_that_poll_and_close_or_break_off_at_ws_nothing_is_left() {
    let host = shop_host().await;
    let before = host.metric("picolet_tasks").await;
    let opening = stream::iter(0..1_000).map(|_| async {
        let mut plain = Browser::of(&host, "shop").await;
        check_works(&mut plain).await;
        drop(plain);
        let path = polling_inside(&host).await;
        answers(&ask(&host, "POST", &path, "1").await, 200, "ok");
    });
    opening.buffer_unordered(20).collect::<Vec<()>>().await;
    check_nobody_is_left(&host, before).await;
    check_socket_io_works(&host).await;
    assert_eq!(host.log.panics(), Vec::<String>::new());
    host.stop().await;
}
