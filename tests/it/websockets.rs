//! WebSockets that services keep: messages, rooms, opening and closing.

use crate::kit::*;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio_tungstenite::tungstenite::Message;

pub(crate) async fn chats(manifest: &str) -> Host {
    let folder = Folder::of(&["chats"]).with("chats.toml", manifest);
    Launch::over(folder).own_state().start().await
}

pub(crate) async fn talker(host: &Host, room: &str) -> WebSocket {
    WebSocket::open(host.services, &format!("/chats/talk/{room}")).await
}

/// How sockets were closed, as the guest was told.
pub(crate) async fn closed(host: &Host) -> BTreeMap<String, u64> {
    let closed = json(&host.get("/chats/closed").await, 200);
    let closed = closed.as_object().unwrap().iter();
    closed.map(|(how, times)| (how.clone(), times.as_u64().unwrap())).collect()
}

/// Waits until the guest was told of a close of this kind.
async fn until_closed(host: &Host, how: &str) {
    until(how, async || closed(host).await.keys().any(|key| key.starts_with(how)).then_some(()))
        .await;
}

async fn until_open(host: &Host, count: usize) {
    let count = count.to_string();
    until("so many to be open", async || {
        (host.get("/chats/open").await.text() == count).then_some(())
    })
    .await;
}

async fn say(host: &Host, path: &str, text: &str) -> String {
    let reply = host.send("POST", path, &[], text).await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.text().to_owned()
}

#[tokio::test]
async fn what_is_said_is_heard() {
    let host = chats("").await;
    let mut socket = talker(&host, "r").await;
    for text in ["hello", "", "👋 grüß dich"] {
        assert_eq!(socket.answers(text).await, text);
    }
    let long = "x".repeat(1 << 20);
    assert_eq!(socket.answers(&long).await, long);
    for bytes in [vec![], vec![0, 255, 128], vec![7; 100_000]] {
        socket.send(Message::binary(bytes.clone())).await;
        assert_eq!(socket.hears().await, Message::binary(bytes));
    }
    host.stop().await;
}

#[tokio::test]
async fn fragments_are_one_message_and_pings_come_between() {
    let host = chats("").await;
    let mut socket = Frames::open(host.services, "/chats/echo").await;
    socket.send(frame(0x01, b"he")).await;
    socket.send(frame(0x89, b"still there?")).await;
    assert_eq!(socket.frame().await, (0x8a, b"still there?".to_vec()));
    socket.send(frame(0x00, b"l")).await;
    socket.send(frame(0x80, b"lo")).await;
    assert_eq!(socket.frame().await, (0x81, b"hello".to_vec()));
    // One byte after the other.
    for byte in frame(0x82, b"slowly") {
        socket.send([byte]).await;
    }
    assert_eq!(socket.frame().await, (0x82, b"slowly".to_vec()));
    // Nobody asked for this pong.
    socket.send(frame(0x8a, b"")).await;
    socket.send(frame(0x88, &1000u16.to_be_bytes())).await;
    assert_eq!(socket.closing().await, 1000);
    socket.ended().await;
    host.stop().await;
}

#[tokio::test]
async fn the_first_subprotocol_of_the_service_that_is_offered_is_agreed_on() {
    let host = chats("").await;
    for (offered, agreed) in [
        ("chats.v1, chats.v2", "chats.v2"),
        ("other,chats.v1", "chats.v1"),
        ("chats.v2", "chats.v2"),
    ] {
        let headers = [("sec-websocket-protocol", offered)];
        let socket = WebSocket::open_with(host.services, "/chats/talk/r", &headers).await.unwrap();
        assert_eq!(socket.protocol, agreed, "{offered}");
    }
    // Who offers only others is let in without one.
    let mut wire = Wire::to(host.services).await;
    wire.send(upgrade("/chats/talk/r", "sec-websocket-protocol: other\r\n")).await;
    let (status, headers) = wire.head().await;
    assert_eq!((status, headers.get("sec-websocket-protocol")), (101, None));
    host.stop().await;
}

#[tokio::test]
async fn a_fault_at_the_opening_is_the_answer() {
    let host = chats("").await;
    let cases = [
        ("/chats/talk/r?refuse=403", 403, "not-wanted"),
        ("/chats/talk/r?refuse=503", 503, "not-wanted"),
        ("/chats/talk/r?refuse=soon", 400, "bad-parameter"),
        ("/chats/talk", 404, "no-route"),
    ];
    for (path, status, name) in cases {
        let reply = Wire::ask(host.services, upgrade(path, "")).await;
        faults(&reply, status, &[name]);
    }
    until_open(&host, 0).await;
    assert_eq!(closed(&host).await, BTreeMap::new());
    host.stop().await;
}

