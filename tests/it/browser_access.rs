//! What browsers do not reach, what they may not send, and manifests that show
//! what cannot be shown.

use crate::kit::*;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

const MANIFEST: &str = "namespace = \"shop\"
expose = [\"shop.add\", \"shop.rate\", \"shop.who\", \"events:rates.>\"]";

async fn shop_host(settings: &str) -> Host {
    let folder = Folder::of(&["shop", "calc"]).with("shop.toml", MANIFEST);
    Host::over(folder.with("picolet.toml", settings)).await
}

async fn call(browser: &mut Browser, method: &str, data: Value) -> Value {
    browser.ask(&json!({ "call": method, "data": data, "id": 1 })).await
}

#[track_caller]
fn check_fault(heard: &Value, code: u16, name: &str) {
    assert_eq!((&heard["code"], &heard["fault"]), (&json!(code), &json!(name)), "{heard}");
    assert!(heard["error"].as_str().is_some_and(|text| !text.is_empty()), "{heard}");
}

#[tokio::test]
async fn what_is_not_exposed_is_not_there() {
    let host = shop_host("").await;
    let mut browser = Browser::of(&host, "shop").await;
    let hidden = [
        "shop.hidden",
        "hidden",
        "calc.add1",
        "add1",
        "nobody.add",
        "shop.",
        "shop",
        ".add",
        "shop.add.x",
        "SHOP.ADD",
        "shop.*",
        "*",
        "../shop/hidden",
        "/shop/hidden",
    ];
    for method in hidden {
        check_fault(&call(&mut browser, method, Value::Null).await, 404, "no-such-method");
    }
    check_works(&mut browser).await;
    // They are there for those who are no browsers.
    answers(&host.get("/shop/hidden").await, 200, "for programs alone");
    // Nor does socket.io reach them.
    let mut other = Browser::at(&host, "/socket.io/?EIO=4&transport=websocket").await;
    other.packet().await.unwrap();
    for namespace in ["", "/,", "/calc,", "/nowhere,", "/shop/x,", "/sho,"] {
        other.say(format!("40{namespace}")).await;
        let refused = other.packet().await.unwrap();
        assert!(refused.starts_with("44"), "{namespace}: {refused}");
    }
    other.say("40/shop,").await;
    other.packet().await.unwrap();
    other.say(r#"42/shop,1["shop.hidden",{}]"#).await;
    let fault = other.packet().await.unwrap();
    assert!(fault.starts_with("43/shop,1[{"), "{fault}");
    assert!(fault.contains("no-such-method") && fault.ends_with(",404]"), "{fault}");
    host.stop().await;
}

#[tokio::test]
async fn subjects_that_are_not_exposed_are_not_heard() {
    let host = shop_host("").await;
    let mut browser = Browser::of(&host, "shop").await;
    for subject in [">", "*", "secrets.>", "secrets.usd", "*.usd", "rates", ">.usd", "a..b", ""] {
        let refused = browser.ask(&json!({ "subscribe": subject, "id": 7 })).await;
        assert!(refused["error"].is_string() && refused["code"].is_u64(), "{subject}: {refused}");
    }
    let query = |subject: &str| format!("/events?namespace=shop&subject={subject}");
    for subject in ["%3E", "*", "secrets.%3E", "secrets.usd", "*.usd"] {
        let reply = host.get(&query(subject)).await;
        assert!((400..500).contains(&reply.status), "{subject}: {reply:?}");
    }
    let elsewhere = host.get("/events?namespace=calc&subject=rates.usd").await;
    assert_eq!(elsewhere.status, 404, "{elsewhere:?}");
    for query in ["", "subject=", "subject=a..b", "topic=rates.usd", "namespace=shop"] {
        let reply = host.get(&format!("/events?{query}")).await;
        faults(&reply, 400, &["bad-request", "bad-subject"]);
    }
    let mut reader = Reader::of_browser(&host, "subject=rates.*&namespace=shop", &[]).await;
    let heard = browser.ask(&json!({ "subscribe": "rates.*", "id": 8 })).await;
    assert_eq!(heard["subscribed"], "rates.*");
    for subject in ["secrets.usd", "usd", "rates", "rates.usd"] {
        host.admin("POST", &format!("/admin/v1/events/{subject}"), "1").await;
    }
    assert_eq!(browser.hear().await["event"], "rates.usd");
    assert_eq!(reader.data().await["subject"], "rates.usd");
    host.stop().await;
}

#[tokio::test]
async fn a_short_name_that_two_services_have_is_nobodys() {
    let folder = Folder::of(&["shop", "arbitration"]).with("shop.toml", MANIFEST);
    let other = "namespace = \"shop\"\nexpose = [\"arbitration.rate*\"]";
    let folder = folder.with("arbitration.toml", other);
    let host = Launch::over(folder).own_state().start().await;
    let mut browser = Browser::of(&host, "shop").await;
    let rates = call(&mut browser, "rates", Value::Null).await;
    assert_eq!(rates["status"], 200, "{rates}");
    let ambiguous = call(&mut browser, "rate", json!({ "what": "usd", "rate": 1 })).await;
    check_fault(&ambiguous, 400, "bad-call");
    let exact = call(&mut browser, "shop.rate", json!({ "what": "usd", "rate": 1 })).await;
    assert_eq!(exact["status"], 204, "{exact}");
    let exact = call(&mut browser, "arbitration.rate", json!({ "from": "usd", "to": "eur" })).await;
    assert_eq!(exact["status"], 200, "{exact}");
    host.stop().await;
}

#[tokio::test]
async fn a_page_of_another_origin_is_not_let_in_unless_that_is_said() {
    let host = shop_host("").await;
    let own = format!("http://{}", host.services);
    check_origin(&host, &own, Access::Granted).await;
    let strangers = ["https://shop.example", "http://127.0.0.1:1", "null", "file://", "nonsense"];
    for stranger in strangers {
        check_origin(&host, stranger, Access::Denied).await;
    }
    // What is no browser says nothing of the kind.
    check_works(&mut Browser::of(&host, "shop").await).await;
    host.stop().await;

    let host = shop_host("[browsers]\norigins = [\"https://shop.example\"]").await;
    check_origin(&host, "https://shop.example", Access::Granted).await;
    check_origin(&host, &format!("http://{}", host.services), Access::Granted).await;
    for stranger in [
        "http://shop.example",
        "https://shop.example:444",
        "https://shop.example.evil.example",
        "https://evil.example",
        "https://a.shop.example",
    ] {
        check_origin(&host, stranger, Access::Denied).await;
    }
    host.stop().await;

    let host = shop_host("[browsers]\norigins = [\"*\"]").await;
    check_origin(&host, "https://any.example", Access::Granted).await;
    host.stop().await;
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Access {
    Granted,
    Denied,
}

/// All ways in are guarded alike.
async fn check_origin(host: &Host, origin: &str, expected: Access) {
    let status = |denied: u16| if denied == 403 { Access::Denied } else { Access::Granted };
    for path in ["/ws?namespace=shop", "/socket.io/?EIO=4&transport=websocket"] {
        let opened = Browser::try_at(host, path, &[("origin", origin)]).await;
        let seen = opened.map_or_else(status, |_| Access::Granted);
        assert_eq!(seen, expected, "{origin} at {path}");
    }
    let asked = [("origin", origin)];
    let polled = host.send("GET", "/socket.io/?EIO=4&transport=polling", &asked, "").await;
    assert_eq!(status(polled.status), expected, "{origin} polls: {polled:?}");
    let path = "/events?namespace=shop&subject=rates.usd";
    let heard = request("GET", host.services, path, &asked, body(""));
    let heard = Client::default().open(heard).await;
    assert_eq!(status(heard.status().as_u16()), expected, "{origin} hears");
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_the_socket_stays() {
    let host = shop_host("").await;
    let mut browser = Browser::of(&host, "shop").await;
    let deep = "[".repeat(100_000);
    let long_id = format!(r#"{{"call":"shop.add","id":"{}"}}"#, "x".repeat(10_000));
    let long_method = format!(r#"{{"call":"{}"}}"#, "x".repeat(10_000));
    let long_subject = format!(r#"{{"subscribe":"{}"}}"#, "x".repeat(10_000));
    let bad = [
        "",
        " ",
        "hello",
        "{",
        "null",
        "42",
        "\"text\"",
        "[]",
        "[{\"call\":\"shop.add\"}]",
        "{}",
        "{\"id\":1}",
        "{\"data\":{}}",
        "{\"call\":1}",
        "{\"call\":null}",
        "{\"call\":[\"shop.add\"]}",
        "{\"call\":\"shop.add\",\"method\":\"x\"}",
        "{\"call\":\"shop.add\",\"subscribe\":\"rates.>\"}",
        "{\"subscribe\":1}",
        "{\"subscribe\":\"rates.>\",\"unsubscribe\":\"rates.>\"}",
        "{\"call\":\"shop.add\",\"id\":{}}",
        "{\"call\":\"shop.add\",\"id\":[1]}",
        "{\"call\":\"shop.add\"}}",
        "{\"event\":\"rates.usd\",\"data\":1}",
        &long_id,
        &long_method,
        &long_subject,
        &deep,
    ];
    for text in bad {
        browser.say(text).await;
        let heard = browser.hear().await;
        let shown: String = text.chars().take(60).collect();
        assert_eq!(heard["code"].as_u64().map(|code| code / 100), Some(4), "{shown}: {heard}");
        assert!(heard["error"].is_string() && heard["fault"].is_string(), "{shown}: {heard}");
    }
    browser.try_say(Message::binary(vec![0, 159, 146, 150])).await.unwrap();
    check_fault(&browser.hear().await, 400, "bad-message");
    // What is a message, and no good call.
    let parameters = call(&mut browser, "shop.rate", json!({ "rate": 1 })).await;
    assert_eq!(parameters["code"], 400, "{parameters}");
    check_fault(&call(&mut browser, "shop.add", json!("text")).await, 400, "bad-json");
    check_fault(&call(&mut browser, "shop.add", json!({ "a": "x" })).await, 400, "bad-json");
    assert_eq!(call(&mut browser, "shop.who", json!([])).await["code"], 400);
    check_works(&mut browser).await;
    host.stop().await;
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused() {
    let host = shop_host("").await;
    for (path, status) in [("/ws?namespace=nowhere", 404), ("/ws?namespace=calc", 404)] {
        let seen = Browser::try_at(&host, path, &[]).await.err();
        assert_eq!(seen, Some(status), "{path}");
    }
    for path in ["/ws", "/ws?namespace=", "/ws?namespace=a%20b", "/ws?room=shop"] {
        let seen = Browser::try_at(&host, path, &[]).await.err();
        assert!(seen.is_some_and(|status| (400..500).contains(&status)), "{path}: {seen:?}");
    }
    let plain = host.get("/ws?namespace=shop").await;
    assert!([400, 426].contains(&plain.status), "{plain:?}");
    let posted = host.post_json("/ws?namespace=shop", "{}").await;
    assert!((400..500).contains(&posted.status), "{posted:?}");
    let old = Browser::try_at(&host, "/ws?namespace=shop", &[("sec-websocket-version", "8")]).await;
    assert!(old.err().is_some_and(|status| [400, 426].contains(&status)));
    check_works(&mut Browser::of(&host, "shop").await).await;
    host.stop().await;
}

#[tokio::test]
async fn data_of_socket_io_that_is_none_is_no_call() {
    let host = shop_host("").await;
    let mut browser = Browser::of_socket_io(&host, "shop").await;
    let deep = format!(r#"42/shop,1["shop.who",{}{}]"#, "[".repeat(500), "]".repeat(500));
    for said in [r#"42/shop,1["shop.who",1e999]"#, r#"42/shop,1["shop.who",{},{}]"#, &deep] {
        browser.say(said).await;
        let fault = browser.packet().await.unwrap();
        assert!(fault.starts_with("43/shop,1[{") && fault.ends_with(",400]"), "{said}: {fault}");
        assert!(fault.contains("bad-message"), "{said}: {fault}");
    }
    browser.say(r#"451-/shop,2["shop.add",{"_placeholder":true,"num":0}]"#).await;
    browser.try_say(Message::binary(vec![1, 2, 3])).await.unwrap();
    let fault = browser.packet().await.unwrap();
    assert!(fault.starts_with("43/shop,2[{") && fault.contains("bad-message"), "{fault}");
    browser.say(r#"42/shop,3["shop.add",{"a":40,"b":2}]"#).await;
    assert_eq!(browser.packet().await.as_deref(), Some(r#"43/shop,3[{"sum":42},200]"#));
    host.stop().await;
}

#[tokio::test]
async fn a_manifest_that_exposes_what_is_not_its_own_is_refused() {
    let host = shop_host("").await;
    let mut browser = Browser::of(&host, "shop").await;
    for (manifest, reason) in [
        ("expose = [\"shop.add\"]", "namespace"),
        ("namespace = \"shop\"\nexpose = [\"calc.add1\"]", "calc.add1"),
        ("namespace = \"shop\"\nexpose = [\"calc.*\"]", "calc.*"),
        ("namespace = \"shop\"\nexpose = [\"*\"]", "expose"),
        ("namespace = \"shop\"\nexpose = [\"shop\"]", "expose"),
        ("namespace = \"shop\"\nexpose = [\"shop.nowhere\"]", "shop.nowhere"),
        ("namespace = \"shop\"\nexpose = [\"shop.a*d\"]", "shop.a*d"),
        ("namespace = \"shop\"\nexpose = [\"events:\"]", "expose"),
        ("namespace = \"shop\"\nexpose = [\"events:a..b\"]", "a..b"),
        ("namespace = \"shop\"\nexpose = [1]", "expose"),
        ("namespace = \"\"", "namespace"),
        ("namespace = \"a/b\"", "namespace"),
        ("namespace = 7", "namespace"),
    ] {
        let mark = host.log.mark();
        host.folder.write("shop.toml", manifest);
        let line = refuses(&host, mark, "shop.wasm", "").await;
        assert!(line.contains(reason), "{manifest}: {line}");
    }
    // What was there before goes on.
    check_works(&mut browser).await;
    host.stop().await;
}

#[tokio::test]
async fn no_module_takes_the_place_of_the_browsers_paths() {
    let host = shop_host("").await;
    for (number, root) in ["/ws", "/events", "/socket.io", "/socket.io/shop"].iter().enumerate() {
        let mark = host.log.mark();
        let file = format!("taker{number}");
        host.folder.write(&format!("{file}.toml"), format!("root = \"{root}\""));
        host.folder.put(&format!("{file}.wasm"), guest("hello-wasi2"));
        refuses(&host, mark, &format!("{file}.wasm"), "belongs to the host").await;
    }
    // A root of everything leaves them to the host, too.
    let mark = host.log.mark();
    host.folder.write("hello-wasi2.toml", "root = \"\"");
    host.folder.put("hello-wasi2.wasm", guest("hello-wasi2"));
    host.line_from(mark, "serving hello-wasi2*").await;
    assert_eq!(host.get("/wherever").await.status, 200);
    check_works(&mut Browser::of(&host, "shop").await).await;
    faults(&host.get("/events").await, 400, &["bad-request"]);
    let polled = host.get("/socket.io/?EIO=4&transport=polling").await;
    assert!(polled.text().starts_with("0{"), "{polled:?}");
    host.stop().await;
}
