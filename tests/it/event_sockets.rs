//! Events by WebSocket on the admin side: who hears, who publishes, and who is
//! sent away.

use crate::kit::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

const PATH: &str = "/admin/v1/events/ws";
const HEARS_ALL: &str = "/admin/v1/events/ws?subject=%3E";

async fn reader(host: &Host, query: &str) -> WebSocket {
    WebSocket::open(host.admin, &format!("{PATH}?{query}")).await
}

async fn heard(reader: &mut WebSocket) -> Value {
    serde_json::from_str(&reader.text().await).unwrap()
}

async fn publish(host: &Host, subject: &str, payload: &str) -> u64 {
    let reply = host.admin("POST", &format!("/admin/v1/events/{subject}"), payload).await;
    json(&reply, 202)["heard_by"].as_u64().unwrap()
}

/// It is heard by who published it over this socket, which hears everything.
async fn still_well(there: &mut WebSocket) {
    there.say(r#"{"publish":"well","data":1}"#).await;
    let heard = heard(there).await;
    assert_eq!((&heard["event"], &heard["data"]), (&json!("well"), &json!(1)), "{heard}");
}

async fn until_readers(host: &Host, count: usize) {
    until(&format!("{count} readers to be there"), async || {
        let metrics = host.admin("GET", "/metrics", "").await;
        metrics.text().contains(&format!("picolet_watches {count}\n")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_published_over_it_is_heard_by_guests_and_readers() {
    let host = Host::of(&["events"]).await;
    let mut rates = reader(&host, "subject=rates.*").await;
    let mut answers = reader(&host, "subject=other&subject=heard.%3E").await;
    rates.say(r#"{"publish":"rates.usd","data":{"value":1.15}}"#).await;
    let by_reader = heard(&mut rates).await;
    assert_eq!(by_reader["event"], "rates.usd");
    assert_eq!(by_reader["data"], json!({ "value": 1.15 }));
    assert!(by_reader["event_id"].is_string(), "{by_reader}");
    assert_eq!(by_reader.get("publisher"), None);
    let by_guest = heard(&mut answers).await;
    assert_eq!(
        (&by_guest["event"], &by_guest["publisher"]),
        (&json!("heard.rate"), &json!("events"))
    );
    let told = &by_guest["data"];
    assert_eq!(
        (&told["subject"], &told["text"]),
        (&json!("rates.usd"), &json!(r#"{"value":1.15}"#))
    );
    // Without data it is null, and what is no JSON is a text.
    rates.say(r#"{"publish":"rates.eur"}"#).await;
    assert_eq!(heard(&mut rates).await["data"], Value::Null);
    publish(&host, "rates.gbp", "no JSON").await;
    assert_eq!(heard(&mut rates).await["data"], "no JSON");
    assert_eq!(rates.close(1000, "").await.0, 1000);
    until_readers(&host, 1).await;
    host.stop().await;
}

#[tokio::test]
async fn of_a_group_of_readers_one_hears() {
    let host = Host::of(&[]).await;
    let mut alone = reader(&host, "subject=jobs.*").await;
    let mut one = reader(&host, "subject=jobs.*&group=pair").await;
    let mut other = reader(&host, "subject=jobs.%3E&group=pair").await;
    for _ in 0..20 {
        assert_eq!(publish(&host, "jobs.1", "1").await, 2, "the pair, and one alone");
    }
    let (mut by_one, mut by_other) = (0, 0);
    while by_one + by_other < 20 {
        tokio::select! {
            _event = one.text() => by_one += 1,
            _event = other.text() => by_other += 1,
        }
        assert_eq!(heard(&mut alone).await["event"], "jobs.1");
    }
    assert!(0 < by_one && 0 < by_other, "{by_one} and {by_other}");
    host.stop().await;
}

#[tokio::test]
async fn what_cannot_be_published_is_answered_and_the_reader_stays() {
    let settings = "[limits]\nevent_bytes_max = 1000";
    let host = Host::over(Folder::empty().with("picolet.toml", settings)).await;
    let mut there = reader(&host, "subject=%3E").await;
    let text = |length: usize| json!({ "publish": "a", "data": "x".repeat(length) }).to_string();
    // The quotes count.
    let (fits, too_long) = (text(998), text(999));
    let bad = [
        "",
        "hello",
        "{",
        "null",
        "42",
        "[]",
        "{}",
        r#"{"data":1}"#,
        r#"{"publish":1}"#,
        r#"{"publish":"a","more":1}"#,
        r#"{"publish":""}"#,
        r#"{"publish":"a..b"}"#,
        r#"{"publish":"a.*"}"#,
        r#"{"publish":"a.>"}"#,
        r#"{"publish":"$SYS.a"}"#,
        &too_long,
    ];
    let messages = bad.map(Message::text).into_iter().chain([Message::binary(vec![0, 159])]);
    for message in messages {
        let shown: String = format!("{message:?}").chars().take(80).collect();
        there.send(message).await;
        let fault = heard(&mut there).await;
        let seen = (&fault["code"], &fault["fault"]);
        assert_eq!(seen, (&json!(400), &json!("bad-message")), "{shown}: {fault}");
        assert!(fault["error"].as_str().is_some_and(|text| !text.is_empty()), "{shown}: {fault}");
    }
    still_well(&mut there).await;
    there.say(&fits).await;
    assert_eq!(heard(&mut there).await["data"], "x".repeat(998));
    host.stop().await;
}

#[tokio::test]
async fn what_is_no_protocol_is_closed_with_its_code() {
    let settings = "[limits]\nevent_bytes_max = 1000";
    let host = Host::over(Folder::empty().with("picolet.toml", settings)).await;
    let mut there = reader(&host, "subject=%3E").await;
    let cases: [(&str, Vec<u8>, u16); 5] = [
        ("unmasked", vec![0x81, 2, b'h', b'i'], 1002),
        ("a reserved bit", frame(0xc1, b"hi"), 1002),
        ("no UTF-8", frame(0x81, &[0xff, 0xfe]), 1007),
        ("a message that is too large", frame(0x81, &[b'x'; 10_000]), 1009),
        ("one that nobody has sent", frame_head(0x81, 1 << 40), 1009),
    ];
    for (what, bytes, code) in cases {
        let mut socket = Frames::open(host.admin, HEARS_ALL).await;
        socket.send(bytes).await;
        assert_eq!(socket.closing().await, code, "{what}");
        socket.ended().await;
        still_well(&mut there).await;
    }
    until_readers(&host, 1).await;
    host.stop().await;
}

#[tokio::test]
async fn what_is_no_handshake_is_refused() {
    let host = Host::of(&[]).await;
    let plain = host.admin("GET", HEARS_ALL, "").await;
    faults(&plain, 426, &["upgrade-required"]);
    assert_eq!(plain.header("upgrade"), "websocket");
    assert_eq!(plain.header("sec-websocket-version"), "13");
    let old = upgrade(HEARS_ALL, "").replace(": 13", ": 8");
    faults(&Wire::ask(host.admin, old).await, 426, &["upgrade-required"]);
    let keyless = upgrade(HEARS_ALL, "").replace("dGhlIHNhbXBsZSBub25jZQ==", "");
    faults(&Wire::ask(host.admin, keyless).await, 400, &["bad-handshake"]);
    let queries =
        ["", "subject=", "subject=a..b", "subject=%3E.a", "topic=a", "subject=a&group=a%20b"];
    for query in queries {
        let reply = Wire::ask(host.admin, upgrade(&format!("{PATH}?{query}"), "")).await;
        faults(&reply, 400, &["bad-request", "bad-subject"]);
    }
    host.stop().await;
}

#[tokio::test]
async fn pages_of_other_sites_are_not_let_in() {
    let host = Host::of(&[]).await;
    for origin in
        ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://localhost:3000"]
    {
        let head = upgrade(HEARS_ALL, &format!("origin: {origin}\r\n"));
        faults(&Wire::ask(host.admin, head).await, 403, &["forbidden"]);
    }
    // Browsers send no origin with what a page may not read.
    let path = "/admin/v1/events?subject=orders.*&group=g";
    let unread =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: cross-site\r\n\r\n");
    faults(&Wire::ask(host.admin, unread).await, 403, &["forbidden"]);
    let renamed = upgrade(HEARS_ALL, "").replace("localhost", "evil.example");
    faults(&Wire::ask(host.admin, renamed).await, 403, &["forbidden"]);
    let own = format!("http://{}", host.admin);
    assert!(WebSocket::open_with(host.admin, HEARS_ALL, &[("origin", own.as_str())]).await.is_ok());
    host.stop().await;
}

#[tokio::test]
async fn who_does_not_read_is_sent_away_while_others_go_on() {
    let host = Host::of(&[]).await;
    let slow = reader(&host, "subject=large").await;
    let mut quick = reader(&host, "subject=large").await;
    let data = "x".repeat(1_000_000);
    let payload = json!(data).to_string();
    // Far more than the host and the systems of both sides keep for one reader.
    for _ in 0..32 {
        publish(&host, "large", &payload).await;
        assert_eq!(heard(&mut quick).await["data"].as_str(), Some(&*data));
    }
    assert_eq!(slow.closing().await.0, 1013);
    until_readers(&host, 1).await;
    publish(&host, "large", "1").await;
    assert_eq!(heard(&mut quick).await["data"], 1);
    host.stop().await;
}

#[tokio::test]
async fn a_host_that_stops_says_goodbye_and_does_not_wait_for_readers() {
    let host = Host::of(&[]).await;
    let (one, other) = (reader(&host, "subject=a").await, reader(&host, "subject=b").await);
    let began = Instant::now();
    let ((), one, other) = tokio::join!(host.stop(), one.closing(), other.closing());
    assert_eq!(one, (1001, "the host is stopping".to_owned()));
    assert_eq!(other, one);
    // The drain has 30 s.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