#[tokio::test]
async fn a_plain_request_is_told_to_upgrade() {
    let host = chats("").await;
    let reply = host.get("/chats/talk/r").await;
    assert_eq!(reply.status, 426, "{reply:?}");
    assert_eq!(reply.header("upgrade").to_ascii_lowercase(), "websocket");
    answers(&host.get("/chats/from").await, 200, "none");
    host.stop().await;
}

#[tokio::test]
async fn a_message_reaches_a_room_or_everyone_but_who_is_left_out() {
    let host = chats("").await;
    let mut ann = talker(&host, "a%20b").await;
    let mut bob = talker(&host, "a%20b").await;
    let mut eve = talker(&host, "other").await;
    assert_eq!(ann.answers("count").await, "2 of 3");
    ann.say("room hello").await;
    assert_eq!(bob.text().await, "hello");
    assert_eq!(bob.answers("all at once").await, "at once");
    // Each hears what was for it and no more.
    assert_eq!(ann.text().await, "at once");
    assert_eq!(eve.text().await, "at once");
    assert_eq!(say(&host, "/chats/rooms/a%20b", "from outside").await, "2");
    assert_eq!(ann.text().await, "from outside");
    assert_eq!(bob.text().await, "from outside");
    assert_eq!(say(&host, "/chats/everyone", "hey").await, "3");
    for socket in [&mut ann, &mut bob, &mut eve] {
        assert_eq!(socket.text().await, "hey");
    }
    assert_eq!(say(&host, "/chats/rooms/nobody", "hey").await, "0");
    ann.say("leave").await;
    assert_eq!(ann.answers("count").await, "1 of 3");
    drop(bob);
    until_open(&host, 2).await;
    assert_eq!(say(&host, "/chats/rooms/a%20b", "hey").await, "0");
    assert_ne!(ann.answers("id").await, eve.answers("id").await);
    let many = format!("/chats/join/{}/257", eve.answers("id").await);
    faults(&host.send("POST", &many, &[], "").await, 429, &["too-many-rooms"]);
    host.stop().await;
}

#[tokio::test]
async fn who_is_closed_is_told_why() {
    let host = chats("").await;
    let mut socket = talker(&host, "r").await;
    socket.say("close it is late").await;
    assert_eq!(socket.closing().await, (4001, "it is late".to_owned()));
    until_closed(&host, "r 4001 it is late").await;

    let mut other = talker(&host, "s").await;
    let id = other.answers("id").await;
    let refused = host.send("POST", &format!("/chats/close/{id}/1001"), &[], "").await;
    faults(&refused, 400, &["bad-call"]);
    // What was said before comes before.
    say(&host, "/chats/rooms/s", "bye").await;
    let done = host.send("POST", &format!("/chats/close/{id}/3000"), &[], "enough").await;
    assert_eq!(done.status, 204, "{done:?}");
    assert_eq!(other.text().await, "bye");
    assert_eq!(other.closing().await, (3000, "enough".to_owned()));
    until_closed(&host, "s 3000 enough").await;
    // It is nobody from now on.
    assert_eq!(host.send("POST", &format!("/chats/close/{id}/3000"), &[], "").await.status, 204);
    host.stop().await;
}

#[tokio::test]
async fn the_service_is_told_how_a_socket_was_closed() {
    let host = chats("").await;
    let socket = talker(&host, "bye").await;
    assert_eq!(socket.close(1000, "see you").await, (1000, "see you".to_owned()));
    until_closed(&host, "bye 1000 see you").await;
    let socket = talker(&host, "own").await;
    assert_eq!(socket.close(4321, "").await.0, 4321);
    until_closed(&host, "own 4321").await;
    let socket = talker(&host, "cut").await;
    drop(socket);
    until_closed(&host, "cut 1006").await;
    let mut no_code = Frames::open(host.services, "/chats/talk/silent").await;
    no_code.send(frame(0x88, b"")).await;
    no_code.closing().await;
    until_closed(&host, "silent 1005").await;
    assert_eq!(closed(&host).await.values().sum::<u64>(), 4);
    until_open(&host, 0).await;
    host.stop().await;
}

