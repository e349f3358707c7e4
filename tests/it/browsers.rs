//! Browsers without a library: calls, events and rooms at `/ws`, socket.io by
//! hand, and `/events`; what becomes of them when services and the host go.

use crate::kit::*;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;

/// Shows nearly everything.
const MANIFEST: &str = "namespace = \"shop\"
expose = [\"shop.*\", \"events:rates.>\"]";

async fn shop_host(settings: &str) -> Host {
    let folder = Folder::of(&["shop"]).with("shop.toml", MANIFEST);
    Host::over(folder.with("picolet.toml", settings)).await
}

async fn publish(host: &Host, subject: &str, payload: &str) {
    let reply = host.admin("POST", &format!("/admin/v1/events/{subject}"), payload).await;
    assert_eq!(reply.status, 202, "{reply:?}");
}

/// Calls a method and gives its answer, which must be one.
async fn call(browser: &mut Browser, method: &str, data: Value) -> Value {
    let heard = browser.ask(&json!({ "call": method, "data": data, "id": method })).await;
    assert!(heard["status"].as_u64().is_some_and(|status| status < 300), "{heard}");
    heard["answer"].clone()
}

/// Subscribes, which must be let.
async fn subscribe(browser: &mut Browser, subject: &str) {
    let heard = browser.ask(&json!({ "subscribe": subject, "id": subject })).await;
    assert_eq!(heard, json!({ "id": subject, "subscribed": subject }));
}

#[tokio::test]
async fn a_browser_calls_methods() {
    let host = shop_host("").await;
    let mut browser = Browser::of(&host, "shop").await;
    let heard =
        browser.ask(&json!({ "call": "shop.add", "data": { "a": 40, "b": 2 }, "id": 1 })).await;
    assert_eq!(heard, json!({ "id": 1, "answer": { "sum": 42 }, "status": 200 }));
    assert_eq!(call(&mut browser, "add", json!({ "a": 1, "b": 2 })).await["sum"], 3);
    // Parameters by their names, the rest as the query.
    let item = json!({ "kind": "a bolt/ü", "id": 7, "currency": "eur", "count": 2 });
    assert_eq!(call(&mut browser, "shop.item", item.clone()).await, item);
    let heard = browser.ask(&json!({ "call": "shop.nothing", "id": "n" })).await;
    assert_eq!(heard, json!({ "id": "n", "answer": null, "status": 204 }));
    assert_eq!(call(&mut browser, "shop.text", Value::Null).await, "not JSON");
    assert_eq!(
        call(&mut browser, "shop.bytes", Value::Null).await,
        json!({ "base64": "AJ+Slg==" })
    );
    let fault = browser.ask(&json!({ "call": "shop.buy", "id": 2 })).await;
    let expected =
        json!({ "id": 2, "error": "there is none left", "code": 409, "fault": "sold-out" });
    assert_eq!(fault, expected);
    let trapped = browser.ask(&json!({ "call": "shop.trap", "id": 3 })).await;
    assert_eq!((&trapped["code"], &trapped["fault"]), (&json!(500), &json!("trapped")));
    let who = call(&mut browser, "shop.who", Value::Null).await;
    assert!(who["socket"].is_string() && who["caller"].is_null(), "{who}");
    assert_ne!(who["request_id"], "");
    // Whoever asks by HTTP has no socket.
    assert_eq!(json(&host.get("/shop/who").await, 200)["socket"], Value::Null);
    faults(&host.post_json("/shop/rooms/r/join", "").await, 400, &["no-socket"]);
    host.stop().await;
}

#[tokio::test]
async fn a_browser_hears_what_it_subscribes_to() {
    let host = shop_host("").await;
    let mut browser = Browser::of(&host, "shop").await;
    let mut other = Browser::of(&host, "shop").await;
    subscribe(&mut browser, "rates.*").await;
    call(&mut other, "shop.whisper", json!({ "what": "usd" })).await;
    call(&mut other, "shop.rate", json!({ "what": "usd", "rate": 1.15 })).await;
    let heard = browser.hear().await;
    assert_eq!((&heard["event"], &heard["data"]), (&json!("rates.usd"), &json!({ "rate": 1.15 })));
    assert!(heard["event_id"].is_string(), "{heard}");
    publish(&host, "rates.deep.er", "not covered").await;
    publish(&host, "rates.eur", "no JSON").await;
    assert_eq!(browser.hear().await["data"], "no JSON");
    let left = browser.ask(&json!({ "unsubscribe": "rates.*", "id": 9 })).await;
    assert_eq!(left["unsubscribed"], "rates.*", "{left}");
    publish(&host, "rates.usd", "1").await;
    subscribe(&mut browser, "rates.eur").await;
    publish(&host, "rates.eur", "2").await;
    let heard = browser.hear().await;
    assert_eq!((&heard["event"], &heard["data"]), (&json!("rates.eur"), &json!(2)));
    // It has never subscribed, so it was told nothing: the next is its answer.
    other.say(json!({ "call": "shop.nothing", "id": "last" }).to_string()).await;
    assert_eq!(other.hear().await["id"], "last");
    host.stop().await;
}

#[tokio::test]
async fn events_come_to_a_browser_in_order() {
    let host = shop_host("").await;
    let mut browser = Browser::of(&host, "shop").await;
    subscribe(&mut browser, "rates.>").await;
    for number in 0..100 {
        publish(&host, "rates.usd", &number.to_string()).await;
    }
    for number in 0..100 {
        assert_eq!(browser.hear().await["data"], number);
    }
    host.stop().await;
}

#[tokio::test]
async fn rooms_are_told_by_services() {
    let host = shop_host("").await;
    let mut ann = Browser::of(&host, "shop").await;
    let mut ben = Browser::of(&host, "shop").await;
    for browser in [&mut ann, &mut ben] {
        call(browser, "shop.join", json!({ "name": "den" })).await;
    }
    call(&mut ann, "shop.tell", json!({ "name": "den", "text": "hello" })).await;
    let hello = json!({ "event": "told", "data": { "text": "hello" } });
    assert_eq!((ann.hear().await, ben.hear().await), (hello.clone(), hello));
    call(&mut ann, "shop.tell_others", json!({ "name": "den", "text": "you" })).await;
    assert_eq!(ben.hear().await["data"]["text"], "you");
    call(&mut ben, "shop.leave", json!({ "name": "den" })).await;
    call(&mut ben, "shop.tell", json!({ "name": "den", "text": "bye" })).await;
    call(&mut ben, "shop.tell_me", json!({ "text": "just me" })).await;
    assert_eq!(ben.hear().await, json!({ "event": "message", "data": "just me" }));
    // Nothing was told to Ann between the two that she was told.
    assert_eq!(ann.hear().await["data"]["text"], "bye");
    let reply = host.post_json("/shop/rooms/den/tell", "{\"text\":\"by HTTP\"}").await;
    assert_eq!(reply.status, 204);
    assert_eq!(ann.hear().await["data"]["text"], "by HTTP");
    host.stop().await;
}

#[tokio::test]
async fn who_speaks_socket_io_by_hand_is_understood() {
    let host = shop_host("").await;
    let mut browser = Browser::at(&host, "/socket.io/?EIO=4&transport=websocket").await;
    let open = browser.packet().await.unwrap();
    assert!(open.starts_with("0{"), "{open}");
    browser.say("40/nowhere,").await;
    let refused = browser.packet().await.unwrap();
    assert!(refused.starts_with("44/nowhere,"), "{refused}");
    browser.say("40/shop,").await;
    let joined = browser.packet().await.unwrap();
    assert!(joined.starts_with("40/shop,{"), "{joined}");
    browser.say(r#"42/shop,7["shop.add",{"a":40,"b":2}]"#).await;
    assert_eq!(browser.packet().await.unwrap(), r#"43/shop,7[{"sum":42},200]"#);
    publish(&host, "rates.usd", "1.15").await;
    assert_eq!(browser.packet().await.unwrap(), r#"42/shop,["rates.usd",1.15]"#);
    host.stop().await;
}

#[tokio::test]
async fn browsers_of_every_kind_share_a_room() {
    let host = shop_host("").await;
    let mut plain = Browser::of(&host, "shop").await;
    call(&mut plain, "shop.join", json!({ "name": "den" })).await;
    let mut other = Browser::at(&host, "/socket.io/?EIO=4&transport=websocket").await;
    other.packet().await.unwrap();
    other.say("40/shop,").await;
    other.packet().await.unwrap();
    other.say(r#"42/shop,1["shop.join",{"name":"den"}]"#).await;
    assert_eq!(other.packet().await.unwrap(), "43/shop,1[null,204]");
    call(&mut plain, "shop.tell_others", json!({ "name": "den", "text": "x" })).await;
    assert_eq!(other.packet().await.unwrap(), r#"42/shop,["told",{"text":"x"}]"#);
    other.say(r#"42/shop,["shop.tell_others",{"name":"den","text":"y"}]"#).await;
    assert_eq!(plain.hear().await["data"]["text"], "y");
    host.stop().await;
}

#[tokio::test]
async fn events_are_heard_by_server_sent_events_and_after_a_break() {
    let host = shop_host("").await;
    let query = "subject=rates.*&namespace=shop";
    let mut reader = Reader::of_browser(&host, query, &[]).await;
    publish(&host, "secrets.usd", "1").await;
    publish(&host, "rates.usd", "1").await;
    let first = reader.next().await;
    assert_eq!(first.data["subject"], "rates.usd");
    drop(reader);
    publish(&host, "rates.eur", "2").await;
    publish(&host, "secrets.eur", "2").await;
    publish(&host, "rates.gbp", "3").await;
    let last = [("last-event-id", first.id.as_str())];
    let mut again = Reader::of_browser(&host, query, &last).await;
    assert_eq!(again.data().await["subject"], "rates.eur");
    assert_eq!(again.data().await["subject"], "rates.gbp");
    let unknown = [("last-event-id", "of another host")];
    let mut stranger = Reader::of_browser(&host, query, &unknown).await;
    assert_eq!(stranger.next().await.kind, "gap");
    assert_eq!(stranger.data().await["subject"], "rates.usd");
    // Without a namespace there is what any of them shows.
    let mut any = Reader::of_browser(&host, "subject=rates.usd&subject=rates.eur", &[]).await;
    publish(&host, "rates.gbp", "4").await;
    publish(&host, "rates.eur", "5").await;
    assert_eq!(any.data().await["subject"], "rates.eur");
    host.stop().await;
}

#[tokio::test]
async fn a_swap_keeps_the_sockets() {
    let host = shop_host("").await;
    let mut browser = Browser::of(&host, "shop").await;
    subscribe(&mut browser, "rates.usd").await;
    call(&mut browser, "shop.join", json!({ "name": "den" })).await;
    let before = call(&mut browser, "shop.who", Value::Null).await;
    let mark = host.log.mark();
    host.folder.write("shop.toml", format!("{MANIFEST}\n[limits]\nwall_ms = 9000"));
    host.line_from(mark, "swapped shop*").await;
    let after = call(&mut browser, "shop.who", Value::Null).await;
    assert_eq!(before["socket"], after["socket"]);
    call(&mut browser, "shop.tell", json!({ "name": "den", "text": "still here" })).await;
    assert_eq!(browser.hear().await["data"]["text"], "still here");
    publish(&host, "rates.usd", "1").await;
    assert_eq!(browser.hear().await["event"], "rates.usd");
    host.stop().await;
}

#[tokio::test]
async fn what_is_no_longer_exposed_is_out_of_reach_at_once() {
    let host = shop_host("").await;
    let mut browser = Browser::of(&host, "shop").await;
    call(&mut browser, "shop.nothing", Value::Null).await;
    let mark = host.log.mark();
    host.folder.write("shop.toml", "namespace = \"shop\"\nexpose = [\"shop.add\"]");
    host.line_from(mark, "swapped shop*").await;
    let gone = browser.ask(&json!({ "call": "shop.nothing", "id": 1 })).await;
    assert_eq!((&gone["code"], &gone["fault"]), (&json!(404), &json!("no-such-method")));
    call(&mut browser, "shop.add", json!({ "a": 1, "b": 1 })).await;
    host.stop().await;
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_sent_away_and_the_others_go_on() {
    let host = shop_host("").await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut browser = Browser::of(&host, "shop").await;
        subscribe(&mut browser, "rates.>").await;
        slow.push(browser);
    }
    let mut quick = Browser::of(&host, "shop").await;
    subscribe(&mut quick, "rates.>").await;
    let before = resident_mib(host.pid());
    // More than the buffers of the machine take for one connection.
    let large = format!("\"{}\"", "x".repeat(500_000));
    for _ in 0..100 {
        publish(&host, "rates.large", &large).await;
        assert_eq!(quick.hear().await["event"], "rates.large");
    }
    let after = resident_mib(host.pid());
    assert!(after < before + 32, "{before} MiB, then {after} MiB");
    for mut browser in slow {
        let code = browser.closed().await;
        assert!([1006, 1013].contains(&code), "closed with {code}");
    }
    call(&mut quick, "shop.add", json!({ "a": 1, "b": 1 })).await;
    host.stop().await;
}

#[tokio::test]
async fn who_asks_and_does_not_listen_holds_nobody_up() {
    let host = shop_host("").await;
    let mut deaf = Browser::of(&host, "shop").await;
    let mut other = Browser::of(&host, "shop").await;
    let asking = async {
        let ask = json!({ "call": "shop.item", "data": { "kind": "x".repeat(4_000), "id": 1 } });
        let ask = tokio_tungstenite::tungstenite::Message::text(ask.to_string());
        // Until the host takes no more, or has had enough.
        loop {
            let sent = tokio::time::timeout(Duration::from_secs(2), deaf.try_say(ask.clone()));
            if !matches!(sent.await, Ok(Ok(()))) {
                break;
            }
        }
    };
    let others = async {
        for number in 0..100 {
            let sum = call(&mut other, "shop.add", json!({ "a": number, "b": 1 })).await;
            assert_eq!(sum["sum"], number + 1);
        }
    };
    // The first goes on for as long as the second takes.
    tokio::select! {
        () = others => (),
        () = async { asking.await; std::future::pending::<()>().await } => (),
    }
    host.stop().await;
}

#[tokio::test]
async fn a_host_that_stops_says_goodbye_and_waits_for_no_browser() {
    let mut host = shop_host("").await;
    let mut plain = Browser::of(&host, "shop").await;
    subscribe(&mut plain, "rates.>").await;
    let mut other = Browser::at(&host, "/socket.io/?EIO=4&transport=websocket").await;
    other.packet().await.unwrap();
    other.say("40/shop,").await;
    other.packet().await.unwrap();
    let mut reader = Reader::of_browser(&host, "subject=rates.%3E", &[]).await;
    let mut deaf = Wire::to(host.services).await;
    deaf.send("GET /events?subject=rates.%3E HTTP/1.1\r\nhost: a\r\n\r\n").await;
    deaf.head().await;
    let asked = std::time::Instant::now();
    host.signal(Signal::TERM);
    assert_eq!(plain.closed().await, 1001);
    assert!(reader.try_next().await.is_none());
    other.closed().await;
    assert_eq!(host.ended().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(20), "the drain waited for browsers");
}
