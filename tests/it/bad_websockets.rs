//! WebSockets that are wrong, too large, too fast, too slow or abandoned.

use crate::kit::*;
use futures::StreamExt;
use futures::stream::iter;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

const ECHO: &str = "/chats/echo";
/// Most bytes of a message.
const BYTES_MAX: usize = 1 << 20;

async fn with_settings(settings: &str) -> Host {
    // Guests keep what they are told.
    let folder = Folder::of(&["chats"]).with("picolet.toml", settings);
    Launch::over(folder).own_state().start().await
}

/// The host goes on, for who is there already and for who comes.
async fn still_well(host: &Host, there: &mut WebSocket) {
    assert_eq!(there.answers("well?").await, "well?");
    answers(&host.get("/chats/version").await, 200, "1");
}

/// A figure of all lines of a metric together.
async fn metric(host: &Host, name: &str) -> f64 {
    let metrics = host.admin("GET", "/metrics", "").await.text().to_owned();
    let is_meant =
        |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let lines = metrics.lines().filter(is_meant);
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

async fn until_none_is_open(host: &Host) {
    until("no socket to be open", async || {
        (metric(host, "picolet_websockets").await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_its_code() {
    let host = with_settings("").await;
    let mut there = WebSocket::open(host.services, ECHO).await;
    let cases: [(&str, Vec<u8>, u16); 16] = [
        ("unmasked", vec![0x81, 2, b'h', b'i'], 1002),
        ("the first reserved bit", frame(0xc1, b"hi"), 1002),
        ("the second reserved bit", frame(0xa1, b"hi"), 1002),
        ("the third reserved bit", frame(0x91, b"hi"), 1002),
        ("a reserved opcode of data", frame(0x83, b"hi"), 1002),
        ("a reserved opcode of control", frame(0x8b, b"hi"), 1002),
        ("a ping in fragments", frame(0x09, b"hi"), 1002),
        ("a ping of 126 bytes", frame(0x89, &[b'x'; 126]), 1002),
        ("the end of nothing", frame(0x80, b"hi"), 1002),
        ("a message in a message", [frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002),
        ("a close of one byte", frame(0x88, &[3]), 1002),
        ("a close with a code that no frame has", frame(0x88, &1005u16.to_be_bytes()), 1002),
        ("no UTF-8", frame(0x81, &[0xff, 0xfe]), 1007),
        ("UTF-8 that ends too soon", frame(0x81, &[0xf0, 0x9f, 0x91]), 1007),
        ("no UTF-8 in fragments", [frame(0x01, b"a"), frame(0x80, &[0xc3, 0x28])].concat(), 1007),
        ("a message that is too large", frame_head(0x82, BYTES_MAX as u64 + 1), 1009),
    ];
    for (what, bytes, code) in cases {
        let mut socket = Frames::open(host.services, ECHO).await;
        socket.send(bytes).await;
        assert_eq!(socket.closing().await, code, "{what}");
        socket.ended().await;
        still_well(&host, &mut there).await;
    }
    there.close(1000, "").await;
    until_none_is_open(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn what_is_announced_is_not_believed() {
    let host = with_settings("").await;
    let mut there = WebSocket::open(host.services, ECHO).await;
    still_well(&host, &mut there).await;
    let before = resident_mib(host.pid());
    let mut socket = Frames::open(host.services, ECHO).await;
    // Nobody can have sent the end of such a frame.
    socket.send(frame_head(0x82, 1 << 63)).await;
    let code = socket.closing().await;
    assert!([1002, 1009].contains(&code), "{code}");
    socket.ended().await;

    let mut socket = Frames::open(host.services, ECHO).await;
    socket.send(frame_head(0x82, 1 << 40)).await;
    assert_eq!(socket.closing().await, 1009);
    socket.ended().await;

    // Each of them is small.
    let mut socket = Frames::open(host.services, ECHO).await;
    socket.send(frame(0x02, &vec![7; 1 << 16])).await;
    for _ in 0..16 {
        socket.send(frame(0x00, &vec![7; 1 << 16])).await;
    }
    assert_eq!(socket.closing().await, 1009);
    socket.ended().await;

    // What is announced and does not come is waited for, and holds nothing.
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let mut socket = Frames::open(host.services, ECHO).await;
        socket.send(frame_head(0x82, BYTES_MAX as u64)).await;
        waiting.push(socket);
    }
    still_well(&host, &mut there).await;
    let grown = resident_mib(host.pid()).saturating_sub(before);
    assert!(grown <= 32, "{grown} MiB more");
    host.stop().await;
}

#[tokio::test]
async fn handshakes_are_judged() {
    let host = with_settings("").await;
    let head = upgrade(ECHO, "");
    let without = |header: &str| -> String {
        head.split_inclusive("\r\n").filter(|line| !line.starts_with(header)).collect()
    };
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let cases = [
        ("no key", without("sec-websocket-key"), 400),
        ("a short key", head.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400),
        ("a key that is none", head.replace("dGhlIHNhbXBsZSBub25jZQ==", "???"), 400),
        ("two keys", upgrade(ECHO, key), 400),
        ("no version", without("sec-websocket-version"), 426),
        ("an old version", head.replace(": 13", ": 8"), 426),
        ("no upgrade", without("upgrade"), 426),
        ("another upgrade", head.replace("upgrade: websocket", "upgrade: h2c"), 426),
        ("no connection", without("connection"), 400),
    ];
    for (what, head, status) in cases {
        let reply = Wire::ask(host.services, head).await;
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        if what.contains("version") {
            assert_eq!(reply.header("sec-websocket-version"), "13", "{what}: {reply:?}");
        }
    }
    let mut old = Wire::to(host.services).await;
    old.send(head.replace("HTTP/1.1", "HTTP/1.0")).await;
    assert!((400..500).contains(&old.head().await.0));
    let posted = Wire::ask(host.services, head.replace("GET", "POST")).await;
    assert!((400..500).contains(&posted.status), "{posted:?}");
    let mut sender = http2(host.services).await;
    let asked = request("GET", host.services, ECHO, &[], body(""));
    let reply = Reply::read(sender.send_request(asked).await.unwrap()).await.unwrap();
    assert_eq!(reply.status, 426, "{reply:?}");
    // Names and values are compared as the standard says.
    let odd = upgrade(ECHO, "")
        .replace("Upgrade\r\nupgrade: websocket", "keep-alive, upgrade\r\nUpgrade: WebSocket");
    let mut wire = Wire::to(host.services).await;
    wire.send(odd).await;
    assert_eq!(wire.head().await.0, 101);
    host.stop().await;
}

#[tokio::test]
async fn what_follows_the_handshake_at_once_is_not_lost() {
    let host = with_settings("").await;
    let mut wire = Wire::to(host.services).await;
    let mut bytes = upgrade(ECHO, "").into_bytes();
    bytes.extend(frame(0x81, b"early"));
    wire.send(bytes).await;
    assert_eq!(wire.head().await.0, 101);
    assert_eq!(wire.take(7).await, b"\x81\x05early");
    host.stop().await;
}

/// A connection whose system takes little before somebody reads.
async fn narrow(to: SocketAddr) -> Wire {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    Wire::over(within("a connection", socket.connect(to)).await.unwrap())
}

#[tokio::test]
async fn who_does_not_read_is_sent_away_and_holds_up_nobody() {
    const COUNT: usize = 20;
    const BYTES: usize = 20_000;
    let host = with_settings("").await;
    let room = "/chats/talk/r";
    let _slow = Frames::over(narrow(host.services).await, room).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(WebSocket::open(host.services, room).await);
    }
    until("the slow one to be sent away", async || {
        let flood = format!("/chats/flood/r/{COUNT}/{BYTES}");
        assert_eq!(host.send("POST", &flood, &[], "").await.status, 204);
        for other in &mut others {
            for _ in 0..COUNT {
                assert_eq!(other.hears().await.len(), BYTES);
            }
        }
        (host.get("/chats/open").await.text() == "3").then_some(())
    })
    .await;
    closed(&host, "r 1013 reads too slowly").await;
    for other in &mut others {
        assert_eq!(other.answers("well?").await, "well?");
    }
    host.stop().await;
}

/// A socket that is sent more than its connection takes, and the name of it.
async fn stuffed(host: &Host, wire: Wire) -> (Frames, String) {
    let mut socket = Frames::over(wire, "/chats/talk/r").await;
    socket.send(frame(0x81, b"id")).await;
    let id = String::from_utf8(socket.frame().await.1).unwrap();
    // Less than may be sent at once, so this alone is not too much.
    assert_eq!(host.send("POST", "/chats/flood/r/4/1000000", &[], "").await.status, 204);
    (socket, id)
}

async fn closed(host: &Host, how: &str) {
    until(how, async || {
        let closed = host.get("/chats/closed").await;
        (closed.text().contains(&format!("\"{how}\":1"))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_takes_nothing_is_cut_though_there_are_pongs() {
    let host = with_settings("[limits]\nwrite_stall_ms_max = 300").await;
    let (mut socket, _) = stuffed(&host, narrow(host.services).await).await;
    until("the stuffed one to be cut", async || {
        socket.send(frame(0x8a, b"")).await;
        (host.get("/chats/open").await.text() == "0").then_some(())
    })
    .await;
    closed(&host, "r 1013 reads too slowly").await;
    until_none_is_open(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn who_takes_nothing_can_be_closed_by_its_service() {
    let host = with_settings("").await;
    let (mut socket, id) = stuffed(&host, narrow(host.services).await).await;
    let bye = host.send("POST", &format!("/chats/close/{id}/4001"), &[], "bye").await;
    assert_eq!(bye.status, 204);
    // Nobody hears that any more.
    socket.send(frame(0x81, b"all heard")).await;
    let began = Instant::now();
    closed(&host, "r 4001 bye").await;
    until_none_is_open(&host).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    host.stop().await;
}

#[tokio::test]
async fn who_takes_nothing_does_not_hold_up_the_end_of_the_host() {
    let host = with_settings("").await;
    let (mut socket, _) = stuffed(&host, narrow(host.services).await).await;
    socket.send(frame(0x8a, b"")).await;
    let began = Instant::now();
    host.stop().await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_closes_while_much_is_on_its_way_is_answered() {
    let host = with_settings("").await;
    let (mut socket, _) = stuffed(&host, Wire::to(host.services).await).await;
    socket.send(frame(0x88, &[&1000u16.to_be_bytes()[..], b"enough"].concat())).await;
    assert_eq!(socket.closing().await, 1000);
    socket.ended().await;
    closed(&host, "r 1000 enough").await;
    host.stop().await;
}

#[tokio::test]
async fn who_reads_at_once_may_be_sent_much_at_once() {
    let host = with_settings("").await;
    let mut socket = WebSocket::open(host.services, "/chats/talk/r").await;
    for (count, bytes) in [(1_000, 10), (3, 600_000)] {
        let flood = format!("/chats/flood/r/{count}/{bytes}");
        assert_eq!(host.send("POST", &flood, &[], "").await.status, 204);
        for _ in 0..count {
            assert_eq!(socket.hears().await.len(), bytes);
        }
    }
    assert_eq!(socket.answers("well?").await, "well?");
    host.stop().await;
}

#[tokio::test]
async fn a_message_of_nothing_but_fragments_is_ended() {
    let host = with_settings("").await;
    let mut socket = Frames::open(host.services, ECHO).await;
    socket.send([frame(0x01, b""), frame(0x00, b"").repeat(64)].concat()).await;
    assert_eq!(socket.closing().await, 1008);
    socket.ended().await;
    host.stop().await;
}

#[tokio::test]
async fn who_is_idle_is_closed() {
    let host = with_settings("[limits]\nwebsocket_idle_ms_max = 1000").await;
    let began = Instant::now();
    let (code, reason) = WebSocket::open(host.services, ECHO).await.closing().await;
    assert_eq!((code, reason.as_str()), (1000, "idle for too long"));
    assert!(Duration::from_secs(1) <= began.elapsed(), "{:?}", began.elapsed());
    host.stop().await;
}

#[tokio::test]
async fn who_is_too_fast_is_slowed_and_loses_nothing() {
    let host = with_settings("[limits]\nwebsocket_messages_per_second_max = 20").await;
    let mut fast = WebSocket::open(host.services, ECHO).await;
    let mut other = WebSocket::open(host.services, ECHO).await;
    let began = Instant::now();
    for number in 0..60 {
        fast.say(&number.to_string()).await;
    }
    assert_eq!(other.answers("meanwhile").await, "meanwhile");
    for number in 0..60 {
        assert_eq!(fast.text().await, number.to_string());
    }
    // A second's worth may come at once.
    assert!(Duration::from_secs(1) < began.elapsed(), "{:?}", began.elapsed());
    host.stop().await;
}

#[tokio::test]
async fn sockets_over_the_limit_are_turned_away() {
    let host = with_settings("[limits]\nwebsockets_max = 2").await;
    let first = WebSocket::open(host.services, ECHO).await;
    let _second = WebSocket::open(host.services, ECHO).await;
    let reply = Wire::ask(host.services, upgrade(ECHO, "")).await;
    assert_eq!(json(&reply, 503)["code"], 503);
    assert_ne!(reply.header("retry-after"), "", "{reply:?}");
    answers(&host.get("/chats/version").await, 200, "1");
    first.close(1000, "").await;
    until("room for one more", async || WebSocket::open_with(host.services, ECHO, &[]).await.ok())
        .await;
    host.stop().await;
}

#[tokio::test]
async fn ten_thousand_abandoned_sockets_leave_nothing() {
    const AT_ONCE: usize = 500;
    let host = with_settings("").await;
    answers(&host.get("/chats/version").await, 200, "1");
    let before = sockets(host.pid());
    for batch in 0..20 {
        let opening = iter(0..AT_ONCE).map(|_| abandoned(host.services)).buffer_unordered(50);
        let opened: Vec<Wire> = opening.collect().await;
        assert_eq!(opened.len(), AT_ONCE);
        if batch == 0 {
            assert_eq!(metric(&host, "picolet_websockets").await, AT_ONCE as f64);
        }
        drop(opened);
        // The host may not have seen all of them leave when the next come.
        until("most of them to be gone", async || {
            (metric(&host, "picolet_websockets").await < 5_000.0).then_some(())
        })
        .await;
    }
    until_none_is_open(&host).await;
    answers(&host.get("/chats/open").await, 200, "0");
    until("their connections to be closed", async || {
        // Those that asked for the figures may be kept.
        (sockets(host.pid()) <= before + 4).then_some(())
    })
    .await;
    until("each close to be counted", async || {
        (metric(&host, "picolet_websockets_closed_total").await == 10_000.0).then_some(())
    })
    .await;
    host.stop().await;
}

/// A socket that was opened, and of which nothing more will come.
async fn abandoned(to: SocketAddr) -> Wire {
    let mut wire = Wire::to(to).await;
    wire.send(upgrade(ECHO, "")).await;
    assert_eq!(wire.head().await.0, 101);
    wire
}