#[tokio::test]
async fn the_service_is_told_of_who_leaves_while_it_is_asked() {
    let host = chats("").await;
    let mut wire = Wire::to(host.services).await;
    wire.send(upgrade("/chats/talk/early?slow=20000", "")).await;
    until("the service to be asked", async || {
        let service = json(&host.admin("GET", "/admin/v1/services/chats", "").await, 200);
        (service["running"].as_u64() == Some(1)).then_some(())
    })
    .await;
    drop(wire);
    until_closed(&host, "early 1006").await;
    until_open(&host, 0).await;
    // Who is refused was never there.
    let refused = upgrade("/chats/talk/late?slow=1&refuse=403", "");
    faults(&Wire::ask(host.services, refused).await, 403, &["not-wanted"]);
    assert_eq!(closed(&host).await.values().sum::<u64>(), 1);
    host.stop().await;
}

#[tokio::test]
async fn what_happens_at_one_socket_comes_in_order_and_holds_up_no_other() {
    let host = chats("").await;
    let (mut one, mut other) = (talker(&host, "r").await, talker(&host, "r").await);
    one.say("slow 400").await;
    one.say("after").await;
    assert_eq!(other.answers("meanwhile").await, "meanwhile");
    assert_eq!(one.text().await, "slow 400");
    assert_eq!(one.text().await, "after");
    host.stop().await;
}

#[tokio::test]
async fn a_socket_is_opened_by_the_name_of_its_service() {
    let host = chats("").await;
    let mut named = WebSocket::open(host.services, "/services/chats/talk/r?a=b").await;
    let mut direct = talker(&host, "r").await;
    assert_eq!(named.answers("count").await, "2 of 2");
    direct.say("room hello").await;
    assert_eq!(named.text().await, "hello");
    let reply = Wire::ask(host.services, upgrade("/services/nobody/talk/r", "")).await;
    assert_eq!(reply.status, 404, "{reply:?}");
    host.stop().await;
}

#[tokio::test]
async fn pages_of_other_sites_are_kept_out() {
    let host = chats("").await;
    let own = format!("http://{}", host.services);
    for (origin, status) in [
        (own.as_str(), 101),
        ("http://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:1", 403),
        ("nonsense", 403),
    ] {
        let opened =
            WebSocket::open_with(host.services, "/chats/echo", &[("origin", origin)]).await;
        assert_eq!(opened.map_or_else(|reply| reply.status, |_| 101), status, "{origin}");
    }
    host.stop().await;
}

#[tokio::test]
async fn sockets_are_counted_and_shown() {
    let host = chats("").await;
    let mut socket = talker(&host, "r").await;
    assert_eq!(socket.answers("hello").await, "hello");
    let metrics = host.admin("GET", "/metrics", "").await.text().to_owned();
    let sum = |name: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    assert_eq!(sum("picolet_websockets{") + sum("picolet_websockets "), 1.0, "{metrics}");
    assert_eq!(sum("picolet_websocket_messages_total{"), 2.0, "{metrics}");
    socket.close(1000, "").await;
    until("the close to be counted", async || {
        let metrics = host.admin("GET", "/metrics", "").await.text().to_owned();
        let is_close = |line: &&str| line.starts_with("picolet_websockets_closed_total{");
        metrics.lines().filter(is_close).any(|line| line.ends_with(" 1")).then_some(())
    })
    .await;
    host.stop().await;
}

#[tokio::test]
async fn the_example_talks_from_page_to_page() {
    let host = Host::of(&["chat"]).await;
    let page = host.get("/chat").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    let mut ann = WebSocket::open(host.services, "/chat/rooms/lobby?name=Ann").await;
    let said = async |socket: &mut WebSocket| -> Value {
        serde_json::from_str(&socket.text().await).unwrap()
    };
    assert_eq!(said(&mut ann).await["here"], 1);
    let mut bob = WebSocket::open(host.services, "/chat/rooms/lobby?name=Bob").await;
    assert_eq!(said(&mut bob).await["here"], 2);
    assert_eq!(said(&mut ann).await["name"], "Bob");
    ann.say("hello").await;
    for socket in [&mut ann, &mut bob] {
        let line = said(socket).await;
        assert_eq!((&line["name"], &line["text"]), (&"Ann".into(), &"hello".into()));
    }
    bob.close(1000, "").await;
    let left = said(&mut ann).await;
    assert_eq!((&left["name"], &left["here"]), (&"Bob".into(), &1.into()));
    let nameless = Wire::ask(host.services, upgrade("/chat/rooms/lobby?name=", "")).await;
    faults(&nameless, 400, &["bad-name"]);
    host.stop().await;
}
